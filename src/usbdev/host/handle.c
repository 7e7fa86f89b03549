/* SPDX-License-Identifier: MIT
 * handle.c - device management of one real device: claiming, resetting, configuring
 *
 * For each handle libusb remembers which interfaces are claimed, also after the kernel has
 * lost the claim (a reset that failed midway). So after a failure we repeat the claims
 * without libusb, by the same ioctl that it uses.
 */
#include "usbdev/host/handle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <linux/usb/ch9.h>
#include <linux/usbdevice_fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "usbdev/host/sysfs.h"
#include "util/log.h"

#define USB_DEVICE_MAJOR 189u
#define CLASS_HUB        9u
/* The most a device can have: eight configurations of 65535 bytes. */
#define RAW_BYTES_MAX (DESCR_DEVICE_BYTES + DESCR_CONFIGS_MAX * 65535u)
/* The most a guest can want: a primary stream array of 32 entries, the first being reserved. */
#define UAS_STREAMS 31u

/**
 * struct handle - a device that is ours
 * @name:	for messages, borrowed
 * @started:	libusb is
 * @config:	active bConfigurationValue, 0 = none; @config_found: the one at the start
 * @claimed:	bitmap of interfaces; @alts: their alternate settings
 * @raw:	the descriptors, see descr.h
 */
struct handle {
	int fd;
	const char *name;
	bool started;
	libusb_device_handle *usb;
	uint8_t config;
	uint8_t config_found;
	uint32_t claimed;
	uint8_t alts[DESCR_INTERFACES_MAX];
	uint8_t *raw;
	size_t raw_len;
};

/* The one place where libusb's errors become ours. */
static int errno_of(int libusb_error)
{
	switch (libusb_error) {
	case LIBUSB_SUCCESS:
		return 0;
	case LIBUSB_ERROR_NO_DEVICE:
		return -ENODEV;
	case LIBUSB_ERROR_NOT_FOUND:
		return -ENOENT;
	case LIBUSB_ERROR_BUSY:
		return -EBUSY;
	case LIBUSB_ERROR_ACCESS:
		return -EACCES;
	case LIBUSB_ERROR_INVALID_PARAM:
		return -EINVAL;
	case LIBUSB_ERROR_NO_MEM:
		return -ENOMEM;
	case LIBUSB_ERROR_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static bool still_there(const struct handle *handle)
{
	uint32_t caps;

	return ioctl(handle->fd, USBDEVFS_GET_CAPABILITIES, &caps) == 0 ||
	       errno != ENODEV;
}

int handle_check(int fd, const char *name, struct err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "%s: %s", name, strerror(errno));
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != USB_DEVICE_MAJOR)
		return err_set(
			err, ENOTTY,
			"%s is not a USB device node; use /dev/bus/usb/BUS/DEVICE, with "
			"the numbers that lsusb shows",
			name);
	if ((flags & O_ACCMODE) != O_RDWR)
		return err_set(err, EBADF,
			       "%s was opened read-only; open it for reading and writing",
			       name);
	return 0;
}

static int gone(const char *name, struct err *err)
{
	return err_set(err, ENODEV,
		       "%s: the device is gone; it was unplugged, or came back under "
		       "another number (see lsusb)",
		       name);
}

static int read_descriptors(struct handle *handle, struct err *err)
{
	/* zeroed: the kernel may return fewer bytes than the descriptors claim */
	uint8_t *raw = calloc(1, RAW_BYTES_MAX);
	uint8_t *kept;
	ssize_t n;

	if (!raw)
		return err_set(err, ENOMEM, "no memory");
	/* of the calls that read at an offset, the sandbox allows this one */
	n = preadv2(handle->fd,
		    &(struct iovec){.iov_base = raw, .iov_len = RAW_BYTES_MAX}, 1, 0, 0);
	if (n < (ssize_t)DESCR_DEVICE_BYTES) {
		int code = n < 0 ? errno : EIO;

		free(raw);
		if (code == ENODEV)
			return gone(handle->name, err);
		return err_set(err, code, "%s: cannot read its descriptors: %s",
			       handle->name, strerror(code));
	}
	kept = realloc(raw, (size_t)n);
	handle->raw = kept ? kept : raw;
	handle->raw_len = (size_t)n;
	return 0;
}

static enum usbdev_speed speed_of(const struct handle *handle, dev_t rdev)
{
	int speed = ioctl(handle->fd, USBDEVFS_GET_SPEED);

	switch (speed) {
	case USB_SPEED_LOW:
		return USBDEV_SPEED_LOW;
	case USB_SPEED_FULL:
		return USBDEV_SPEED_FULL;
	case USB_SPEED_HIGH:
	case USB_SPEED_WIRELESS:
		return USBDEV_SPEED_HIGH;
	case USB_SPEED_SUPER:
		return USBDEV_SPEED_SUPER;
	case USB_SPEED_SUPER_PLUS:
		return sysfs_speed_mbps(rdev) >= 20000 ? USBDEV_SPEED_SUPER_PLUS_X2
						       : USBDEV_SPEED_SUPER_PLUS;
	default:
		return USBDEV_SPEED_UNKNOWN;
	}
}

/* Finds out what it can without taking the device from its drivers. */
static int examine(struct handle *handle, struct handle_info *info, struct err *err)
{
	struct stat st;
	uint16_t ids[2];
	int r;

	if (ioctl(handle->fd, USBDEVFS_GET_CAPABILITIES, &info->caps) < 0) {
		int code = errno;

		if (code == ENODEV)
			return gone(handle->name, err);
		return err_set(err, code, "%s: the kernel refuses usbfs calls on it: %s",
			       handle->name, strerror(code));
	}
	if (fstat(handle->fd, &st) < 0)
		return err_set(err, errno, "%s: %s", handle->name, strerror(errno));
	r = read_descriptors(handle, err);
	if (r < 0)
		return r;
	assert(handle->raw);
	memcpy(ids, handle->raw + 8, sizeof(ids)); /* usbfs makes them host-endian */
	info->vendor = ids[0];
	info->product = ids[1];
	sysfs_label(st.st_rdev, ids[0], ids[1], info->label, sizeof(info->label));
	if (handle->raw[4] == CLASS_HUB)
		return err_set(err, EINVAL,
			       "%s is a hub; attach the devices plugged into it, each by "
			       "its own node",
			       handle->name);
	info->speed = speed_of(handle, st.st_rdev);
	if (info->speed == USBDEV_SPEED_UNKNOWN)
		return err_set(err, EPROTO, "%s: the kernel does not report its speed",
			       handle->name);
	info->uas_count = descr_find_uas(handle->raw, handle->raw_len, info->uas);
	return 0;
}

/* All handles share one context; libusb counts. */
static int init_libusb(void)
{
	/* before init: libusb then touches neither /dev nor sysfs, and starts no thread */
	int r = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);

	return r == LIBUSB_SUCCESS ? libusb_init(NULL) : r;
}

void handle_prepare(void)
{
	/* if it fails now, the first device to open reports that */
	if (init_libusb() < 0)
		log_debug("cannot start libusb");
}

static int start_libusb(struct handle *handle, struct err *err)
{
	struct libusb_config_descriptor *config;
	int r;

	r = init_libusb();
	if (r < 0)
		return err_set(err, -errno_of(r), "cannot start libusb: %s",
			       libusb_strerror(r));
	handle->started = true;
	r = libusb_wrap_sys_device(NULL, handle->fd, &handle->usb);
	if (r < 0) {
		handle->usb = NULL;
		if (r == LIBUSB_ERROR_NO_DEVICE || !still_there(handle))
			return gone(handle->name, err);
		return err_set(err, -errno_of(r), "%s: libusb cannot open it: %s",
			       handle->name, libusb_strerror(r));
	}
	/* libusb found this out just now; this call makes no request */
	r = libusb_get_active_config_descriptor(libusb_get_device(handle->usb), &config);
	if (r == LIBUSB_SUCCESS) {
		handle->config = config->bConfigurationValue;
		handle->config_found = handle->config;
		libusb_free_config_descriptor(config);
	}
	return 0;
}

/* Says who has @interface. */
static int busy(const struct handle *handle, unsigned interface, struct err *err)
{
	struct usbdevfs_getdriver query = {.interface = interface};

	if (ioctl(handle->fd, USBDEVFS_GETDRIVER, &query) < 0)
		query.driver[0] = '\0';
	query.driver[sizeof(query.driver) - 1] = '\0';
	if (query.driver[0] && strcmp(query.driver, "usbfs") != 0)
		return err_set(err, EBUSY,
			       "%s: the driver %.64s keeps interface %u; unmount it, or "
			       "close the program that uses it",
			       handle->name, query.driver, interface);
	return err_set(err, EBUSY,
		       "%s: another program uses interface %u through usbfs; stop it "
		       "(another virtual machine, a scanner or phone service?)",
		       handle->name, interface);
}

/* Claims every interface of the active configuration. Skips those that the kernel does not have: it
 * may have rejected a descriptor, or have no configuration; a configuration may call itself 0. */
static int claim_all(struct handle *handle, struct err *err)
{
	uint32_t wanted = descr_interfaces(handle->raw, handle->raw_len, handle->config);

	(void)libusb_set_auto_detach_kernel_driver(handle->usb, 1);
	for (unsigned i = 0; i < DESCR_INTERFACES_MAX; i++) {
		int r;

		if (!(wanted & UINT32_C(1) << i))
			continue;
		r = libusb_claim_interface(handle->usb, (int)i);
		if (r == LIBUSB_SUCCESS)
			handle->claimed |= UINT32_C(1) << i;
		else if (r == LIBUSB_ERROR_BUSY)
			return busy(handle, i, err);
		else if (r == LIBUSB_ERROR_NO_DEVICE || !still_there(handle))
			return gone(handle->name, err);
		else if (r != LIBUSB_ERROR_NOT_FOUND && r != LIBUSB_ERROR_INVALID_PARAM)
			return err_set(err, -errno_of(r),
				       "%s: cannot claim interface %u: %s", handle->name,
				       i, libusb_strerror(r));
	}
	return 0;
}

/* @give_back: to the drivers of the host; else the interfaces stay free for the moment. All must be
 * free before a driver is offered one: a driver such as CDC's takes two, and refuses the first
 * while it cannot have the second. So libusb must not attach drivers by itself. */
static void release_all(struct handle *handle, bool give_back)
{
	(void)libusb_set_auto_detach_kernel_driver(handle->usb, 0);
	for (unsigned i = 0; i < DESCR_INTERFACES_MAX; i++) {
		if (handle->claimed & UINT32_C(1) << i)
			(void)libusb_release_interface(handle->usb, (int)i);
	}
	for (unsigned i = 0; give_back && i < DESCR_INTERFACES_MAX; i++) {
		if (handle->claimed & UINT32_C(1) << i)
			(void)libusb_attach_kernel_driver(handle->usb, (int)i);
	}
	handle->claimed = 0;
}

/* UAS needs streams at SuperSpeed, and not every host controller or driver has them. Only a try
 * tells. Leaves the device as it was. */
static bool try_uas(struct handle *handle, const struct descr_uas *uas)
{
	bool works;
	int r;

	if (uas->ep_count == 0 ||
	    !(handle->claimed & UINT32_C(1) << (uas->interface & 31)))
		return false;
	r = libusb_set_interface_alt_setting(handle->usb, uas->interface, uas->alt);
	works = r == LIBUSB_SUCCESS &&
		handle_set_streams(handle, uas->ep_addrs, uas->ep_count,
				   MIN_OF(uas->streams, UAS_STREAMS)) == 0 &&
		handle_set_streams(handle, uas->ep_addrs, uas->ep_count, 0) == 0;
	if (libusb_set_interface_alt_setting(handle->usb, uas->interface, 0) < 0)
		works = false;
	return works;
}

static bool uas_works(struct handle *handle, const struct handle_info *info)
{
	if (!usbdev_speed_is_usb3(info->speed))
		return true;
	for (unsigned i = 0; i < info->uas_count; i++) {
		if (info->uas[i].config == handle->config &&
		    !try_uas(handle, &info->uas[i]))
			return false;
	}
	return true;
}

/* No interface may be claimed. Return: as libusb's. */
static int set_configuration(struct handle *handle, uint8_t config)
{
	int r = libusb_set_configuration(handle->usb, config == 0 ? -1 : config);

	if (r == LIBUSB_SUCCESS)
		handle->config = config;
	return r;
}

int handle_open(int fd, const char *name, struct handle **ret_handle,
		struct handle_info *ret_info, struct err *err)
{
	struct handle *handle = calloc(1, sizeof(*handle));
	struct handle_info info = {0};
	int r;

	if (!handle)
		return err_set(err, ENOMEM, "no memory");
	handle->fd = fd;
	handle->name = name;
	r = examine(handle, &info, err);
	if (r == 0)
		r = start_libusb(handle, err);
	if (r == 0)
		r = claim_all(handle, err);
	if (r < 0) {
		handle_close(handle);
		return r;
	}
	info.config = handle->config;
	info.uas_works = uas_works(handle, &info);
	*ret_handle = handle;
	*ret_info = info;
	return 0;
}

void handle_close(struct handle *handle)
{
	if (!handle)
		return;
	if (handle->usb) {
		bool as_found = handle->config == handle->config_found;

		release_all(handle, as_found);
		/* the kernel finds drivers for a new configuration by itself */
		if (!as_found)
			(void)set_configuration(handle, handle->config_found);
		libusb_close(handle->usb);
	}
	if (handle->started)
		libusb_exit(NULL);
	free(handle->raw);
	free(handle);
}

int handle_set_configuration(struct handle *handle, uint8_t config)
{
	int claimed;
	int r;

	/* the kernel refuses while an interface is claimed */
	release_all(handle, false);
	r = set_configuration(handle, config);
	memset(handle->alts, 0, sizeof(handle->alts));
	claimed = claim_all(handle, NULL);
	return r < 0 ? errno_of(r) : claimed;
}

int handle_set_interface(struct handle *handle, uint8_t interface, uint8_t alt)
{
	int r = libusb_set_interface_alt_setting(handle->usb, interface, alt);

	if (r == LIBUSB_SUCCESS && interface < DESCR_INTERFACES_MAX)
		handle->alts[interface] = alt;
	return errno_of(r);
}

int handle_clear_halt(struct handle *handle, uint8_t ep_addr)
{
	return errno_of(libusb_clear_halt(handle->usb, ep_addr));
}

/* Claims interfaces that are not ours any more although libusb thinks so, or that libusb has lost.
 * Return: how many other drivers had, or -errno. */
static int reclaim(struct handle *handle)
{
	int taken = 0;

	for (unsigned i = 0; i < DESCR_INTERFACES_MAX; i++) {
		struct usbdevfs_disconnect_claim claim = {
			.interface = i,
			.flags = USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER,
			.driver = "usbfs",
		};

		if (!(handle->claimed & UINT32_C(1) << i))
			continue;
		(void)libusb_claim_interface(handle->usb, (int)i);
		/* busy with usbfs: ours already */
		if (ioctl(handle->fd, USBDEVFS_DISCONNECT_CLAIM, &claim) == 0)
			taken++;
		else if (errno != EBUSY)
			return -errno;
	}
	return taken;
}

int handle_retake(struct handle *handle)
{
	int taken = reclaim(handle);

	for (unsigned i = 0; taken > 0 && i < DESCR_INTERFACES_MAX; i++)
		if (handle->alts[i] != 0)
			(void)libusb_set_interface_alt_setting(handle->usb, (int)i,
							       handle->alts[i]);
	return taken;
}

int handle_reset(struct handle *handle)
{
	int r = libusb_reset_device(handle->usb);
	int claimed;

	memset(handle->alts, 0, sizeof(handle->alts));
	if (r == LIBUSB_SUCCESS)
		return 0;
	/* NOT_FOUND: gone, another device now, or a driver was quicker than libusb */
	if (r == LIBUSB_ERROR_NO_DEVICE || !still_there(handle))
		return -ENODEV;
	claimed = reclaim(handle);
	if (claimed < 0)
		return claimed;
	return r == LIBUSB_ERROR_NOT_FOUND ? 0 : errno_of(r);
}

int handle_set_streams(struct handle *handle, const uint8_t *ep_addrs, unsigned ep_count,
		       unsigned stream_count)
{
	uint8_t eps[USBDEV_STREAM_EPS_MAX];
	unsigned device_has;
	int r;

	if (ep_count > ARRAY_SIZE(eps))
		return -EINVAL;
	memcpy(eps, ep_addrs, ep_count);
	if (stream_count == 0) {
		r = libusb_free_streams(handle->usb, eps, (int)ep_count);
		/* to have none already is fine: a reset or alternate setting took them */
		return r == LIBUSB_ERROR_NO_DEVICE ? -ENODEV : 0;
	}
	r = libusb_alloc_streams(handle->usb, stream_count, eps, (int)ep_count);
	if (r < 0)
		return errno_of(r);
	/* guests round up to a power of two; streams beyond those of the device are of no
	 * use, and the kernel does not give them */
	device_has = descr_streams(handle->raw, handle->raw_len, handle->config, ep_addrs,
				   ep_count);
	if (device_has > 0 && (unsigned)r >= MIN_OF(stream_count, device_has))
		return 0;
	(void)libusb_free_streams(handle->usb, eps, (int)ep_count);
	return -ENOSPC;
}

uint32_t handle_endpoints(const struct handle *handle, uint8_t interface)
{
	return descr_endpoints(handle->raw, handle->raw_len, handle->config, interface);
}
