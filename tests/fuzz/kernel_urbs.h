/* SPDX-License-Identifier: MIT
 * kernel_urbs.h - usbfs' URBs without a kernel: ends them as a target says
 *
 * It checks what it is given: URBs that it does not have yet, memory that it can read. Memory
 * that it writes is that of the URB, whatever it tells of its length.
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

/* @length: of its buffer; @finished: can be reaped */
struct kernel_urb {
	struct usbdevfs_urb *usb;
	int length;
	bool finished;
	int status;
	int actual;
};

/**
 * struct kernel - the kernel, all zeros but for @fd: it does what it should
 * @fd:		the device's node
 * @urbs:	@count of them, in the order of submitting or ending
 * @submit_error: what the next @submit_errors submissions get
 * @reap_error:	what the next call gets
 * @map_errors:	so many calls fail
 * @discard_error: what all get; 0 = none
 * @gone:	the device is
 * @lost:	an error was told that says so, or the like: what it has may never come back
 * @foreign:	what it says is back, though nobody here submitted it
 * @mapped:	mappings there are
 * @lies:	what packets are said to have moved
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

/* All is well, and nothing there. */
void kernel_init(int fd);
/* URB @index ends: what it says is put down at once, its memory is written when it is reaped. */
void kernel_finish_urb(unsigned index, int status, int actual);
/* One of them ends, if there is one that has not; @how says how it ends and how much it has moved: @any if
 * that is none of the usual. */
void kernel_finish_some(unsigned index, uint8_t how, uint32_t any);
/* All that have not ended do, as if they were taken back. */
void kernel_finish_all(void);
/* The node is closed: URBs are left only if the device was lost, mappings never. */
void kernel_end(void);
/* It will say that @usb is back, which is not ours; not if that is one that it has. */
void kernel_name_foreign(struct usbdevfs_urb *usb);
/* No error is left over. */
void kernel_tells_the_truth(void);

#endif /* TESTS_FUZZ_KERNEL_URBS_H */
