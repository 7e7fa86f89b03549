/* SPDX-License-Identifier: MIT
 * host.h - settings and programs of the host
 */
#ifndef CTL_DOCTOR_HOST_H
#define CTL_DOCTOR_HOST_H

#include <stddef.h>

struct doctor;
struct hostdev;

/* What is the same for all devices: memory for transfers. */
void doctor_check_host(const struct doctor *doctor);

/* A process that has the node of @dev open: its number, and its name in @name, printable.
 * Return: 0 if none was found, perhaps as we may not look at others. */
int doctor_holder(const char *root, const struct hostdev *dev, char *name, size_t size);

#endif /* CTL_DOCTOR_HOST_H */
