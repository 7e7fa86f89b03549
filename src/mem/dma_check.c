/* SPDX-License-Identifier: MIT
 * dma_check.c - a checking build: catch each write into guest memory that the guest did not ask for
 */
#include "mem/dma_check.h"

#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/dma_areas.h"
#include "mem/dma_pieces.h"
#include "mem/dma_pool.h"
#include "util/compiler.h"
#include "util/log.h"

#define OWNER_BUCKETS   1024u
#define NOTES           65536u /* events to remember */
#define NOTES_PRINTED   40u    /* of them, about one address */
#define NEAR_BYTES      64u    /* and its neighbourhood */
#define BACKTRACE_DEPTH 32

/* Areas of one owner. */
struct permit {
	struct dma_area area;
	struct permit *next;
};

struct owner {
	struct owner *next;
	const void *key;
	struct dma_leave leave;
	struct permit *permits;
};

enum note_kind {
	NOTE_KIND_PERMIT,
	NOTE_KIND_REVOKE,
	NOTE_KIND_PIECE, /* a pointer was handed out */
	NOTE_KIND_WRITE,
};

/* @origin: who wrote, an address in the program */
struct note {
	enum note_kind kind;
	struct dma_leave leave;
	uint64_t first;
	uint64_t last;
	const void *owner;
	const void *origin;
};

_Static_assert(sizeof(struct permit) <= DMA_POOL_RECORD_BYTES, "a record is too small");
_Static_assert(sizeof(struct owner) <= DMA_POOL_RECORD_BYTES, "a record is too small");

struct dma_check {
	struct dma_check *next;
	bool (*find)(void *ctx, const void *host, uint64_t *ret_iova);
	void *find_ctx;
	bool on;
	const char *shut;
	struct dma_areas areas;
	struct owner *owners[OWNER_BUCKETS];
	struct dma_pieces pieces;
	struct dma_pool pool; /* owners and permits */
	uint64_t permits;
	uint64_t writes;
	uint64_t written_bytes;
	uint64_t handed_out;
	uint64_t handed_out_bytes;
	uint64_t note_count;
	struct note notes[NOTES];
};

/* For the signal handler. */
static struct dma_check *checks;
static struct sigaction action_before;

/* ---- history ---- */

static void note(struct dma_check *check, enum note_kind kind,
		 const struct dma_leave *leave, uint64_t first, uint64_t last,
		 const void *who)
{
	struct note *n = &check->notes[check->note_count++ % NOTES];

	*n = (struct note){.kind = kind, .first = first, .last = last};
	if (leave)
		n->leave = *leave;
	if (kind == NOTE_KIND_PERMIT || kind == NOTE_KIND_REVOKE)
		n->owner = who;
	else
		n->origin = who;
}

static const char *what_name(enum dma_what what)
{
	switch (what) {
	case DMA_WHAT_DATA:
		return "data of a TD";
	case DMA_WHAT_EVENT:
		return "event";
	case DMA_WHAT_ENDPOINT:
		return "endpoint or stream context";
	case DMA_WHAT_COMMAND:
		return "command";
	case DMA_WHAT_ANY:
		break;
	}
	return "anything";
}

/* To stderr, not to the log, which may drop lines. */
PRINTF_LIKE(1, 2)
static void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
}

static void print_leave(const struct dma_leave *leave)
{
	print("%s, slot %u, DCI %u, by 0x%" PRIx64, what_name(leave->what), leave->slot,
	      leave->dci, leave->by_iova);
}

static void print_note(const struct note *n, uint64_t ago)
{
	static const char *const kinds[] = {
		[NOTE_KIND_PERMIT] = "permitted",
		[NOTE_KIND_REVOKE] = "revoked",
		[NOTE_KIND_PIECE] = "pointer handed out",
		[NOTE_KIND_WRITE] = "written",
	};

	print("  -%" PRIu64 " %s 0x%" PRIx64 "-0x%" PRIx64, ago, kinds[n->kind], n->first,
	      n->last);
	if (n->owner) {
		print(" for %p: ", n->owner);
		print_leave(&n->leave);
	}
	if (n->origin) {
		void *origin[] = {(void *)n->origin}; /* not written to */

		print(" by\n    ");
		(void)fflush(stderr);
		backtrace_symbols_fd(origin, 1, STDERR_FILENO);
		return;
	}
	print("\n");
}

static void print_history(const struct dma_check *check, uint64_t first, uint64_t last)
{
	uint64_t known = MIN_OF(check->note_count, (uint64_t)NOTES);
	unsigned printed = 0;

	first -= MIN_OF(first, (uint64_t)NEAR_BYTES);
	last += MIN_OF(UINT64_MAX - last, (uint64_t)NEAR_BYTES);
	print("History of it and its neighbours, the newest first (-0 is the last of "
	      "%" PRIu64 " notes):\n",
	      check->note_count);
	for (uint64_t ago = 0; ago < known && printed < NOTES_PRINTED; ago++) {
		const struct note *n =
			&check->notes[(check->note_count - 1 - ago) % NOTES];

		if (n->first > last || n->last < first)
			continue;
		print_note(n, ago);
		printed++;
	}
	if (printed == 0)
		print("  nothing\n");
}

static void print_backtrace(void)
{
	void *frames[BACKTRACE_DEPTH];

	print("Now at:\n");
	(void)fflush(stderr);
	backtrace_symbols_fd(frames, backtrace(frames, BACKTRACE_DEPTH), STDERR_FILENO);
}

void dma_check_fail(struct dma_check *check, uint64_t iova, uint64_t len, const char *why)
{
	if (!check)
		return;
	print("DMA CHECK: %s: %" PRIu64 " bytes at 0x%" PRIx64 "\n", why, len, iova);
	print_history(check, iova, iova + (len ? len - 1 : 0));
	print_backtrace();
	abort();
}

/* ---- faults ---- */

static void on_segv(int signal, siginfo_t *info, void *context)
{
	(void)context;
	for (struct dma_check *check = checks; check; check = check->next) {
		uint64_t iova;

		if (dma_pieces_find(&check->pieces, info->si_addr, &iova))
			dma_check_fail(check, iova, 1,
				       "access by a pointer that was taken back, or "
				       "beyond its piece");
		if (check->find(check->find_ctx, info->si_addr, &iova))
			dma_check_fail(check, iova, 1, "a write past the check");
	}
	(void)sigaction(signal, &action_before, NULL);
}

static void handler_install(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO}, now;

	if (sigaction(SIGSEGV, NULL, &now) < 0 ||
	    ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_segv))
		return;
	action_before = now;
	action.sa_sigaction = on_segv;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGSEGV, &action, NULL);
}

/* ---- life ---- */

struct dma_check *dma_check_create(bool (*find)(void *ctx, const void *host,
						uint64_t *ret_iova),
				   void *ctx)
{
	struct dma_check *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	/* enough for all but the wildest guests */
	if (!dma_pool_begin(&check->pool) || !dma_pieces_begin(&check->pieces)) {
		dma_pool_finish(&check->pool);
		free(check);
		return NULL;
	}
	check->find = find;
	check->find_ctx = ctx;
	handler_install();
	check->next = checks;
	checks = check;
	return check;
}

void dma_check_begin(struct dma_check *check)
{
	if (!check || check->on)
		return;
	check->on = true;
	log_info("every write into guest memory is checked");
}

void dma_check_shut(struct dma_check *check, const char *why)
{
	if (!check)
		return;
	dma_check_settle(check);
	check->shut = why;
}

static void owner_free(struct dma_check *check, struct owner *owner)
{
	while (owner->permits) {
		struct permit *permit = owner->permits;

		owner->permits = permit->next;
		dma_areas_remove(&check->areas, &permit->area);
		note(check, NOTE_KIND_REVOKE, &owner->leave, permit->area.first,
		     permit->area.last, owner->key);
		dma_pool_put(&check->pool, permit);
	}
	dma_pool_put(&check->pool, owner);
}

void dma_check_destroy(struct dma_check *check)
{
	struct dma_check **link = &checks;

	if (!check)
		return;
	dma_check_settle(check);
	if (check->on)
		log_info("guest memory: %" PRIu64 " writes of %" PRIu64 " bytes, %" PRIu64
			 " pieces of %" PRIu64 " bytes handed out to be written, %" PRIu64
			 " times leave to: all were asked for",
			 check->writes, check->written_bytes, check->handed_out,
			 check->handed_out_bytes, check->permits);
	for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
		struct owner *owner;

		while ((owner = check->owners[i])) {
			check->owners[i] = owner->next;
			owner_free(check, owner);
		}
	}
	dma_pieces_finish(&check->pieces);
	dma_pool_finish(&check->pool);
	while (*link != check)
		link = &(*link)->next;
	*link = check->next;
	free(check);
}

/* ---- leave ---- */

static struct owner **owner_link(struct dma_check *check, const void *key)
{
	uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
	struct owner **link = &check->owners[(hash >> 32) % OWNER_BUCKETS];

	while (*link && (*link)->key != key)
		link = &(*link)->next;
	return link;
}

static void *need(void *p)
{
	if (p)
		return p;
	print("DMA CHECK: no memory\n");
	abort();
}

void dma_check_permit(struct dma_check *check, const void *owner,
		      const struct dma_leave *leave, uint64_t iova, uint64_t len)
{
	struct permit *permit;
	struct owner **link;

	if (!check || len == 0)
		return;
	link = owner_link(check, owner);
	if (!*link) {
		*link = need(dma_pool_get(&check->pool));
		(*link)->key = owner;
	}
	(*link)->leave = *leave;
	permit = need(dma_pool_get(&check->pool));
	permit->area.first = iova;
	/* no access reaches beyond the address space */
	permit->area.last = iova + (len - 1) < iova ? UINT64_MAX : iova + (len - 1);
	permit->next = (*link)->permits;
	(*link)->permits = permit;
	dma_areas_add(&check->areas, &permit->area);
	check->permits++;
	note(check, NOTE_KIND_PERMIT, leave, permit->area.first, permit->area.last,
	     owner);
}

void dma_check_revoke(struct dma_check *check, const void *owner)
{
	struct owner **link, *found;

	if (!check)
		return;
	dma_check_settle(check); /* those writes came in time */
	link = owner_link(check, owner);
	found = *link;
	if (!found)
		return;
	*link = found->next;
	owner_free(check, found);
}

void dma_check_none(struct dma_check *check, enum dma_what what, unsigned slot,
		    uint32_t dcis, const char *why)
{
	if (!check)
		return;
	for (unsigned i = 0; i < OWNER_BUCKETS; i++) {
		for (const struct owner *owner = check->owners[i]; owner;
		     owner = owner->next) {
			if ((what != DMA_WHAT_ANY && owner->leave.what != what) ||
			    (slot != 0 && owner->leave.slot != slot) ||
			    (dcis != 0 &&
			     !(dcis & UINT32_C(1) << (owner->leave.dci & 31u))))
				continue;
			print("DMA CHECK: there is still leave to write: ");
			print_leave(&owner->leave);
			print("\n");
			dma_check_fail(check, owner->permits->area.first, 1, why);
		}
	}
}

/* ---- writes ---- */

static void verdict(struct dma_check *check, uint64_t iova, uint64_t len)
{
	uint64_t missing;

	if (check->shut)
		dma_check_fail(check, iova, len, check->shut);
	if (!dma_areas_cover(&check->areas, iova, iova + (len - 1), &missing))
		dma_check_fail(check, missing, iova + (len - 1) - missing + 1,
			       "a write that the guest did not ask for");
}

static void on_changed(void *ctx, uint64_t iova, uint64_t len, bool outside)
{
	struct dma_check *check = ctx;

	if (outside)
		dma_check_fail(check, iova, len, "a write before a piece handed out");
	verdict(check, iova, len);
	check->writes++;
	check->written_bytes += len;
	note(check, NOTE_KIND_WRITE, NULL, iova, iova + (len - 1), NULL);
}

void dma_check_settle(struct dma_check *check)
{
	if (check)
		dma_pieces_close(&check->pieces, on_changed, check);
}

void dma_check_write(struct dma_check *check, uint64_t iova, uint64_t len,
		     const void *origin)
{
	if (!check || !check->on)
		return;
	dma_check_settle(check);
	if (len == 0)
		return;
	verdict(check, iova, len);
	check->writes++;
	check->written_bytes += len;
	note(check, NOTE_KIND_WRITE, NULL, iova, iova + (len - 1), origin);
}

uint8_t *dma_check_piece(struct dma_check *check, uint64_t iova, uint8_t *host,
			 uint64_t *bytes, size_t page_bytes, const void *origin)
{
	uint8_t *piece;

	if (!check || !check->on)
		return host;
	*bytes = MIN_OF(*bytes, (uint64_t)DMA_PIECE_BYTES_MAX);
	verdict(check, iova, *bytes);
	check->handed_out++;
	check->handed_out_bytes += *bytes;
	note(check, NOTE_KIND_PIECE, NULL, iova, iova + (*bytes - 1), origin);
	piece = dma_pieces_open(&check->pieces, iova, host, (size_t)*bytes, page_bytes);
	return need(piece);
}

void dma_check_window(const struct dma_check *check, void *host, size_t bytes,
		      size_t page_bytes, bool open)
{
	if (check && check->on)
		dma_pieces_window(host, bytes, page_bytes, open);
}
