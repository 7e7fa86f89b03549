/* SPDX-License-Identifier: MIT
 * guest_mem.h - the guest's memory: IOVA to host mapping, and every access to it
 *
 * The VMM tells us which IOVA ranges exist (DMA_MAP, DMA_UNMAP). A range has an fd, which we
 * map, or none: then it exists but we cannot reach it, like a ROM. No code outside this file holds
 * a pointer into guest memory beyond one loop turn: every access names an IOVA and looks it up
 * again, so an unmap takes effect at once and waits for no one.
 *
 * The guest may rewrite memory at any time: callers copy once and parse the copy. The client may
 * truncate the file behind a mapping: the SIGBUS guard then puts zero pages there instead of
 * letting the signal kill us. The access that met them fails, and the range is lost: every later
 * access fails until the client maps it again. The guard's pages are freed, so they never take more
 * than one access touched, or the users of one guest_mem_iov() before the next look-up.
 * memory_file.h says which files we accept. A thread unmaps ranges; they count against the bounds
 * until it has.
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

#define GUEST_MEM_MAPS_MAX  8192u                /* ranges at one time */
#define GUEST_MEM_SIZE_MAX  (UINT64_C(8) << 40)  /* bytes of one range */
#define GUEST_MEM_TOTAL_MAX (UINT64_C(16) << 40) /* bytes mapped, of all ranges */

#define GUEST_MEM_READ  1u /* the device may read it */
#define GUEST_MEM_WRITE 2u /* the device may write it */

/* Returns owned, or NULL. Installs the SIGBUS guard unless it is in place. */
struct guest_mem *guest_mem_create(void);
/* Unmaps everything. NULL is fine. */
void guest_mem_destroy(struct guest_mem *mem);
/* Sets the list for memory_file_check(), by default MEMORY_FILE_SYSTEMS; borrowed. */
void guest_mem_set_file_systems(struct guest_mem *mem, const char *file_systems);

/**
 * guest_mem_map() - add a range
 * @fd:		file behind it (borrowed: a mapping needs no open fd), or -1. After a
 *		result of 0, closing it does not wait
 * @fd_offset:	where @iova lies in the file; need not be page-aligned
 * @prot:	GUEST_MEM_READ|GUEST_MEM_WRITE
 *
 * Mapping the same range again with the same parameters is fine.
 * Return: 0; -EEXIST overlap with another range; -EINVAL size 0, wrap-around or
 * unknown @prot; -ENOSPC over a limit; -EPERM a file that we do not accept (logged); -errno of
 * mmap: then the range is known but unreachable, as if it had no fd.
 */
MUST_USE int guest_mem_map(struct guest_mem *mem, uint64_t iova, uint64_t size, int fd,
			   uint64_t fd_offset, unsigned prot);
/**
 * guest_mem_unmap() - remove every range in [@iova, @iova + @size)
 * @ret_bytes:	size of the removed ranges, which may be 0; NULL is fine
 *
 * As VFIO type 1 does (VFIO_IOMMU_UNMAP_DMA): VMMs with a virtual IOMMU unmap large parts of the
 * address space, whatever they have mapped there.
 * Return: 0; -EINVAL size 0, wrap-around, or it would cut a range: then it removes none.
 */
MUST_USE int guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size,
			     uint64_t *ret_bytes);
void guest_mem_unmap_all(struct guest_mem *mem);
/* Waits up to @max_ms until the thread has unmapped all. Return: true if it has. For tests. */
bool guest_mem_wait_unmapped(unsigned max_ms);
/* For tests and fuzzers: @base (borrowed, @size bytes) is the guest's memory at @iova. */
MUST_USE int guest_mem_map_bytes(struct guest_mem *mem, uint64_t iova, void *base,
				 uint64_t size, unsigned prot);

/* Bytes of ranges that the device may write, by whether we can reach them. (ROMs, which no VMM
 * shares, are read-only.) */
void guest_mem_bytes(const struct guest_mem *mem, uint64_t *ret_reachable,
		     uint64_t *ret_unreachable);
/* How many ranges were lost so far. Data moved by pointers of guest_mem_iov() has arrived if this
 * has not grown since and the memory is still reachable. */
unsigned guest_mem_losses(struct guest_mem *mem);
/* Number of ranges. */
unsigned guest_mem_count(const struct guest_mem *mem);
/* Grows with every map and unmap: tells a caller who met a hole when to try again. */
uint64_t guest_mem_generation(const struct guest_mem *mem);
/* When a range was last removed, or added after a removal (clock_now_ns()); 0: none was removed yet.
 * VMMs remove and re-add all RAM within about a millisecond while firmware runs; a VMM that takes a
 * guest over adds range after range. */
uint64_t guest_mem_last_change_ns(const struct guest_mem *mem);
/* The check of writes (dma_check.h); NULL except in a checking build. */
struct dma_check *guest_mem_dma_check(const struct guest_mem *mem);

/* Copies @len bytes, which may span adjacent ranges.
 * Return: 0 or -EFAULT (outside, unreachable, or the wrong direction); then the part before the
 * fault may have been copied. */
MUST_USE int guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len);
MUST_USE int guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf,
			     size_t len);

/* One aligned load, ordered before all later reads (acquire): afterwards we see what the guest
 * wrote before it wrote this word. @iova: a multiple of 4. Return: 0 or -EFAULT. */
MUST_USE int guest_mem_load_le32(struct guest_mem *mem, uint64_t iova,
				 uint32_t *ret_value);
/* One aligned store, ordered after all earlier writes (release). */
MUST_USE int guest_mem_store_le32(struct guest_mem *mem, uint64_t iova, uint32_t value);

/* True if @prot allows access to all @len bytes at @iova. */
bool guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len, unsigned prot);

/**
 * guest_mem_iov() - pieces of host memory for [@iova, @iova + @len)
 *
 * For system calls that read or write guest memory directly (preadv2). Valid within this loop turn
 * only, and for writing only until the next use of guest memory. Return: entries of @iov used
 * (which cover less than @len if @iov_max is reached), or -EFAULT.
 */
MUST_USE int guest_mem_iov(struct guest_mem *mem, uint64_t iova, uint64_t len,
			   unsigned prot, struct iovec *iov, int iov_max);

#endif /* MEM_GUEST_MEM_H */
