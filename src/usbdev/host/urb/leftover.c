/* SPDX-License-Identifier: MIT
 * leftover.c - data that a device has sent for transfers which cannot take it any more
 */
#include "usbdev/host/urb/leftover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"
#include "util/log.h"

#define DELIVER_IOV_MAX 16

/**
 * struct train - packets received one after the other
 * @offset:	of these bytes have been delivered
 */
struct train {
	struct list node;
	uint32_t len;
	uint32_t offset;
	bool ends_short;
	uint8_t data[];
};

void urb_late_init(struct urb_late *late, uint32_t *total)
{
	list_init(&late->trains);
	late->bytes = 0;
	late->total = total;
	late->is_broken = false;
}

static void train_free(struct urb_late *late, struct train *train)
{
	late->bytes -= train->len + URB_LATE_HEAD_BYTES;
	*late->total -= train->len + URB_LATE_HEAD_BYTES;
	list_remove(&train->node);
	free(train);
}

void urb_late_forget(struct urb_late *late)
{
	struct list *node, *next;

	LIST_FOREACH_SAFE(node, next, &late->trains)
		train_free(late, LIST_ENTRY(node, struct train, node));
	late->is_broken = false;
}

void urb_late_keep(struct urb_late *late, uint8_t ep_addr, const uint8_t *data,
		   uint32_t len, bool ends_short)
{
	struct train *train = NULL;
	struct list *node, *next;
	uint32_t lost = 0;

	LIST_FOREACH_SAFE(node, next, &late->trains) {
		struct train *oldest = LIST_ENTRY(node, struct train, node);

		if (late->bytes + len + URB_LATE_HEAD_BYTES <= URB_LATE_BYTES_MAX)
			break;
		lost += oldest->len - oldest->offset;
		train_free(late, oldest);
	}
	if (*late->total + len + URB_LATE_HEAD_BYTES <= URB_LATE_TOTAL_MAX)
		train = malloc(sizeof(*train) + len);
	if (train) {
		train->len = len;
		train->offset = 0;
		train->ends_short = ends_short;
		if (len > 0)
			memcpy(train->data, data, len);
		late->bytes += len + URB_LATE_HEAD_BYTES;
		*late->total += len + URB_LATE_HEAD_BYTES;
		list_append(&late->trains, &train->node);
	} else {
		lost += len;
	}
	if (lost == 0)
		return;
	late->is_broken = true;
	log_limited(LOG_LEVEL_WARN,
		    "USB endpoint 0x%02x: %u bytes received for transfers that "
		    "were taken back are lost",
		    ep_addr, lost);
}

uint32_t urb_deliver(struct usbdev_transfer *transfer, uint32_t offset,
		     const uint8_t *data, uint32_t len)
{
	UNINITIALIZED struct iovec iov[DELIVER_IOV_MAX];
	uint32_t done = 0;

	while (done < len) {
		int n = usbdev_transfer_iov(transfer, offset + done, len - done, iov,
					    DELIVER_IOV_MAX);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			memcpy(iov[i].iov_base, data + done, iov[i].iov_len);
			done += (uint32_t)iov[i].iov_len;
		}
	}
	return done;
}

int urb_late_deliver(struct urb_late *late, struct usbdev_transfer *transfer)
{
	struct list *node, *next;

	if (late->is_broken) {
		late->is_broken = false;
		return -EIO;
	}
	LIST_FOREACH_SAFE(node, next, &late->trains) {
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
		/* the end of packets that fill it exactly is no packet of their own */
		train_free(late, train);
		if (ends_short || transfer->actual_bytes == transfer->length_bytes)
			return 1;
	}
	return 0;
}
