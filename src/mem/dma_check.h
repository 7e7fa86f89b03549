/* SPDX-License-Identifier: MIT
 * dma_check.h - a checking build: catch each write into guest memory that the guest did not ask for
 *
 * With -Ddma_check=true the daemon notes, beside guest memory, what it may write right now and why:
 * code that gets the guest's leave (xhci/lend.h) permits an area and later revokes it. A write
 * outside ends the process and prints the history of that memory: who had leave and lost it, and
 * who wrote. Without the option all of this compiles to nothing.
 *
 * A pointer that guest_mem_iov() returns for writing leads to a copy of the piece, on pages of its
 * own in front of an unreadable page. Closing the piece copies the changes into guest memory; that
 * happens at the next use of guest memory, at the latest when the leave ends. From then on the
 * pages are unreadable, so a write through a pointer kept for too long faults, and the fault is
 * reported like a stray write. Mapped files are read-only except during a permitted write, so any
 * other pointer into them faults as well. All addresses are IOVAs. Loop thread only.
 */
#ifndef MEM_DMA_CHECK_H
#define MEM_DMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dma_check; /* the check of one guest memory (guest_mem_dma_check()). NULL is fine below */

enum dma_what {
	DMA_WHAT_ANY,      /* only as a filter */
	DMA_WHAT_DATA,     /* the buffers of an IN TD that the device has */
	DMA_WHAT_EVENT,    /* a free TRB of an event ring */
	DMA_WHAT_ENDPOINT, /* state and dequeue pointer of a context, or a Stream Context */
	DMA_WHAT_COMMAND, /* contexts that the running command may write */
};

/**
 * struct dma_leave - why something may be written
 * @slot, @dci:	whose leave; 0 = the controller's, the slot's
 * @by_iova:	where the guest gave it: a TD, a command, a segment of an event ring
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
/* Logs how much it checked. NULL is fine. */
void dma_check_destroy(struct dma_check *check);
/* Checks a write of @len bytes at @iova by @origin, an address in the program. */
void dma_check_write(struct dma_check *check, uint64_t iova, uint64_t len,
		     const void *origin);
/* Returns a copy that the caller may write to instead of the @bytes at @host, which are the guest's
 * at @iova. @page_bytes: see dma_check_window(). May shorten *@bytes. */
uint8_t *dma_check_piece(struct dma_check *check, uint64_t iova, uint8_t *host,
			 uint64_t *bytes, size_t page_bytes, const void *origin);
/* Makes mapped memory writable (@open) or read-only. @page_bytes: page size of the mapping; 0: do
 * not protect it. */
void dma_check_window(const struct dma_check *check, void *host, size_t bytes,
		      size_t page_bytes, bool open);

/* Closes all open pieces. */
void dma_check_settle(struct dma_check *check);
/* Starts the check: from now on a controller permits areas. */
void dma_check_begin(struct dma_check *check);
/* From now on no one may write, leave or not; @why is for the log. NULL ends that. */
void dma_check_shut(struct dma_check *check, const char *why);
/* Permits @owner (any address that identifies it) to write @len bytes at @iova, too. */
void dma_check_permit(struct dma_check *check, const void *owner,
		      const struct dma_leave *leave, uint64_t iova, uint64_t len);
/* Revokes all leave of @owner. */
void dma_check_revoke(struct dma_check *check, const void *owner);
/* Ends the process if there is leave of this kind for @slot and @dcis (a bitmap; 0: all), because the
 * guest is about to learn that there is none. @why is for the log. */
void dma_check_none(struct dma_check *check, enum dma_what what, unsigned slot,
		    uint32_t dcis, const char *why);
/* Ends the process because of @why, and prints the history of @iova. */
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
