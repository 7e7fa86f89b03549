/* SPDX-License-Identifier: MIT
 * reset_policy.h - what a USB reset by the guest does to the real device
 */
#ifndef USBDEV_HOST_RESET_POLICY_H
#define USBDEV_HOST_RESET_POLICY_H

/* A reset that follows another without any use of the device in between is never done twice. */
enum host_reset {
	HOST_RESET_ALWAYS,
	HOST_RESET_FIRST, /* only the first one after it was attached */
	HOST_RESET_NEVER,
};

#endif /* USBDEV_HOST_RESET_POLICY_H */
