/* SPDX-License-Identifier: MIT
 * emulated_control.h - endpoint 0 of emulated devices (USB 3.2 9.4)
 */
#ifndef USBDEV_EMULATED_CONTROL_H
#define USBDEV_EMULATED_CONTROL_H

struct emulated;
struct usbdev_transfer;

/* Answers the control transfer, soon. */
void emulated_control(struct emulated *dev, struct usbdev_transfer *transfer);

#endif /* USBDEV_EMULATED_CONTROL_H */
