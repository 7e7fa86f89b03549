/* SPDX-License-Identifier: MIT
 * sigbus.c - survive a mapped file that shrinks
 *
 * The handler must not lock or allocate: it reads a fixed table, whose entries become valid by one
 * atomic store of their start address, and calls only mmap(). It replaces all pages up to the end,
 * not just the touched one: so the kernel has at most two mappings per range, and no pattern of
 * accesses reaches its limit.
 */
#include "mem/sigbus.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct guard {
	_Atomic uintptr_t start; /* 0 = unused slot */
	_Atomic uintptr_t lost;  /* the first byte replaced, 0 = none */
	size_t len;
	size_t page_bytes;
};

atomic_uint sigbus_faults;

static struct guard guards[SIGBUS_GUARDS_MAX];
static atomic_int guards_used_max; /* no slot from here on was ever used */
static int guard_hint;             /* a slot that may be unused */
static struct sigaction action_before;

static bool replace_pages(uintptr_t addr)
{
	int end = atomic_load(&guards_used_max);

	for (int i = 0; i < end; i++) {
		struct guard *guard = &guards[i];
		uintptr_t start =
			atomic_load_explicit(&guard->start, memory_order_acquire);
		size_t skip;
		void *from;

		if (start == 0 || addr < start || addr - start >= guard->len)
			continue;
		skip = (addr - start) / guard->page_bytes * guard->page_bytes;
		from = (void *)(start + skip);
		if (mmap(from, guard->len - skip, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) != from)
			return false;
		atomic_store(&guard->lost, start + skip);
		atomic_fetch_add(&sigbus_faults, 1);
		return true;
	}
	return false;
}

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)context;
	if (info->si_code == BUS_MCEERR_AO)
		return; /* a page went bad that no thread is touching */
	/* BUS_ADRERR: there is no page at this address. Failing hardware and kill() are not our
	 * business. */
	if (info->si_code != BUS_ADRERR || !replace_pages((uintptr_t)info->si_addr)) {
		/* if the sandbox refuses it, the fault would repeat for ever */
		if (sigaction(signal, &action_before, NULL) < 0)
			abort();
		/* A fault repeats by itself; a signal of kill() does not. */
		if (info->si_code <= 0)
			(void)raise(signal);
	}
	errno = saved_errno;
}

int sigbus_guard_install(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO}, now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus)
		return 0;
	action_before = now;
	action.sa_sigaction = on_sigbus;
	(void)sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

int sigbus_guard_add(void *start, size_t len, size_t page_bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(guards); i++) {
		int slot = (int)(((unsigned)guard_hint + i) % ARRAY_SIZE(guards));
		struct guard *guard = &guards[slot];

		if (atomic_load_explicit(&guard->start, memory_order_relaxed))
			continue;
		guard->len = len;
		atomic_store(&guard->lost, 0);
		guard->page_bytes = page_bytes;
		atomic_store_explicit(&guard->start, (uintptr_t)start,
				      memory_order_release);
		if (slot >= atomic_load(&guards_used_max))
			atomic_store(&guards_used_max, slot + 1);
		guard_hint = slot + 1;
		return slot;
	}
	return -ENOSPC;
}

uintptr_t sigbus_guard_lost(int slot)
{
	return atomic_load(&guards[slot].lost);
}

void sigbus_guard_remove(int slot)
{
	atomic_store(&guards[slot].start, 0);
	if (slot < guard_hint)
		guard_hint = slot;
}
