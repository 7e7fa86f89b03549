/* SPDX-License-Identifier: MIT
 * guest_mem.h - the guest's memory: IOVA to host mapping, and every access to it
 *
 * The VMM tells us which IOVA ranges exist (DMA_MAP, DMA_UNMAP). A range has
 * an fd, which we map, or none: then it exists but is unreachable for us, like
 * a ROM. Nothing outside this file holds a pointer into guest memory beyond
 * one loop turn: every access names an IOVA and is looked up again, so an
 * unmap takes effect at once and needs to wait for nobody.
 *
 * The guest may rewrite memory at any time: callers copy once and parse the
 * copy. The client may truncate the file behind a mapping: the SIGBUS guard
 * then puts zero pages there, so an access reads zeros instead of killing us.
 * Loop thread only. Tables are sized at creation.
 */
#ifndef MEM_GUEST_MEM_H
#define MEM_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/compiler.h"

struct dma_check;
struct guest_mem;

#define GUEST_MEM_MAPS_MAX 8192u               /* ranges at one time */
#define GUEST_MEM_SIZE_MAX (UINT64_C(8) << 40) /* bytes of one range */

#define GUEST_MEM_READ  1u /* the device may read it */
#define GUEST_MEM_WRITE 2u /* the device may write it */

/* Returns owned, or NULL. Installs the SIGBUS guard, if it is not in place. */
struct guest_mem *guest_mem_create(void);
/* Unmaps everything. NULL is fine. */
void guest_mem_destroy(struct guest_mem *mem);

/**
 * guest_mem_map() - add a range
 * @fd:		file behind it (borrowed: a mapping needs no open fd), or -1
 * @fd_offset:	where @iova lies in the file; need not be page-aligned
 * @prot:	GUEST_MEM_READ|GUEST_MEM_WRITE
 *
 * Mapping the same range again with the same parameters is fine.
 * Return: 0; -EEXIST overlap with another range; -EINVAL size 0, wrap-around or
 * unknown @prot; -ENOSPC over a limit; -errno of mmap: then the range is
 * known but unreachable, as if it had no fd.
 */
MUST_USE int guest_mem_map(struct guest_mem *mem, uint64_t iova, uint64_t size, int fd,
			   uint64_t fd_offset, unsigned prot);
/* Removes exactly this range. Return: 0 or -ENOENT. */
MUST_USE int guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size);
void guest_mem_unmap_all(struct guest_mem *mem);
/* For tests and fuzzers: @base (borrowed, @size bytes) is the guest's memory at @iova. */
MUST_USE int guest_mem_map_bytes(struct guest_mem *mem, uint64_t iova, void *base,
				 uint64_t size, unsigned prot);

/* Bytes of ranges that the device may write, by whether we can reach them. ROMs, which nobody
 * can share, are read-only. */
void guest_mem_bytes(const struct guest_mem *mem, uint64_t *ret_reachable,
		     uint64_t *ret_unreachable);
/* Number of ranges. */
unsigned guest_mem_count(const struct guest_mem *mem);
/* Grows with every map and unmap: lets a caller who met a hole know when to try again. */
uint64_t guest_mem_generation(const struct guest_mem *mem);
/* When a range last went, or came after one had gone (clock_now_ns), 0 = none has gone yet. VMMs
 * remove and re-add all RAM within about a millisecond while firmware runs; one that takes a guest over adds range
 * after range. */
uint64_t guest_mem_last_change_ns(const struct guest_mem *mem);
/* What checks the writes (dma_check.h); NULL but in a checking build. */
struct dma_check *guest_mem_dma_check(const struct guest_mem *mem);

/* Copy @len bytes. A range may end and another go on within them.
 * Return: 0 or -EFAULT (outside, unreachable, or the wrong direction); on a
 * fault in the middle the part before it may have been copied. */
MUST_USE int guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len);
MUST_USE int guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf,
			     size_t len);

/* One aligned load, ordered before all later reads (acquire): what the guest
 * wrote before it wrote this word is visible afterwards. @iova multiple of 4.
 * Return: 0 or -EFAULT. */
MUST_USE int guest_mem_load_le32(struct guest_mem *mem, uint64_t iova,
				 uint32_t *ret_value);
/* One aligned store, ordered after all earlier writes (release). */
MUST_USE int guest_mem_store_le32(struct guest_mem *mem, uint64_t iova, uint32_t value);

/* True if all @len bytes at @iova can be accessed with @prot. */
bool guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len, unsigned prot);

/**
 * guest_mem_iov() - pieces of host memory for [@iova, @iova + @len)
 *
 * For system calls that read or write guest memory directly (preadv2). Valid
 * within this loop turn only, and for writing until guest memory is next used. Return: number of entries of @iov used (may
 * cover less than @len when @iov_max is reached) or -EFAULT.
 */
MUST_USE int guest_mem_iov(struct guest_mem *mem, uint64_t iova, uint64_t len,
			   unsigned prot, struct iovec *iov, int iov_max);

#endif /* MEM_GUEST_MEM_H */
