/* SPDX-License-Identifier: MIT
 * recording.h - a device, its transfers, and a capture of them
 */
#ifndef TESTS_UNIT_USBDEV_PCAP_RECORDING_H
#define TESTS_UNIT_USBDEV_PCAP_RECORDING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../host.h"
#include "tests/lib/capture.h"
#include "usbdev/pcap/pcap.h"

#define TYPE_ISO       0
#define TYPE_INTERRUPT 1
#define TYPE_CONTROL   2
#define TYPE_BULK      3

#define HEADER   64u /* usbmon's */
#define ISO      16u /* a packet descriptor */
#define FLAG_IN  0x200u
#define FLAG_ISO 0x2u

/**
 * struct recording - a device whose transfers wait until the test ends them, and a capture
 * @opened, @err: the capture has opened its file, or the reason why not
 * @destroyed:	the ended capture is destroyed
 * @path:	of the file, in @dir
 * @fifo_fd:	from which a test reads the capture; the tear-down closes it, -1: none
 */
struct recording {
	struct usbdev fake;
	struct host host;
	struct pcap *pcap;
	bool opened;
	struct err err;
	bool destroyed;
	char dir[64];
	char path[128];
	struct capture capture;
	int fifo_fd;
};

extern struct recording t;
/* Operations of a device that does nothing by itself. */
extern const struct usbdev_ops fake_ops;

/* cmocka set-up: with a capture into t.path, and without one. */
int recording_setup(void **state);
int recording_setup_bare(void **state);
int recording_teardown(void **state);
#define T(test) \
	cmocka_unit_test_setup_teardown(test_##test, recording_setup, recording_teardown)
#define BARE(test)                                                         \
	cmocka_unit_test_setup_teardown(test_##test, recording_setup_bare, \
					recording_teardown)
/* Begins a capture into @to. */
void recording_start(const char *to);
/* The same, of no device; into @fd unless that is -1. */
void recording_begin(const char *to, int fd);
/* Waits until the capture has opened its file, or has failed and set t.err. */
void recording_await_opened(void);
/* Ends the capture and waits for that. */
void recording_stop(void);
/* Ends the capture and reads t.path, which must have @count records. */
void recording_finish(unsigned count);

/* Fill data with a pattern, and check it. */
void pattern(struct urb *urb, uint32_t len);
void assert_data(const struct capture_record *record, uint32_t len);

/* Run a whole transfer; IN data appear before it ends. */
void run_transfer(struct urb *urb, enum usbdev_status status, uint32_t actual);
void run_type(enum usbdev_type type, uint8_t ep_addr, uint32_t len,
	      enum usbdev_status status, uint32_t actual);
void run_control(const struct usbdev_setup *setup_packet, uint32_t len,
		 enum usbdev_status status, uint32_t actual);

/* Checks the common part of all records, without lengths, which depend on the data. */
const struct capture_record *check_record(unsigned i, char type, uint8_t transfer_type,
					  uint8_t endpoint, int status);
/* Checks the length of the URB and of the data in the record, which must not be truncated. */
void check_bytes(const struct capture_record *record, char flag, uint32_t urb,
		 uint32_t data);

#endif /* TESTS_UNIT_USBDEV_PCAP_RECORDING_H */
