/* SPDX-License-Identifier: MIT
 * guest_mem.c - the guest's memory: IOVA to host mapping, and every access to it
 *
 * Ranges stand in an array sorted by IOVA and never overlap. A look-up tries the range found last,
 * then searches by halves. An access is cut into pieces at the ends of ranges. A range keeps its
 * last address, because it may end exactly at 2^64.
 */
#include "mem/guest_mem.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mem/dma_check.h"
#include "mem/memory_file.h"
#include "mem/sigbus.h"
#include "util/aside.h"
#include "util/bytes.h"
#include "util/fd_kind.h"
#include "util/log.h"
#include "util/loop.h"

static_assert(GUEST_MEM_MAPS_MAX <= SIGBUS_GUARDS_MAX, "a guard for each range");

/**
 * struct range - what the VMM mapped
 * @iova, @last:	first and last address
 * @base:		host address of @iova, NULL = unreachable
 * @prot:		GUEST_MEM_READ|GUEST_MEM_WRITE
 * @has_fd:		@dev, @inode and @fd_offset name the file behind it
 * @mapping:		to unmap, NULL = none
 * @page_bytes:		page size of @mapping; 0 without
 * @guard:		slot of the SIGBUS guard; valid with @mapping
 */
struct range {
	uint64_t iova;
	uint64_t last;
	uint8_t *base;
	unsigned prot;
	bool has_fd;
	dev_t dev;
	ino_t inode;
	uint64_t fd_offset;
	void *mapping;
	size_t mapping_bytes;
	size_t page_bytes;
	int guard;
};

/**
 * struct guest_mem
 * @last_hit:		index of the range found last
 * @faults_seen:	the value of sigbus_faults that look_for_losses() has handled
 * @losses:		ranges lost since creation
 * @mapped_bytes:	size of all mappings
 * @file_systems:	for memory_file_check(); borrowed
 */
struct guest_mem {
	unsigned count;
	unsigned last_hit;
	unsigned faults_seen;
	unsigned losses;
	uint64_t mapped_bytes;
	const char *file_systems;
	uint64_t generation;
	uint64_t last_change_ns;
	struct dma_check *check;
	struct range ranges[GUEST_MEM_MAPS_MAX];
};

/* ---- the table ---- */

/* Index of the first range that ends at or behind @iova; @count if none. */
static unsigned find_index(const struct guest_mem *mem, uint64_t iova)
{
	unsigned low = 0, high = mem->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (mem->ranges[middle].last < iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct range *find_range(struct guest_mem *mem, uint64_t iova)
{
	struct range *range = &mem->ranges[mem->last_hit];
	unsigned i;

	if (mem->last_hit < mem->count && range->iova <= iova && iova <= range->last)
		return range;
	i = find_index(mem, iova);
	if (i == mem->count || mem->ranges[i].iova > iova)
		return NULL;
	mem->last_hit = i;
	return &mem->ranges[i];
}

/* If we are the last to hold a file, munmap() frees its memory, which takes seconds for a large
 * one. So a thread unmaps. If ASIDE_CALLS_MAX wait for it, the loop unmaps itself: refusing would
 * hit a monitor with a virtual IOMMU, which maps page by page. */
static struct aside unmapper = ASIDE_INIT("unmapper");
/* Bytes that wait for the thread. */
static _Atomic uint64_t unmapping_bytes;

static void unmap_now(uintptr_t mapping, size_t bytes)
{
	(void)munmap((void *)mapping, bytes); // NOLINT(performance-no-int-to-ptr)
	atomic_fetch_sub(&unmapping_bytes, bytes);
}

/* Unmaps @range; no code may touch the mapping afterwards. */
static void release(struct guest_mem *mem, struct range *range)
{
	if (!range->mapping)
		return;
	sigbus_guard_remove(range->guard);
	mem->mapped_bytes -= range->mapping_bytes;
	atomic_fetch_add(&unmapping_bytes, range->mapping_bytes);
	if (!aside_call(&unmapper, unmap_now, (uintptr_t)range->mapping,
			range->mapping_bytes))
		unmap_now((uintptr_t)range->mapping, range->mapping_bytes);
	range->mapping = NULL;
	range->base = NULL;
}

bool guest_mem_wait_unmapped(unsigned max_ms)
{
	return aside_wait(&unmapper, max_ms);
}

/* ---- lost memory ---- */

/* Frees the guard's zero pages but keeps the addresses: pointers of this turn may lead there. */
static void lose(struct guest_mem *mem, struct range *range, uintptr_t from)
{
	uint8_t *mapping = range->mapping;
	size_t kept = from - (uintptr_t)mapping;

	(void)mmap(mapping + kept, range->mapping_bytes - kept, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (!range->base)
		return;
	range->base = NULL;
	mem->losses++;
	log_limited(
		LOG_LEVEL_ERROR,
		"guest memory 0x%" PRIx64 " + 0x%" PRIx64
		" is lost: the monitor truncated its file, or there is no room for a "
		"page of it; the device cannot reach it until the monitor maps it again",
		range->iova, range->last - range->iova + 1);
}

/* Finds the ranges in which the guard has covered up faults. */
static void look_for_losses(struct guest_mem *mem)
{
	mem->faults_seen = atomic_load(&sigbus_faults);
	for (unsigned i = 0; i < mem->count; i++) {
		struct range *range = &mem->ranges[i];
		uintptr_t from = range->mapping ? sigbus_guard_lost(range->guard) : 0;

		if (from)
			lose(mem, range, from);
	}
}

/* True if the last access met a fault. */
static bool has_faulted(struct guest_mem *mem)
{
	if (atomic_load_explicit(&sigbus_faults, memory_order_relaxed) ==
	    mem->faults_seen)
		return false;
	look_for_losses(mem);
	return true;
}

unsigned guest_mem_losses(struct guest_mem *mem)
{
	(void)has_faulted(mem);
	return mem->losses;
}

static bool same_range(const struct range *a, const struct range *b)
{
	if (a->iova != b->iova || a->last != b->last || a->prot != b->prot ||
	    a->has_fd != b->has_fd)
		return false;
	return !a->has_fd ||
	       (a->dev == b->dev && a->inode == b->inode && a->fd_offset == b->fd_offset);
}

/*
 * Adds a copy of @range. Return: 0 with the entry in *@ret_range; 1 if the table has that very
 * range already, also in *@ret_range; -EEXIST, -ENOSPC.
 */
static int insert(struct guest_mem *mem, const struct range *range,
		  struct range **ret_range)
{
	unsigned i = find_index(mem, range->iova);
	struct range *at = &mem->ranges[i];

	if (i < mem->count && at->iova <= range->last) {
		*ret_range = at;
		return same_range(at, range) ? 1 : -EEXIST;
	}
	if (mem->count == GUEST_MEM_MAPS_MAX)
		return -ENOSPC;
	memmove(at + 1, at, (mem->count - i) * sizeof(*at));
	*at = *range;
	mem->count++;
	mem->generation++;
	if (mem->last_change_ns != 0)
		mem->last_change_ns = clock_now_ns();
	*ret_range = at;
	return 0;
}

static void remove_at(struct guest_mem *mem, unsigned i)
{
	struct range *range = &mem->ranges[i];

	release(mem, range);
	mem->count--;
	memmove(range, range + 1, (mem->count - i) * sizeof(*range));
}

/* Fills the address part of @range. Return: 0, -EINVAL or -ENOSPC. */
static int range_init(struct range *range, uint64_t iova, uint64_t size, unsigned prot)
{
	*range = (struct range){.iova = iova, .last = iova + size - 1, .prot = prot};
	if (size == 0 || range->last < iova ||
	    (prot & ~(GUEST_MEM_READ | GUEST_MEM_WRITE)))
		return -EINVAL;
	if (size > GUEST_MEM_SIZE_MAX)
		return -ENOSPC;
	return 0;
}

/* ---- mapping ---- */

/* Page size of mappings of @fd: hugetlbfs maps only its own large pages, which its files report as
 * their block size. tmpfs may report large blocks, too, which does no harm. */
static size_t page_bytes_of(int fd)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct stat st;
	size_t block;

	if (fd_kind(fd) != FD_KIND_MEMORY || fstat(fd, &st) < 0)
		return page_bytes;
	block = (size_t)st.st_blksize;
	return block > page_bytes && (block & (block - 1)) == 0 ? block : page_bytes;
}

/* Return: 0; -ENOSPC over a total; -errno of mmap. */
static int map_file(struct guest_mem *mem, struct range *range, int fd)
{
	uint64_t size = range->last - range->iova + 1;
	size_t page_bytes = page_bytes_of(fd);
	uint64_t skip = range->fd_offset % page_bytes;
	int prot = PROT_READ;
	void *mapping;
	size_t bytes;

	if (range->fd_offset > INT64_MAX - size - page_bytes)
		return -EOVERFLOW;
	bytes = (skip + size + page_bytes - 1) / page_bytes * page_bytes;
	if (mem->mapped_bytes + atomic_load(&unmapping_bytes) + bytes >
	    GUEST_MEM_TOTAL_MAX)
		return -ENOSPC;
	if (range->prot & GUEST_MEM_WRITE)
		prot |= PROT_WRITE;
	mapping = mmap(NULL, bytes, prot, MAP_SHARED | MAP_NORESERVE, fd,
		       (off_t)(range->fd_offset - skip));
	if (mapping == MAP_FAILED)
		return -errno;
	range->guard = sigbus_guard_add(mapping, bytes, page_bytes);
	if (range->guard < 0) {
		(void)munmap(mapping, bytes);
		return range->guard;
	}
	range->mapping = mapping;
	range->mapping_bytes = bytes;
	range->page_bytes = page_bytes;
	mem->mapped_bytes += bytes;
	range->base = (uint8_t *)mapping + skip;
	return 0;
}

int guest_mem_map(struct guest_mem *mem, uint64_t iova, uint64_t size, int fd,
		  uint64_t fd_offset, unsigned prot)
{
	struct range wanted, *range;
	struct err err = {0};
	struct stat st;
	int r, is_there, file_error = 0;

	r = range_init(&wanted, iova, size, prot);
	if (r < 0)
		return r;
	if (fd >= 0 && memory_file_check(fd, mem->file_systems, &err) < 0) {
		log_limited(LOG_LEVEL_ERROR,
			    "guest memory 0x%" PRIx64 " + 0x%" PRIx64 " is refused: %s",
			    iova, size, err.text);
		return -err.code;
	}
	if (fd >= 0) {
		wanted.has_fd = true;
		wanted.fd_offset = fd_offset;
		if (fstat(fd, &st) < 0) {
			file_error = -errno;
		} else {
			wanted.dev = st.st_dev;
			wanted.inode = st.st_ino;
		}
	}
	is_there = insert(mem, &wanted, &range);
	if (is_there < 0)
		return is_there;
	if (file_error)
		return file_error;
	/* The same map again: retry only if it failed before or was lost since. */
	if (fd < 0 || range->base)
		return 0;
	if (is_there)
		mem->generation++;
	dma_check_settle(mem->check);
	release(mem, range);
	r = map_file(mem, range, fd);
	if (r == -ENOSPC && !is_there)
		remove_at(mem, (unsigned)(range - mem->ranges));
	if (r == 0)
		dma_check_window(mem->check, range->mapping, range->mapping_bytes,
				 range->page_bytes, false);
	return r;
}

int guest_mem_map_bytes(struct guest_mem *mem, uint64_t iova, void *base, uint64_t size,
			unsigned prot)
{
	struct range wanted, *range;
	int r;

	r = range_init(&wanted, iova, size, prot);
	if (r < 0)
		return r;
	wanted.base = base;
	r = insert(mem, &wanted, &range);
	if (r == 1)
		return range->base == base ? 0 : -EEXIST;
	return r;
}

static bool is_cut(const struct guest_mem *mem, unsigned i, uint64_t iova, uint64_t last)
{
	const struct range *range = &mem->ranges[i];

	return i < mem->count && range->iova <= last &&
	       (range->iova < iova || range->last > last);
}

int guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size,
		    uint64_t *ret_bytes)
{
	uint64_t last = iova + size - 1;
	unsigned first = find_index(mem, iova);
	uint64_t bytes = 0;
	unsigned end;

	if (size == 0 || last < iova || is_cut(mem, first, iova, last))
		return -EINVAL;
	end = find_index(mem, last);
	if (is_cut(mem, end, iova, last))
		return -EINVAL;
	if (end < mem->count && mem->ranges[end].iova <= last)
		end++;
	if (ret_bytes)
		*ret_bytes = 0;
	if (end == first)
		return 0;
	dma_check_settle(mem->check);
	for (unsigned i = first; i < end; i++) {
		bytes += mem->ranges[i].last - mem->ranges[i].iova + 1;
		release(mem, &mem->ranges[i]);
	}
	memmove(&mem->ranges[first], &mem->ranges[end],
		(mem->count - end) * sizeof(mem->ranges[0]));
	mem->count -= end - first;
	if (ret_bytes)
		*ret_bytes = bytes;
	mem->generation++;
	mem->last_change_ns = clock_now_ns();
	return 0;
}

void guest_mem_unmap_all(struct guest_mem *mem)
{
	if (mem->count == 0)
		return;
	dma_check_settle(mem->check);
	for (unsigned i = 0; i < mem->count; i++)
		release(mem, &mem->ranges[i]);
	mem->count = 0;
	mem->generation++;
	mem->last_change_ns = clock_now_ns();
}

/* For the checking build: whether @host is mapped, and where. */
static bool find_host(void *ctx, const void *host, uint64_t *ret_iova)
{
	const struct guest_mem *mem = ctx;

	for (unsigned i = 0; i < mem->count; i++) {
		const struct range *range = &mem->ranges[i];
		uint64_t skip = (uintptr_t)host - (uintptr_t)range->base;

		if (!range->mapping || (uintptr_t)host < (uintptr_t)range->base ||
		    skip > range->last - range->iova)
			continue;
		*ret_iova = range->iova + skip;
		return true;
	}
	return false;
}

struct guest_mem *guest_mem_create(void)
{
	struct guest_mem *mem;

	if (sigbus_guard_install() < 0)
		return NULL;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return NULL;
	mem->file_systems = MEMORY_FILE_SYSTEMS;
	mem->faults_seen = atomic_load(&sigbus_faults);
	mem->check = dma_check_create(find_host, mem);
	(void)aside_start(&unmapper);
	return mem;
}

void guest_mem_set_file_systems(struct guest_mem *mem, const char *file_systems)
{
	mem->file_systems = file_systems;
}

void guest_mem_destroy(struct guest_mem *mem)
{
	if (!mem)
		return;
	guest_mem_unmap_all(mem);
	dma_check_destroy(mem->check);
	free(mem);
}

void guest_mem_bytes(const struct guest_mem *mem, uint64_t *ret_reachable,
		     uint64_t *ret_unreachable)
{
	*ret_reachable = 0;
	*ret_unreachable = 0;
	for (unsigned i = 0; i < mem->count; i++) {
		const struct range *range = &mem->ranges[i];

		if (range->prot & GUEST_MEM_WRITE)
			*(range->base ? ret_reachable : ret_unreachable) +=
				range->last - range->iova + 1;
	}
}

unsigned guest_mem_count(const struct guest_mem *mem)
{
	return mem->count;
}

uint64_t guest_mem_generation(const struct guest_mem *mem)
{
	return mem->generation;
}

uint64_t guest_mem_last_change_ns(const struct guest_mem *mem)
{
	return mem->last_change_ns;
}

struct dma_check *guest_mem_dma_check(const struct guest_mem *mem)
{
	return mem->check;
}

/* ---- access ---- */

/*
 * The host memory at @iova, if @prot allows it: *@ret_bytes (at least 1, at most @len) up to the
 * end of its range. NULL if there is none. Notices faults of accesses by pointers from
 * guest_mem_iov().
 */
static uint8_t *find_piece(struct guest_mem *mem, uint64_t iova, uint64_t len,
			   unsigned prot, uint64_t *ret_bytes)
{
	const struct range *range;

	(void)has_faulted(mem);
	range = find_range(mem, iova);
	if (!range || !range->base || (range->prot & prot) != prot)
		return NULL;
	*ret_bytes = MIN_OF(len - 1, range->last - iova) + 1;
	return range->base + (iova - range->iova);
}

/* True if [@iova, @iova + @len) leaves the 64-bit address space. @len is not 0. */
static bool wraps(uint64_t iova, uint64_t len)
{
	return iova + (len - 1) < iova;
}

/* Page size of the mapping in which find_piece() last found something. */
static size_t found_page_bytes(const struct guest_mem *mem)
{
	return mem->ranges[mem->last_hit].page_bytes;
}

int guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len)
{
	uint8_t *to = buf;

	dma_check_settle(mem->check);
	if (len && wraps(iova, len))
		return -EFAULT;
	while (len) {
		uint64_t bytes;
		const uint8_t *from = find_piece(mem, iova, len, GUEST_MEM_READ, &bytes);

		if (!from)
			return -EFAULT;
		memcpy(to, from, bytes);
		if (has_faulted(mem))
			return -EFAULT;
		to += bytes;
		iova += bytes;
		len -= bytes;
	}
	return 0;
}

int guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	if (len && wraps(iova, len))
		return -EFAULT;
	dma_check_write(mem->check, iova, len, __builtin_return_address(0));
	while (len) {
		uint64_t bytes;
		uint8_t *to = find_piece(mem, iova, len, GUEST_MEM_WRITE, &bytes);
		size_t page_bytes = found_page_bytes(mem);

		if (!to)
			return -EFAULT;
		dma_check_window(mem->check, to, bytes, page_bytes, true);
		memcpy(to, from, bytes);
		dma_check_window(mem->check, to, bytes, page_bytes, false);
		if (has_faulted(mem))
			return -EFAULT;
		from += bytes;
		iova += bytes;
		len -= bytes;
	}
	return 0;
}

/* True if one access can reach the word at @p. A range may begin anywhere, so an aligned IOVA does
 * not mean an aligned host address. */
static bool is_whole_word(const uint8_t *p, uint64_t bytes)
{
	return bytes == sizeof(uint32_t) && (uintptr_t)p % sizeof(uint32_t) == 0;
}

int guest_mem_load_le32(struct guest_mem *mem, uint64_t iova, uint32_t *ret_value)
{
	uint8_t word[sizeof(uint32_t)];
	const uint8_t *p;
	uint64_t bytes;
	int r;

	dma_check_settle(mem->check);
	p = find_piece(mem, iova, sizeof(word), GUEST_MEM_READ, &bytes);
	if (!p)
		return -EFAULT;
	if (is_whole_word(p, bytes)) {
		uint32_t value = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);

		if (has_faulted(mem))
			return -EFAULT;
		*ret_value = le32toh(value);
		return 0;
	}
	r = guest_mem_read(mem, iova, word, sizeof(word));
	if (r < 0)
		return r;
	atomic_thread_fence(memory_order_acquire);
	*ret_value = get_le32(word);
	return 0;
}

int guest_mem_store_le32(struct guest_mem *mem, uint64_t iova, uint32_t value)
{
	uint8_t word[sizeof(uint32_t)];
	uint64_t bytes;
	uint8_t *p;

	p = find_piece(mem, iova, sizeof(word), GUEST_MEM_WRITE, &bytes);
	if (!p)
		return -EFAULT;
	if (is_whole_word(p, bytes)) {
		size_t page_bytes = found_page_bytes(mem);

		dma_check_write(mem->check, iova, sizeof(word),
				__builtin_return_address(0));
		dma_check_window(mem->check, p, sizeof(word), page_bytes, true);
		__atomic_store_n((uint32_t *)p, htole32(value), __ATOMIC_RELEASE);
		dma_check_window(mem->check, p, sizeof(word), page_bytes, false);
		return has_faulted(mem) ? -EFAULT : 0;
	}
	atomic_thread_fence(memory_order_release);
	put_le32(word, value);
	return guest_mem_write(mem, iova, word, sizeof(word));
}

bool guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len, unsigned prot)
{
	if (len && wraps(iova, len))
		return false;
	while (len) {
		uint64_t bytes;

		if (!find_piece(mem, iova, len, prot, &bytes))
			return false;
		iova += bytes;
		len -= bytes;
	}
	return true;
}

int guest_mem_iov(struct guest_mem *mem, uint64_t iova, uint64_t len, unsigned prot,
		  struct iovec *iov, int iov_max)
{
	int count = 0;

	if (len && wraps(iova, len))
		return -EFAULT;
	while (len && count < iov_max) {
		uint64_t bytes;
		uint8_t *piece = find_piece(mem, iova, len, prot, &bytes);

		if (!piece)
			return -EFAULT;
		if (prot & GUEST_MEM_WRITE)
			piece = dma_check_piece(mem->check, iova, piece, &bytes,
						found_page_bytes(mem),
						__builtin_return_address(0));
		iov[count++] = (struct iovec){.iov_base = piece, .iov_len = bytes};
		iova += bytes;
		len -= bytes;
	}
	return count;
}
