/* SPDX-License-Identifier: MIT
 * host_fake.h - a real device that is none: handle.h and urbs.h for tests
 *
 * What the back end asks of the device is written down and can be held or made to
 * fail; transfers stay with the fake until a test answers them or they are cancelled.
 * The fake fails the test if a blocking call is made in the loop thread or with URBs
 * that are not frozen, or if URBs are closed with transfers.
 */
#ifndef TESTS_UNIT_USBDEV_HOST_FAKE_H
#define TESTS_UNIT_USBDEV_HOST_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../host.h"
#include "usbdev/host/handle.h"
#include "usbdev/host/host.h"
#include "util/err.h"

/**
 * struct fake - the device and what happened to it
 * @calls:	of handle.h in order, e.g. "config 1; alt 0.1; reset; "
 * @open_error, @call_error: -errno the calls end in
 * @retaken:	what handle_retake() says
 * @info:	what handle_open() says
 * @endpoints:	what handle_endpoints() says
 * @looked:	how often the URBs were told that it was looked whose the interfaces are
 * @forgotten:	bitmap of the endpoints whose late data was dropped
 * @submitted:	transfers that urbs got, ever; @with: those it has
 * @restless:	so often urbs is not quiet, though it has nothing
 */
struct fake {
	struct host host;
	pthread_t loop_thread;
	bool opened;
	struct err open_err;
	bool destroyed;
	unsigned gone;
	unsigned wakes;
	unsigned resets;
	int reset_result;
	char calls[1024];
	int open_error;
	int call_error;
	int retaken;
	struct handle_info info;
	uint32_t endpoints;
	int closed_fd; /* the fd that handle_close() found open, else -1 */
	unsigned frozen;
	unsigned submitted;
	unsigned with;
	unsigned restless;
	unsigned looked;
	uint32_t forgotten;
	bool urbs_exist;
	bool urbs_fail;
};

extern struct fake fake;

/* A new fake and loop, not yet opened. */
void fake_init(void);
/* Opens it: a high-speed device, configured with 1; @info can be changed before. */
void fake_open(enum host_reset policy);
/* Destroys what is there. All transfers must be over. */
void fake_finish(void);
void fake_destroy(void);

/* The next call of handle.h stops at its beginning. */
void fake_hold(void);
void fake_held(void);
void fake_release(void);

/* Submits a control request with @len bytes of data. @urb is set up. */
void fake_request(struct urb *urb, uint8_t request_type, uint8_t request, uint16_t value,
		  uint16_t index, uint16_t len);
/* As fake_request(), and waits. Returns how it ended. */
enum usbdev_status fake_ask(uint8_t request_type, uint8_t request, uint16_t value,
			    uint16_t index);
/* A bulk transfer of 512 bytes on its way. */
void fake_bulk(struct urb *urb, uint8_t ep_addr);
/* True if urbs has it. */
bool fake_has(const struct urb *urb);
/* The kernel says that it is over. */
void fake_answer(struct urb *urb, enum usbdev_status status, uint32_t actual_bytes);
/* The transfer that urbs has had for longest, there must be one; and the kernel says that it
 * is over. */
struct usbdev_transfer *fake_first(void);
void fake_answer_first(enum usbdev_status status, uint32_t actual_bytes);
/* The kernel says that the device is gone. */
void fake_unplug(void);
/* The kernel has taken transfers from us. */
void fake_disturb(void);

/* Turns the loop until @condition. */
#define FAKE_UNTIL(condition)                                                 \
	do {                                                                  \
		while (!(condition))                                          \
			assert_int_equal(loop_turn(fake.host.loop, true), 0); \
	} while (0)

#endif /* TESTS_UNIT_USBDEV_HOST_FAKE_H */
