/* SPDX-License-Identifier: MIT
 * data.h - the pattern, and bulk transfers
 */
#ifndef USBDEV_ZERO_DATA_H
#define USBDEV_ZERO_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

struct usbdev_transfer;
struct zero;

/* Fills (IN) or checks (OUT) the next @len bytes of @transfer and adds them to
 * actual_bytes. @ret_good (OUT): the pattern was right. Return: 0 or -EFAULT. */
MUST_USE int zero_move(struct zero *zero, struct usbdev_transfer *transfer, uint32_t len,
		       bool *ret_good);
/* The bulk task: a turn's share of the bulk transfers. */
void zero_move_bulk(void *ctx);

#endif /* USBDEV_ZERO_DATA_H */
