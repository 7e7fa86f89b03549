/* SPDX-License-Identifier: MIT
 * device.h - findings about one device
 */
#ifndef CTL_DOCTOR_DEVICE_H
#define CTL_DOCTOR_DEVICE_H

struct doctor;
struct hostdev;
struct hostdev_list;

/* Checks one device. */
void doctor_check_device(const struct doctor *doctor, const struct hostdev *dev);

/**
 * doctor_find() - find a device by name
 * @name:	"/dev/bus/usb/003/017", "3:17" or its place, "1-2.3"
 *
 * Return: borrowed from @list, or NULL if there is none.
 */
const struct hostdev *doctor_find(const struct hostdev_list *list, const char *name);

#endif /* CTL_DOCTOR_DEVICE_H */
