/* SPDX-License-Identifier: MIT
 * touch.h - for the checking build: memory that the kernel is about to write to
 *
 * The kernel answers -EFAULT where a write of ours would be a fault. Guest memory that must
 * not be written to any more (mem/dma_check.h) shall be told of in both cases.
 */
#ifndef UTIL_TOUCH_H
#define UTIL_TOUCH_H

#include <stdint.h>
#include <sys/uio.h>

/* Writes the first and the last byte of each piece as they are; nothing without the check. */
static inline void touch_before_write(const struct iovec *iov, int n)
{
#ifdef DMA_CHECK
	for (int i = 0; i < n; i++) {
		volatile uint8_t *bytes = iov[i].iov_base;

		if (iov[i].iov_len == 0)
			continue;
		bytes[0] = bytes[0];
		bytes[iov[i].iov_len - 1] = bytes[iov[i].iov_len - 1];
	}
#else
	(void)iov;
	(void)n;
#endif
}

#endif /* UTIL_TOUCH_H */
