/* SPDX-License-Identifier: MIT
 * touch.h - for the checking build: touch memory that the kernel is about to write to
 *
 * Where a write of ours would fault, the kernel returns -EFAULT. The checking build
 * (mem/dma_check.h) must notice guest memory that may not be written in both cases.
 */
#ifndef UTIL_TOUCH_H
#define UTIL_TOUCH_H

#include <stdint.h>
#include <sys/uio.h>

/* Rewrites the first and the last byte of each piece; does nothing without the check. */
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
