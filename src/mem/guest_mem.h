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
 * then puts zero pages there instead of killing us. The access that met it fails, the
 * whole range is lost (every later access fails) until it is mapped again, and the pages
 * are given back: what is ours at any time is at most what one access touched, or the
 * users of one guest_mem_iov() before the next look-up.
 * Which files are taken: memory_file.h. Unmapping is done on a thread of its own; it
 * counts for the bounds until it is over.
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

/* Returns owned, or NULL. Installs the SIGBUS guard, if it is not in place. */
struct guest_mem *guest_mem_create(void);
/* Unmaps everything. NULL is fine. */
void guest_mem_destroy(struct guest_mem *mem);
/* For memory_file_check(), in the place of MEMORY_FILE_SYSTEMS; borrowed. */
void guest_mem_set_file_systems(struct guest_mem *mem, const char *file_systems);

/**
 * guest_mem_map() - add a range
 * @fd:		file behind it (borrowed: a mapping needs no open fd), or -1. With a
 *		result of 0 it may be closed without waiting
 * @fd_offset:	where @iova lies in the file; need not be page-aligned
 * @prot:	GUEST_MEM_READ|GUEST_MEM_WRITE
 *
 * Mapping the same range again with the same parameters is fine.
 * Return: 0; -EEXIST overlap with another range; -EINVAL size 0, wrap-around or
 * unknown @prot; -ENOSPC over a limit; -EPERM a file that is not taken (logged); -errno of
 * mmap: then the range is known but unreachable, as if it had no fd.
 */
MUST_USE int guest_mem_map(struct guest_mem *mem, uint64_t iova, uint64_t size, int fd,
			   uint64_t fd_offset, unsigned prot);
/**
 * guest_mem_unmap() - remove every range in [@iova, @iova + @size)
 * @ret_bytes:	of the ranges removed, which may be 0; NULL: not asked for
 *
 * What VFIO type 1 does (VFIO_IOMMU_UNMAP_DMA): VMMs with a virtual IOMMU unmap large parts
 * of the address space, whatever is mapped there.
 * Return: 0; -EINVAL size 0, wrap-around, or a range lies in it in part: then none goes.
 */
MUST_USE int guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size,
			     uint64_t *ret_bytes);
void guest_mem_unmap_all(struct guest_mem *mem);
/* Waits until what was removed is unmapped, @max_ms at most. True: it is. For tests. */
bool guest_mem_wait_unmapped(unsigned max_ms);
/* For tests and fuzzers: @base (borrowed, @size bytes) is the guest's memory at @iova. */
MUST_USE int guest_mem_map_bytes(struct guest_mem *mem, uint64_t iova, void *base,
				 uint64_t size, unsigned prot);

/* Bytes of ranges that the device may write, by whether we can reach them. ROMs, which nobody
 * can share, are read-only. */
void guest_mem_bytes(const struct guest_mem *mem, uint64_t *ret_reachable,
		     uint64_t *ret_unreachable);
/* How many ranges were lost so far. What was moved by pointers of guest_mem_iov() has arrived
 * if none was added since and the memory can still be reached. */
unsigned guest_mem_losses(struct guest_mem *mem);
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
