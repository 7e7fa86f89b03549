/* SPDX-License-Identifier: MIT
 * sigbus.h - survive a mapped file that shrinks
 *
 * Touching a mapped page behind the end of its file raises SIGBUS. The client owns the files
 * behind guest memory and may truncate them at any time. For a guarded range the handler puts
 * anonymous zero pages from the touched page to the end of the range (all of which lies behind the
 * end of the file), lets the access repeat, and counts that. The owner of the range checks the
 * count after each access and frees the pages. The same happens when a file system has no room for
 * a page (hugetlbfs, tmpfs). A SIGBUS anywhere else goes to the handler that was there before; by
 * default it ends the process.
 */
#ifndef MEM_SIGBUS_H
#define MEM_SIGBUS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define SIGBUS_GUARDS_MAX 8192u /* mappings guarded at one time */

/* Installs the handler unless it is in place. Return: 0 or -errno. */
MUST_USE int sigbus_guard_install(void);

/**
 * sigbus_guard_add() - guard a mapping
 * @start:		its first page
 * @len:		its bytes, a multiple of @page_bytes
 * @page_bytes:		page size of the mapping (hugetlbfs: its large pages)
 *
 * Loop thread. Return: a slot for sigbus_guard_remove(), or -ENOSPC.
 */
MUST_USE int sigbus_guard_add(void *start, size_t len, size_t page_bytes);
/* How many faults the handler has covered up since the process began. */
extern atomic_uint sigbus_faults;
/* The first byte that the handler replaced in the mapping of @slot, 0 = none. */
uintptr_t sigbus_guard_lost(int slot);
/* Call it before unmapping. */
void sigbus_guard_remove(int slot);

#endif /* MEM_SIGBUS_H */
