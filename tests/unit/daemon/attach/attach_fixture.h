/* SPDX-License-Identifier: MIT
 * attach_fixture.h - the world around attach: fakes of vm, usbfs, sysfs, news and time
 *
 * The loop, its workers and the emulated devices are the real ones. The vm, usbfs,
 * sysfs, the kernel's news and the back end for real devices are fakes, and so is
 * time: advance() lets it pass.
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

/* What node_open(), node_adopt(), node_reopen(), node_copy() and node_at() find. /dev/b is another device. */
struct fake_nodes {
	unsigned opens;
	char path[PATH_MAX];
	int error;
	int reopen_error;
	unsigned reopens;
	int fd;          /* the last one given */
	unsigned number; /* what the device is now */
	bool at_place;   /* sysfs shows it */
	bool sysfs;      /* and describes it */
	unsigned looks;  /* of the guard */
	int guard;       /* what it says: 0 or an errno */
	bool held;
	sem_t release;
};
extern struct fake_nodes nodes;

/* The listener for the kernel's reports. */
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
/* How often each event came. */
extern unsigned events[5];
extern char event_why[256]; /* of the last one */

extern unsigned timers_set;

int setup(void **state);
int teardown(void **state);

/* @fd has been closed, or is so soon. */
void assert_closed(int fd);

void turn(void);
void turns(void);
void advance(uint64_t ns);
void tell(bool added, const char *place, unsigned number);
/* Call number @index of host_open() succeeds, or fails. */
struct usbdev *answer(unsigned index);
void refuse(unsigned index, int error);
/* pull(): the vm destroys the device in @port. go() also calls attach_gone(). */
void pull(unsigned port);
void go(unsigned port);
int try_start(void);
void start(const char *first, ...) __attribute__((sentinel));
/* Turns until host_open() has been called @count times in all. */
void opened(unsigned count);
/* Turns until the worker has failed @opens times in all and attach has set its timer. */
void refused(unsigned opens, unsigned timers_before);
/* /dev/bus/usb/001/005 is plugged in. */
void start_one(void);

#endif /* ATTACH_FIXTURE_H */
