/* SPDX-License-Identifier: MIT
 * bot.h - bulk-only transport of a stick
 */
#ifndef USBDEV_STICK_BOT_H
#define USBDEV_STICK_BOT_H

struct stick;

/* Does all that can be done now. */
void stick_pump(struct stick *stick);
/* Bulk-Only Mass Storage Reset and its like: the command under way is dropped. */
void stick_abort(struct stick *stick);

#endif /* USBDEV_STICK_BOT_H */
