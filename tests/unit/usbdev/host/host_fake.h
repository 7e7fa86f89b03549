/* SPDX-License-Identifier: MIT
 * host_fake.h - a fake of a real device: handle.h and urbs.h for tests
 *
 * The fake records the calls of the back end, and can hold them or make them fail. It keeps
 * transfers until the test answers them or the back end cancels them. It fails the test if
 * the back end makes a blocking call in the loop thread or while URBs are not frozen, or if
 * it destroys URBs that have transfers.
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
 * @open_error, @call_error: -errno that the calls return
 * @retaken:	result of handle_retake()
 * @info:	result of handle_open()
 * @endpoints:	result of handle_endpoints()
 * @claims_checked: calls of urbs_claim_checked()
 * @forgotten:	bitmap of the endpoints whose leftovers were dropped
 * @submitted:	transfers that urbs has ever got; @with: those it has now
 * @restless:	how often urbs_quiet() says no although urbs has nothing
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
	unsigned claims_checked;
	uint32_t forgotten;
	bool urbs_exist;
	bool urbs_fail;
};

extern struct fake fake;

/* Makes a fake and a loop; the device is not yet open. */
void fake_init(void);
/* Opens a high-speed device in configuration 1. Tests may change @info before. */
void fake_open(enum host_reset policy);
/* Destroys the device, if there is one, and the loop. All transfers must be over. */
void fake_finish(void);
void fake_destroy(void);

/* fake_hold() makes the next call of handle.h wait, fake_held() waits until that call has begun,
 * fake_release() lets it continue. */
void fake_hold(void);
void fake_held(void);
void fake_release(void);

/* Sets up @urb and submits it: a control request with @len bytes of data. */
void fake_request(struct urb *urb, uint8_t request_type, uint8_t request, uint16_t value,
		  uint16_t index, uint16_t len);
/* Like fake_request(), and waits until it completes. Return: its status */
enum usbdev_status fake_ask(uint8_t request_type, uint8_t request, uint16_t value,
			    uint16_t index);
/* Submits a bulk transfer of 512 bytes. */
void fake_bulk(struct urb *urb, uint8_t ep_addr);
/* Whether urbs has @urb. */
bool fake_has(const struct urb *urb);
/* Completes @urb as the kernel does. */
void fake_answer(struct urb *urb, enum usbdev_status status, uint32_t actual_bytes);
/* The transfer that urbs has had for longest; there must be one. fake_answer_first() completes
 * it. */
struct usbdev_transfer *fake_first(void);
void fake_answer_first(enum usbdev_status status, uint32_t actual_bytes);
/* Reports that the device is gone, as the kernel does. */
void fake_unplug(void);
/* Reports that the kernel has killed our transfers: another driver may have an interface. */
void fake_suspect_claim(void);

/* Turns the loop until @condition. */
#define FAKE_UNTIL(condition)                                                 \
	do {                                                                  \
		while (!(condition))                                          \
			assert_int_equal(loop_turn(fake.host.loop, true), 0); \
	} while (0)

#endif /* TESTS_UNIT_USBDEV_HOST_FAKE_H */
