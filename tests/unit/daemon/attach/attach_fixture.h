/* SPDX-License-Identifier: MIT
 * attach_fixture.h - the world around attach: fakes of vm, usbfs, sysfs, uevents and time
 *
 * The loop, its workers and the emulated devices are real. The vm, usbfs, sysfs, the kernel's
 * uevents and the back end for real devices are fakes. So is time: advance() lets it pass.
 */
#ifndef ATTACH_FIXTURE_H
#define ATTACH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <semaphore.h>

#include "fake_device.h"

#include "daemon/attach/attach.h"
#include "daemon/attach/node.h"
#include "daemon/vm.h"
#include "usbdev/host/host.h"
#include "usbdev/usbdev.h"
#include "util/loop.h"

#define SECOND UINT64_C(1000000000)
#define PLACE  "/devices/platform/vhci_hcd.0/usb1/1-2/1-2.3"

extern struct loop *loop;
extern struct attach *attach;

/* Results of node_open(), node_adopt(), node_reopen(), node_copy() and node_at(). /dev/b is another
 * device. */
struct fake_nodes {
	unsigned opens;
	char path[PATH_MAX];
	int error;
	int reopen_error;
	unsigned reopens;
	int fd;          /* the last one returned */
	unsigned number; /* the device's current number */
	bool at_place;   /* sysfs shows the device */
	bool sysfs;      /* sysfs also describes it */
	unsigned looks;  /* calls of the guard */
	int guard;       /* result of the guard: 0 or an errno */
	bool held;
	sem_t release;
};
extern struct fake_nodes nodes;

/* The listener for uevents. */
struct fake_kernel {
	void (*event)(void *ctx, const struct uevent *event);
	void *ctx;
	bool none;
};
extern struct fake_kernel kernel;

/* Calls of host_open(). */
struct opening {
	char name[64];
	enum host_reset reset;
	void (*opened)(void *ctx, struct usbdev *dev, const struct err *err);
	void *ctx;
	bool answered;
};
extern struct opening openings[16];
extern unsigned opening_count;
extern int open_error;

/* The plugged devices, and the last port that attach preferred. */
extern struct usbdev *ports[16];
extern unsigned plugs;
extern unsigned wanted;
extern struct vm_reserved reserved_ports;
extern int plug_error;

/* Calls of attach's owner. */
extern unsigned settled, idle;
extern int result;
/* How often each event was reported. */
extern unsigned events[5];
extern char event_why[256]; /* of the last event */

extern unsigned timers_set;

int setup(void **state);
int teardown(void **state);

/* Demands that @fd is closed, at once or soon. */
void assert_closed(int fd);

void turn(void);
void turns(void);
void advance(uint64_t ns);
void tell(bool added, const char *place, unsigned number);
/* Make call number @index of host_open() succeed, or fail. */
struct usbdev *answer(unsigned index);
void refuse(unsigned index, int error);
/* pull() makes the vm destroy the device in @port; go() also calls attach_gone(). */
void pull(unsigned port);
void go(unsigned port);
int try_start(void);
void start(const char *first, ...) __attribute__((sentinel));
/* Turns until host_open() has been called @count times in all. */
void opened(unsigned count);
/* Turns until the worker has failed @opens times in all and attach has set its timer. */
void refused(unsigned opens, unsigned timers_before);
/* Starts with /dev/bus/usb/001/005 plugged in. */
void start_one(void);

#endif /* ATTACH_FIXTURE_H */
