/* SPDX-License-Identifier: MIT
 * deliver.c - received data into the memory of its transfer
 */
#include "usbdev/host/urb/deliver.h"

#include <string.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"

#define DELIVER_IOV_MAX 16

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
