/* SPDX-License-Identifier: MIT
 * dma_check.h - a checking build: no write into guest memory that was not asked for
 *
 * With -Ddma_check=true there is, beside guest memory, a note of what may be written right now,
 * and why: whoever gets the guest's leave (xhci/lend.h) permits an area and revokes it. A
 * write outside ends the process, with what is known of that memory: who had leave and lost it,
 * who wrote. Without the option all of this is nothing.
 *
 * A pointer that guest_mem_iov() hands out for writing leads to a copy of the piece on pages of
 * its own, up to an unreadable page. Changes are taken over into guest memory when the piece is
 * closed: with the next use of guest memory, at the latest when the leave for it ends. From then
 * on the pages cannot be touched, so a write through a pointer kept for too long is a fault,
 * which is told like the others. Mapped files are read-only but for the moment of a
 * write that was permitted, so the same goes for any other pointer into them. All is in IOVAs.
 * Loop thread only.
 */
#ifndef MEM_DMA_CHECK_H
#define MEM_DMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dma_check; /* of one guest memory: guest_mem_dma_check(). NULL is fine everywhere */

enum dma_what {
	DMA_WHAT_ANY,      /* as a filter only */
	DMA_WHAT_DATA,     /* the buffers of an IN TD that is with the device */
	DMA_WHAT_EVENT,    /* a free TRB of an event ring */
	DMA_WHAT_ENDPOINT, /* state and dequeue pointer of a context, or a Stream Context */
	DMA_WHAT_COMMAND, /* what a command that is being done may write */
};

/**
 * struct dma_leave - why something may be written
 * @slot, @dci:	for whom; 0 = the controller, the slot
 * @by_iova:	what said so: a TD, a command, a segment of an event ring
 */
struct dma_leave {
	enum dma_what what;
	unsigned slot;
	unsigned dci;
	uint64_t by_iova;
};

#ifdef DMA_CHECK

/* For guest_mem.c. Nothing is checked before dma_check_begin(). @find: true if @host is mapped
 * guest memory, and where. */
struct dma_check *dma_check_create(bool (*find)(void *ctx, const void *host,
						uint64_t *ret_iova),
				   void *ctx);
/* Tells the sum. NULL is fine. */
void dma_check_destroy(struct dma_check *check);
/* @len bytes at @iova are about to be written by @origin, an address in the program. */
void dma_check_write(struct dma_check *check, uint64_t iova, uint64_t len,
		     const void *origin);
/* What the caller may write to in the place of the @bytes at @host, which are those at
 * @iova; @page_bytes as in dma_check_window(). May shorten *@bytes. */
uint8_t *dma_check_piece(struct dma_check *check, uint64_t iova, uint8_t *host,
			 uint64_t *bytes, size_t page_bytes, const void *origin);
/* Mapped memory can be written to from now on, or no longer. @page_bytes: page size of the
 * mapping, 0 = it is not ours to protect. */
void dma_check_window(const struct dma_check *check, void *host, size_t bytes,
		      size_t page_bytes, bool open);

/* Closes the pieces that are open. */
void dma_check_settle(struct dma_check *check);
/* From now on there is somebody who permits, and all is checked. */
void dma_check_begin(struct dma_check *check);
/* From now on nothing may be written, whoever has leave: @why for the log. NULL: as before. */
void dma_check_shut(struct dma_check *check, const char *why);
/* @owner, any address that means it, may write @len bytes at @iova, besides what it may already. */
void dma_check_permit(struct dma_check *check, const void *owner,
		      const struct dma_leave *leave, uint64_t iova, uint64_t len);
/* @owner may write nothing any more. */
void dma_check_revoke(struct dma_check *check, const void *owner);
/* The guest is told, or sees, that there is no leave of this kind any more for @slot and @dcis,
 * a bitmap (0 = for all of them): ends the process if there is. @why: for the log. */
void dma_check_none(struct dma_check *check, enum dma_what what, unsigned slot,
		    uint32_t dcis, const char *why);
/* Something that must not be: ends the process, with what is known of @iova. */
void dma_check_fail(struct dma_check *check, uint64_t iova, uint64_t len,
		    const char *why);

#else

static inline struct dma_check *dma_check_create(bool (*find)(void *ctx, const void *host,
							      uint64_t *ret_iova),
						 void *ctx)
{
	(void)find;
	(void)ctx;
	return NULL;
}
static inline void dma_check_destroy(struct dma_check *check)
{
	(void)check;
}
static inline void dma_check_write(struct dma_check *check, uint64_t iova, uint64_t len,
				   const void *origin)
{
	(void)check;
	(void)iova;
	(void)len;
	(void)origin;
}
static inline uint8_t *dma_check_piece(struct dma_check *check, uint64_t iova,
				       uint8_t *host, const uint64_t *bytes,
				       size_t page_bytes, const void *origin)
{
	(void)check;
	(void)iova;
	(void)bytes;
	(void)page_bytes;
	(void)origin;
	return host;
}
static inline void dma_check_window(const struct dma_check *check, void *host,
				    size_t bytes, size_t page_bytes, bool open)
{
	(void)check;
	(void)host;
	(void)bytes;
	(void)page_bytes;
	(void)open;
}
static inline void dma_check_settle(struct dma_check *check)
{
	(void)check;
}

#endif /* DMA_CHECK */

#endif /* MEM_DMA_CHECK_H */
