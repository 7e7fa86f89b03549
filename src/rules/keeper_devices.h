/* SPDX-License-Identifier: MIT
 * keeper_devices.h - which devices are there
 */
#ifndef RULES_KEEPER_DEVICES_H
#define RULES_KEEPER_DEVICES_H

struct keeper;
struct uevent;

/* Reads the device at @place again, by the worker. */
void keeper_read(struct keeper *keeper, const char *place);
/* Reads all, by the worker. */
void keeper_scan(struct keeper *keeper);
/* News from the kernel; NULL: some may have been lost. */
void keeper_hear(struct keeper *keeper, const struct uevent *event);
/* At the end: frees all; the worker has ended. */
void keeper_forget_devices(struct keeper *keeper);

#endif /* RULES_KEEPER_DEVICES_H */
