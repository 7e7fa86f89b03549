/* SPDX-License-Identifier: MIT
 * kernel_urbs.h - usbfs' URBs without a kernel: a fuzz target completes them
 *
 * It checks that a submitted URB is not with it already and that it can read the memory. It
 * writes only within the URB's memory, whatever length it reports.
 */
#ifndef TESTS_FUZZ_KERNEL_URBS_H
#define TESTS_FUZZ_KERNEL_URBS_H

#include <stdbool.h>
#include <stdint.h>

#include "fuzz.h"

#define KERNEL_URBS     512u
#define KERNEL_STATUSES 16u
#define KERNEL_REFUSALS 12u

struct usbdevfs_urb;

/* @length: of its buffer; @completed: can be reaped */
struct kernel_urb {
	struct usbdevfs_urb *usb;
	int length;
	bool completed;
	int status;
	int actual;
};

/**
 * struct kernel - the kernel; with all zeros but @fd it behaves well
 * @fd:		the device's node
 * @urbs:	@count of them, in the order submitted or completed
 * @submit_error: result of the next @submit_errors submissions
 * @reap_error:	result of the next reap
 * @map_errors:	number of mappings to fail
 * @discard_error: result of all discards; 0 = none
 * @gone:	the device is
 * @lost:	a call has failed as if the device were gone: URBs may never come back
 * @foreign:	URBs that it says are back, though nobody here submitted them
 * @mapped:	number of mappings
 * @lies:	bytes that packets report
 */
struct kernel {
	int fd;
	struct kernel_urb urbs[KERNEL_URBS];
	unsigned count;
	int submit_error;
	unsigned submit_errors;
	int reap_error;
	unsigned map_errors;
	int discard_error;
	bool gone;
	bool lost;
	struct usbdevfs_urb *foreign[4];
	unsigned foreign_count;
	unsigned mapped;
	uint32_t lies;
};

extern struct kernel kernel;

/* -errno. */
extern const int kernel_statuses[KERNEL_STATUSES];
extern const int kernel_refusals[KERNEL_REFUSALS];

/* Behaves well, and has no URBs. */
void kernel_init(int fd);
/* Completes URB @index. A reap writes its memory and reports the result. */
void kernel_complete_urb(unsigned index, int status, int actual);
/* Completes one of those that have not, if any. @how chooses status and length; @any is the length if
 * none of the usual ones is chosen. */
void kernel_complete_some(unsigned index, uint8_t how, uint32_t any);
/* Completes all that have not, as if they were unlinked. */
void kernel_complete_all(void);
/* The node is closed: checks that no mapping is left, and no URB unless the device was lost. */
void kernel_end(void);
/* A reap will name @usb, which is not ours; ignored if the kernel has such an URB. */
void kernel_name_foreign(struct usbdevfs_urb *usb);
/* No further errors. */
void kernel_tells_the_truth(void);

#endif /* TESTS_FUZZ_KERNEL_URBS_H */
