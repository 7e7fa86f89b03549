/* SPDX-License-Identifier: MIT
 * kernel_urbs.h - usbfs URBs without a kernel: a fuzz target completes them
 *
 * It checks that no URB is submitted twice and that it can read a URB's memory. It writes only
 * within that memory, whatever length it reports.
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

/* @length: of the buffer; @completed: the URB can be reaped */
struct kernel_urb {
	struct usbdevfs_urb *usb;
	int length;
	bool completed;
	int status;
	int actual;
};

/**
 * struct kernel - the kernel; behaves well if all but @fd is zero
 * @fd:		the device's node
 * @urbs:	@count of them, in the order submitted or completed
 * @submit_error: result of the next @submit_errors submissions
 * @reap_error:	result of the next reap
 * @map_errors:	number of mappings to fail
 * @discard_error: result of all discards; 0 = no error
 * @gone:	the device is gone
 * @lost:	a call has failed as if the device were gone: URBs may never complete
 * @foreign:	URBs that a reap reports though we have not submitted them
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

/* Values of -errno to choose from. */
extern const int kernel_statuses[KERNEL_STATUSES];
extern const int kernel_refusals[KERNEL_REFUSALS];

/* Makes the kernel behave well and have no URBs. */
void kernel_init(int fd);
/* Completes URB @index. A reap writes its memory and reports the result. */
void kernel_complete_urb(unsigned index, int status, int actual);
/* Completes URB @index modulo their number, if it has not completed. @how chooses the status and a
 * usual length, or @any as the length. */
void kernel_complete_some(unsigned index, uint8_t how, uint32_t any);
/* Completes all remaining URBs, as if they were unlinked. */
void kernel_complete_all(void);
/* Called after the node is closed: checks that no mapping is left, and no URB unless @lost. */
void kernel_end(void);
/* Makes a reap report @usb, which is not ours; ignored if the kernel has this URB. */
void kernel_name_foreign(struct usbdevfs_urb *usb);
/* Makes no further call fail. */
void kernel_tells_the_truth(void);

#endif /* TESTS_FUZZ_KERNEL_URBS_H */
