/* SPDX-License-Identifier: MIT
 * leftover.c - data that a device has sent for transfers that cannot take it any more
 */
#include "usbdev/host/urb/leftover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/host/urb/deliver.h"
#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/log.h"

/**
 * struct train - packets received one after the other
 * @offset:	bytes delivered so far
 */
struct train {
	struct list node;
	uint32_t len;
	uint32_t offset;
	bool ends_short;
	uint8_t data[];
};

void urb_leftover_init(struct urb_leftover *leftover, uint32_t *total)
{
	list_init(&leftover->trains);
	leftover->bytes = 0;
	leftover->total = total;
	leftover->is_broken = false;
}

static void train_free(struct urb_leftover *leftover, struct train *train)
{
	leftover->bytes -= train->len + URB_LEFTOVER_HEAD_BYTES;
	*leftover->total -= train->len + URB_LEFTOVER_HEAD_BYTES;
	list_remove(&train->node);
	free(train);
}

void urb_leftover_forget(struct urb_leftover *leftover)
{
	struct list *node, *next;

	LIST_FOREACH_SAFE(node, next, &leftover->trains)
		train_free(leftover, LIST_ENTRY(node, struct train, node));
	leftover->is_broken = false;
}

void urb_leftover_keep(struct urb_leftover *leftover, uint8_t ep_addr,
		       const uint8_t *data, uint32_t len, bool ends_short)
{
	struct train *train = NULL;
	struct list *node, *next;
	uint32_t lost = 0;

	LIST_FOREACH_SAFE(node, next, &leftover->trains) {
		struct train *oldest = LIST_ENTRY(node, struct train, node);

		if (leftover->bytes + len + URB_LEFTOVER_HEAD_BYTES <=
		    URB_LEFTOVER_BYTES_MAX)
			break;
		lost += oldest->len - oldest->offset;
		train_free(leftover, oldest);
	}
	if (*leftover->total + len + URB_LEFTOVER_HEAD_BYTES <= URB_LEFTOVER_TOTAL_MAX)
		train = malloc(sizeof(*train) + len);
	if (train) {
		train->len = len;
		train->offset = 0;
		train->ends_short = ends_short;
		if (len > 0)
			memcpy(train->data, data, len);
		leftover->bytes += len + URB_LEFTOVER_HEAD_BYTES;
		*leftover->total += len + URB_LEFTOVER_HEAD_BYTES;
		list_append(&leftover->trains, &train->node);
	} else {
		lost += len;
	}
	if (lost == 0)
		return;
	leftover->is_broken = true;
	log_limited(LOG_LEVEL_WARN,
		    "USB endpoint 0x%02x: lost %u bytes received for cancelled "
		    "transfers",
		    ep_addr, lost);
}

int urb_leftover_deliver(struct urb_leftover *leftover, struct usbdev_transfer *transfer)
{
	struct list *node, *next;

	if (leftover->is_broken) {
		leftover->is_broken = false;
		return -EIO;
	}
	LIST_FOREACH_SAFE(node, next, &leftover->trains) {
		struct train *train = LIST_ENTRY(node, struct train, node);
		uint32_t room = transfer->length_bytes - transfer->actual_bytes;
		uint32_t len = MIN_OF(train->len - train->offset, room);
		uint32_t done = urb_deliver(transfer, transfer->actual_bytes,
					    train->data + train->offset, len);
		bool ends_short = train->ends_short;

		transfer->actual_bytes += done;
		train->offset += done;
		if (done < len)
			return -EFAULT;
		if (train->offset < train->len)
			return 1;
		/* the end of a train that fills the transfer exactly is no short packet */
		train_free(leftover, train);
		if (ends_short || transfer->actual_bytes == transfer->length_bytes)
			return 1;
	}
	return 0;
}
