/* SPDX-License-Identifier: MIT
 * emulated_ep.h - endpoints of an emulated device: which there are, their queues and halts
 */
#ifndef USBDEV_EMULATED_EP_H
#define USBDEV_EMULATED_EP_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/emulated_info.h"

/* ---- for devices ---- */

/* The oldest waiting transfer of @ep_addr, or NULL. */
struct usbdev_transfer *emulated_first(struct emulated *dev, uint8_t ep_addr);
/* Completes (soon) a waiting transfer with its actual_bytes. Any context. */
void emulated_complete(struct emulated *dev, struct usbdev_transfer *transfer,
		       enum usbdev_status status);
/* Halts the endpoint: its waiting transfers, and all further ones until CLEAR_FEATURE,
 * complete as STALL. */
void emulated_halt(struct emulated *dev, uint8_t ep_addr);
/* wMaxPacketSize in the present setting; 0 if the endpoint is not in it. */
uint16_t emulated_max_packet(const struct emulated *dev, uint8_t ep_addr);
/* NULL if @ep_addr is not in the present setting. */
struct emulated_ep *emulated_ep(struct emulated *dev, uint8_t ep_addr);

/* ---- configurations ---- */

/* The present one; NULL: none. */
const struct emulated_config_info *emulated_config(const struct emulated *dev);
/* Sets the configuration (value exists or 0), and alternate settings to 0. Waiting transfers
 * complete with @status. */
void emulated_set_config(struct emulated *dev, uint8_t value, enum usbdev_status status);
/* Sets the alternate setting (exists). Waiting transfers complete as ERROR. */
void emulated_set_alternate(struct emulated *dev, uint8_t interface, uint8_t alternate);

#endif /* USBDEV_EMULATED_EP_H */
