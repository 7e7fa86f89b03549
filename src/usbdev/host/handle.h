/* SPDX-License-Identifier: MIT
 * handle.h - device management of one real device: claiming, resetting, configuring
 *
 * By libusb, on a node opened elsewhere: no device discovery, no threads, and no
 * transfers, which are urbs.h's business on the same fd. Everything but
 * handle_check() may block for seconds and belongs on the device's worker; the
 * caller freezes the URBs meanwhile.
 */
#ifndef USBDEV_HOST_HANDLE_H
#define USBDEV_HOST_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/host/descr.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/err.h"

struct handle;

/**
 * struct handle_info - what is known of a device once it is open
 * @caps:	USBDEVFS_CAP_*
 * @config:	bConfigurationValue that is active, 0 = not configured
 * @uas:	its @uas_count alternate settings that speak UAS
 * @uas_works:	the host can do the streams they need (or they need none)
 */
struct handle_info {
	enum usbdev_speed speed;
	uint32_t caps;
	uint8_t config;
	char label[USBDEV_NAME_BYTES];
	uint16_t vendor;
	uint16_t product;
	struct descr_uas uas[DESCR_UAS_MAX];
	unsigned uas_count;
	bool uas_works;
};

/* Starts libusb, which asks the kernel's version and more, as long as that can be asked; else the
 * first handle starts it. It stays until the process ends. */
void handle_prepare(void);

/* True if @fd can be a usbfs node at all: its kind and how it was opened. Never
 * blocks. @name is what messages call it. Return: 0, or -errno and why in @err. */
MUST_USE int handle_check(int fd, const char *name, struct err *err);

/**
 * handle_open() - take the device on @fd (borrowed) from the host's drivers
 *
 * Every interface of the active configuration is claimed. Return: 0 with
 * @ret_handle (owned) and @ret_info, or -errno, why and how to mend it in @err, and
 * the drivers have their interfaces again.
 */
MUST_USE int handle_open(int fd, const char *name, struct handle **ret_handle,
			 struct handle_info *ret_info, struct err *err);
/* Gives all interfaces back to the host's drivers, in the configuration that was found.
 * NULL is fine. */
void handle_close(struct handle *handle);

/* What follows: 0, or -ENODEV if the device is gone, or another -errno.
 * @config 0 = unconfigured. No transfers may be with the kernel. All interfaces of the new
 * configuration are claimed; if it was refused, those of the old one again. */
MUST_USE int handle_set_configuration(struct handle *handle, uint8_t config);
MUST_USE int handle_set_interface(struct handle *handle, uint8_t interface, uint8_t alt);
MUST_USE int handle_clear_halt(struct handle *handle, uint8_t ep_addr);
/* USB reset; configuration and claims stay. -ENODEV also if it came back as another. */
MUST_USE int handle_reset(struct handle *handle);
/* Interfaces that drivers of the host have got meanwhile are claimed again, in the
 * alternate settings they had. Return: how many, or -errno. */
MUST_USE int handle_retake(struct handle *handle);
/* @stream_count 0 frees. -ENOSPC: the host has fewer, and the device has not so few. */
MUST_USE int handle_set_streams(struct handle *handle, const uint8_t *ep_addrs,
				unsigned ep_count, unsigned stream_count);
/* Endpoints of an interface in the active configuration, see descr_endpoints(). */
uint32_t handle_endpoints(const struct handle *handle, uint8_t interface);

#endif /* USBDEV_HOST_HANDLE_H */
