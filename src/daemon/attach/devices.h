/* SPDX-License-Identifier: MIT
 * devices.h - from the text form of a device to the device
 */
#ifndef DAEMON_ATTACH_DEVICES_H
#define DAEMON_ATTACH_DEVICES_H

#include <limits.h>
#include <stdbool.h>

#include "usbdev/host/host.h"
#include "usbdev/keyboard/input.h"
#include "usbdev/stick/image.h"
#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;

/**
 * struct device_host - which device of the host
 * @path:	its node or a symlink to it, empty: @fd
 * @fd:		its node, opened by the process that started us; -1: @path
 * @force:	skip the check whether the host needs it (rules/guard.h)
 */
struct device_host {
	char path[PATH_MAX];
	int fd;
	enum host_reset reset;
	bool force;
};

/* Whether @text describes a device (see spec.h); opens nothing.
 * Return: 0, or -errno with the reason in @err; -ENOTSUP for kinds that this
 * version does not have. */
MUST_USE int device_check(const char *text, struct err *err);

/* Whether @text describes a real device, which the caller must open; it is then in
 * @ret_host. Return: 1, 0 (device_create() makes it), or as device_check(). */
MUST_USE int device_is_host(const char *text, struct device_host *ret_host,
			    struct err *err);

/* Lets the sandbox open the file or node of @text, which device_check() has accepted, and make a FIFO
 * that can only be made before. Return: as sandbox_allow(). */
MUST_USE int device_allow(const char *text);

/**
 * struct device_file - the open file of an emulated device; may be moved
 * @image:	a stick's
 * @input:	a keyboard's
 */
struct device_file {
	struct image image;
	struct keyboard_input input;
};

/* Nothing is open. */
static inline void device_file_init(struct device_file *file)
{
	*file = (struct device_file){.image.fd = -1, .input.fd = -1};
}

/* Whether @text, which device_check() has accepted, needs a file, whose name is then in
 * @ret_path, "" if that is too long. */
bool device_needs_file(const char *text, char ret_path[PATH_MAX]);

/**
 * device_file_open() - open the file of a device that needs one
 * @fd:		the file, open, taken, also on failure; -1: opens it by its name
 * @ret_file:	for device_create(), or device_file_close()
 *
 * May wait for a file system: not for the loop thread.
 * Return: 0, or -errno with the reason in @err.
 */
MUST_USE int device_file_open(const char *text, int fd, struct device_file *ret_file,
			      struct err *err);
/* May wait, too. Fine if it is not open. */
void device_file_close(struct device_file *file);

/**
 * device_create() - make the emulated device that @text describes
 * @file:	its open file: taken with success
 * @ret_dev:	owned by the caller
 * @err:	not NULL
 *
 * Return: 0, or -errno with the reason in @err: as device_check(), or no memory.
 */
MUST_USE int device_create(struct loop *loop, const char *text, struct device_file *file,
			   struct usbdev **ret_dev, struct err *err);

/* "always", "first" or "never". Return: 0, or -EINVAL with *@ret_reset left alone. */
MUST_USE int device_reset_find(const char *name, enum host_reset *ret_reset);

/* "super" for USBDEV_SPEED_SUPER... */
const char *device_speed_name(unsigned speed);

#endif /* DAEMON_ATTACH_DEVICES_H */
