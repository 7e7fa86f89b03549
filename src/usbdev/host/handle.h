/* SPDX-License-Identifier: MIT
 * handle.h - device management of one real device: claiming, resetting, configuring
 *
 * By libusb, on a node opened elsewhere: no device discovery, no threads, and no
 * transfers, which urb/urbs.h makes on the same fd. All calls but handle_check() may block
 * for seconds: they are for the device's worker, and the caller freezes the URBs
 * meanwhile.
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
 * struct handle_info - facts about a device that is open
 * @caps:	USBDEVFS_CAP_*
 * @config:	active bConfigurationValue, 0 = not configured
 * @uas:	@uas_count alternate settings that speak UAS
 * @uas_works:	the host provides the streams that they need, or they need none
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

/* Starts libusb, which asks for the kernel's version and more, before a sandbox forbids that.
 * Without this the first handle starts it. It stays until the process ends. */
void handle_prepare(void);

/* Checks that @fd can be a usbfs node: its kind and how it was opened. Never blocks. Messages call
 * it @name. Return: 0, or -errno and why in @err. */
MUST_USE int handle_check(int fd, const char *name, struct err *err);

/**
 * handle_open() - take the device on @fd (borrowed) from the host's drivers
 *
 * Claims every interface of the active configuration. Keeps @name (borrowed). Return: 0 with
 * @ret_handle (owned) and @ret_info; or -errno, with why and how to fix it in @err, and the
 * drivers have their interfaces again.
 */
MUST_USE int handle_open(int fd, const char *name, struct handle **ret_handle,
			 struct handle_info *ret_info, struct err *err);
/* Gives all interfaces back to the host's drivers, in the configuration that handle_open() found.
 * NULL is fine. */
void handle_close(struct handle *handle);

/* The following return 0, -ENODEV if the device is gone, or another -errno. */

/* @config 0 = unconfigured. No transfers may be with the kernel. Claims all interfaces of the new
 * configuration; if the device refused it, those of the old one again. */
MUST_USE int handle_set_configuration(struct handle *handle, uint8_t config);
MUST_USE int handle_set_interface(struct handle *handle, uint8_t interface, uint8_t alt);
MUST_USE int handle_clear_halt(struct handle *handle, uint8_t ep_addr);
/* USB reset; configuration and claims stay. -ENODEV also if another device came back. */
MUST_USE int handle_reset(struct handle *handle);
/* Claims interfaces again that drivers of the host have got meanwhile, in the alternate settings
 * they had. Return: how many, or -errno. */
MUST_USE int handle_retake(struct handle *handle);
/* @stream_count 0 frees. -ENOSPC: the host has fewer than that and than the device has. */
MUST_USE int handle_set_streams(struct handle *handle, const uint8_t *ep_addrs,
				unsigned ep_count, unsigned stream_count);
/* Endpoints of an interface in the active configuration, see descr_endpoints(). */
uint32_t handle_endpoints(const struct handle *handle, uint8_t interface);

#endif /* USBDEV_HOST_HANDLE_H */
