/* SPDX-License-Identifier: MIT
 * pace.h - interrupt and isochronous endpoints keep time
 */
#ifndef USBDEV_ZERO_PACE_H
#define USBDEV_ZERO_PACE_H

#include <stdint.h>

struct zero;

/* The setting has changed, or the device was reset: computes intervals and payloads. */
void zero_paces_configure(struct zero *zero);
/* There is a transfer on a periodic endpoint. */
void zero_pace_start(struct zero *zero, uint8_t ep_addr);
/* The timer. */
void zero_paces_tick(void *ctx);

#endif /* USBDEV_ZERO_PACE_H */
