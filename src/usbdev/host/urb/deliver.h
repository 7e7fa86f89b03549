/* SPDX-License-Identifier: MIT
 * deliver.h - received data into the memory of its transfer
 */
#ifndef USBDEV_HOST_URB_DELIVER_H
#define USBDEV_HOST_URB_DELIVER_H

#include <stdint.h>

struct usbdev_transfer;

/* Copies @data to @offset of an IN transfer. Return: the bytes copied; fewer than @len if the
 * transfer's memory cannot be written. */
uint32_t urb_deliver(struct usbdev_transfer *transfer, uint32_t offset,
		     const uint8_t *data, uint32_t len);

#endif /* USBDEV_HOST_URB_DELIVER_H */
