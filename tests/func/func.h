/* SPDX-License-Identifier: MIT
 * func.h - fixture of the functional tests: a daemon, a client, a driver
 *
 * Each test starts its own daemon with func_start(). The teardown checks that the daemon
 * still runs (unless the test has ended it), that SIGTERM ends it with status 0 and
 * leaves no socket, and that no sanitizer complained.
 */
#ifndef TESTS_FUNC_FUNC_H
#define TESTS_FUNC_FUNC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/bot.h"
#include "tests/lib/daemon.h"
#include "tests/lib/drv_device.h"
#include "tests/lib/guest_ram.h"
#include "tests/lib/hid.h"
#include "tests/lib/vfu_client.h"
#include "tests/lib/vmm.h"
#include "tests/lib/xhci_drv.h"

#define FUNC_ZONE_BYTES  (16u << 20)
#define FUNC_IMAGE_BYTES (8u << 20)

/**
 * struct func - the fixture
 * @image: image of the stick of func_stick_spec()
 * @fifo: input of the keyboard of func_keyboard_spec(); @fifo_fd is its writer
 * @driving:	drv is set up
 */
struct func {
	struct daemon daemon;
	struct guest_ram ram;
	struct vmm vmm;
	struct drv drv;
	char image[DAEMON_PATH_MAX];
	char fifo[DAEMON_PATH_MAX];
	int fifo_fd;
	char specs[4][256];
	unsigned spec_count;
	bool connected;
	bool driving;
};

int func_setup(void **state);
int func_teardown(void **state);

#define FUNC_TEST(f) cmocka_unit_test_setup_teardown(f, func_setup, func_teardown)

/* Success is 0. */
#define assert_ok(expr) assert_int_equal((expr), 0)
/* A completion code or -errno. */
#define assert_code(expr, code) assert_int_equal((expr), (code))

/* "stick:file=IMAGE,speed=SPEED" with an image of FUNC_IMAGE_BYTES. Each sector begins
 * with its number. */
const char *func_stick_spec(struct func *f, const char *speed);
/* "keyboard:input=FIFO,speed=SPEED". */
const char *func_keyboard_spec(struct func *f, const char *speed);
/* Types into the keyboard. */
void func_type(struct func *f, const char *text);

/* Starts the daemon with these devices (NULL ends the list). */
void func_start(struct func *f, const char *device, ...) __attribute__((sentinel));
/* Starts the daemon with these arguments. */
void func_start_args(struct func *f, const char *const *args);
/* Connects and boots as the VMM does: vmm_boot(). */
void func_boot(struct func *f, enum vfu_dialect dialect);
/* Connects and negotiates the version, nothing else. */
void func_connect(struct func *f, enum vfu_dialect dialect);
/* Closes the connection and finishes @drv. Memory contents stay. */
void func_disconnect(struct func *f);
/* drv_start(). */
void func_drive(struct func *f, const struct drv_options *options);
/* func_start(), func_boot() as QEMU, func_drive(NULL), then enumerates the device. */
void func_device(struct func *f, const char *spec, struct drv_device *ret_device);
/* The same with a stick, which it opens: @ret_bot uses @ret_device. */
void func_stick(struct func *f, const char *speed, struct drv_device *ret_device,
		struct bot *ret_bot);
void func_keyboard(struct func *f, struct drv_device *ret_device, struct hid *ret_hid);
/* Finds and enumerates the device of interface class @class. */
void func_find(struct func *f, unsigned class, struct drv_device *ret_device);

/* The daemon answers GET_INFO on the open connection. */
void assert_alive(struct func *f);
/* No HSE, no HCE, running. */
void assert_running(struct func *f);
/* The log is still short enough for a person to read. */
void assert_log_bounded(struct func *f);
/* Fills a buffer with a pattern of @seed and checks it. */
void fill_pattern(void *buf, size_t len, uint32_t seed);
void assert_pattern(const void *buf, size_t len, uint32_t seed);
/* Reads or writes the stick's image on the host. */
void image_read(struct func *f, uint64_t offset, void *buf, size_t len);
void image_write(struct func *f, uint64_t offset, const void *buf, size_t len);

/* True in a build with a sanitizer or with -Ddma_check=true: its memory use tells
 * nothing. */
bool func_is_sanitized(void);

/* A No Op command goes through: the command ring works. */
void assert_commands_work(struct func *f);
/* HCRST recovers the controller from any state; the log stays readable. */
void assert_mended(struct func *f);
/* Polls USBSTS until one of these bits is set. */
void expect_status(struct func *f, uint32_t bits);
/* No transfer event has come besides those the test waited for. */
void assert_no_transfer_event(struct func *f);

#endif /* TESTS_FUNC_FUNC_H */
