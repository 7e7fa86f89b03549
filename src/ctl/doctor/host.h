/* SPDX-License-Identifier: MIT
 * host.h - settings and programs of the host
 */
#ifndef CTL_DOCTOR_HOST_H
#define CTL_DOCTOR_HOST_H

#include <stddef.h>

struct doctor;
struct hostdev;

/* Checks what all devices share: memory for transfers. */
void doctor_check_host(const struct doctor *doctor);

/* Finds a process that has the node of @dev open. Return: its pid, with its printable name in
 * @name; 0 if there is none, or if we may not see it. */
int doctor_holder(const char *root, const struct hostdev *dev, char *name, size_t size);

#endif /* CTL_DOCTOR_HOST_H */
