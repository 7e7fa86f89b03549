/* SPDX-License-Identifier: MIT
 * fuzz_mem.c - maps of a hostile VMM, which also changes the mapped files
 *
 * Each record maps, unmaps, accesses, or truncates a file. The target checks that bytes written to
 * a file that stays unchanged can be read back, that unmapped memory cannot be reached, that a map
 * keeps no fd and no memory of ours, and that our own memory grows by at most ANONYMOUS_MAX,
 * whatever happens to the files.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem/guest_mem.h"
#include "records.h"
#include "util/compiler.h"

#define OPS_MAX       200u
#define ACCESS_MAX    (1u << 20)
#define ANONYMOUS_MAX (8u << 20)
#define STABLE_BYTES  0x40000u

enum file {
	FILE_STABLE, /* never truncated */
	FILE_SPARSE,
	FILE_SMALL,
	FILE_SEALED,
	FILE_HUGE_PAGES,
	FILE_READ_ONLY,
	FILE_EVENTFD,
	FILE_PIPE,
	FILE_NULL,
	FILE_ZERO,
	FILE_FOLDER,
	FILE_PATH,
	FILE_SOCKET,
	FILE_EMPTY,
	FILE_NONE,
	FILES,
};

static const uint64_t sizes[FILES] = {
	[FILE_STABLE] = STABLE_BYTES, [FILE_SPARSE] = UINT64_C(1) << 30,
	[FILE_SMALL] = 0x8000,        [FILE_SEALED] = 0x10000,
	[FILE_HUGE_PAGES] = 4u << 20,
};

static int files[FILES];
static int zero_fd;
static uint8_t buffer[ACCESS_MAX], again[ACCESS_MAX];

/* The last map of FILE_STABLE, while it surely exists. */
static struct {
	uint64_t iova, size, offset;
	unsigned prot;
} stable;

static int make_file(const char *name, unsigned flags, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | flags);

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

void fuzz_set_up(void)
{
	int pipe_fds[2], sockets[2];

	fuzz_counts_fds = true;
	files[FILE_STABLE] = make_file("stable", 0, STABLE_BYTES);
	files[FILE_SPARSE] = make_file("sparse", 0, sizes[FILE_SPARSE]);
	files[FILE_SMALL] = make_file("small", 0, sizes[FILE_SMALL]);
	files[FILE_SEALED] = make_file("sealed", MFD_ALLOW_SEALING, sizes[FILE_SEALED]);
	CHECK(fcntl(files[FILE_SEALED], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	/* -1 if this machine has no huge pages, like FILE_NONE */
	files[FILE_HUGE_PAGES] = make_file("huge", MFD_HUGETLB, sizes[FILE_HUGE_PAGES]);
	files[FILE_READ_ONLY] = reopen(files[FILE_STABLE], O_RDONLY);
	files[FILE_EVENTFD] = eventfd(0, EFD_CLOEXEC);
	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	files[FILE_PIPE] = pipe_fds[1];
	files[FILE_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	files[FILE_ZERO] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	files[FILE_FOLDER] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	files[FILE_PATH] = reopen(files[FILE_STABLE], O_PATH);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	files[FILE_SOCKET] = sockets[0];
	files[FILE_EMPTY] = make_file("empty", 0, 0);
	files[FILE_NONE] = -1;
	zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	CHECK(files[FILE_STABLE] >= 0 && files[FILE_READ_ONLY] >= 0 && zero_fd >= 0);
}

/* Our memory that is not mapped from a file. */
static uint64_t anonymous_bytes(void)
{
	unsigned long all, resident, shared;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file && fscanf(file, "%lu %lu %lu", &all, &resident, &shared) == 3);
	fclose(file);
	return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- arguments of records ---- */

/* Addresses are few, so that ranges overlap. */
static uint64_t iova_of(const struct record *r)
{
	static const uint64_t bases[] = {0, 0x100000, UINT64_C(0x100000000),
					 UINT64_MAX - 0xffff};

	return bases[r->b % ARRAY_SIZE(bases)] + ((uint64_t)(r->arg >> 26) << 22) +
	       (r->b >> 2) * UINT64_C(0x1000) + (r->arg >> 24 & 3 ? 0 : r->arg & 0xfff);
}

static uint64_t size_of(const struct record *r)
{
	static const uint64_t all[] = {0x1000, 0x10000,    0x40000,           0x400000,
				       0,      0x40000000, UINT64_C(1) << 43, 0x1234};

	return all[r->c % ARRAY_SIZE(all)];
}

static uint64_t offset_of(const struct record *r)
{
	static const uint64_t all[] = {0, 0, 0x1000, 0x200, 0x40000, UINT64_MAX - 0xfff};

	return all[r->c / 8 % ARRAY_SIZE(all)];
}

static size_t len_of(const struct record *r)
{
	return r->c & 1 ? r->arg % 4096 : r->arg % (ACCESS_MAX + 1);
}

/* ---- operations ---- */

static void forget_stable(uint64_t iova, uint64_t size)
{
	if (size != 0 && stable.size != 0 && iova <= stable.iova + (stable.size - 1) &&
	    stable.iova <= iova + (size - 1))
		stable.size = 0;
}

static void map(struct guest_mem *mem, const struct record *r)
{
	enum file file = (enum file)(r->a % FILES);
	unsigned prot = r->arg >> 16 & 3;
	unsigned before = guest_mem_count(mem);
	int ret = guest_mem_map(mem, iova_of(r), size_of(r), files[file], offset_of(r),
				prot);
	unsigned after = guest_mem_count(mem);

	CHECK(after == before || after == before + 1);
	CHECK(ret != 0 || after > 0);
	if (ret == 0 && file == FILE_STABLE && after > before) {
		stable.iova = iova_of(r);
		stable.size = size_of(r);
		stable.offset = offset_of(r);
		stable.prot = prot;
	}
}

static void unmap(struct guest_mem *mem, const struct record *r)
{
	uint64_t generation = guest_mem_generation(mem);
	uint64_t bytes;

	if (guest_mem_unmap(mem, iova_of(r), size_of(r), &bytes) < 0 || bytes == 0)
		return;
	forget_stable(iova_of(r), size_of(r));
	CHECK(!guest_mem_check(mem, iova_of(r), 1, GUEST_MEM_READ));
	CHECK(guest_mem_generation(mem) != generation);
}

/* Whether bytes written at @iova must arrive in the file. */
static bool is_stable(uint64_t iova, size_t len, unsigned prot)
{
	uint64_t at = iova - stable.iova;

	return stable.size != 0 && (stable.prot & prot) == prot && iova >= stable.iova &&
	       at < stable.size && len <= stable.size - at &&
	       stable.offset <= STABLE_BYTES && at <= STABLE_BYTES - stable.offset &&
	       len <= STABLE_BYTES - stable.offset - at;
}

static void write_bytes(struct guest_mem *mem, const struct record *r)
{
	uint64_t iova = iova_of(r);
	size_t len = len_of(r);

	memset(buffer, (int)(r->arg >> 8), len);
	if (guest_mem_write(mem, iova, buffer, len) < 0 ||
	    !is_stable(iova, len, GUEST_MEM_WRITE))
		return;
	CHECK(pread(files[FILE_STABLE], again, len,
		    (off_t)(stable.offset + (iova - stable.iova))) == (ssize_t)len);
	CHECK(memcmp(buffer, again, len) == 0);
}

/* A long transfer into memory. */
static void write_much(struct guest_mem *mem, const struct record *r)
{
	for (unsigned i = 0; i <= r->a % 16u; i++)
		(void)!guest_mem_write(mem, iova_of(r) + (uint64_t)i * ACCESS_MAX, buffer,
				       ACCESS_MAX);
}

static void read_bytes(struct guest_mem *mem, const struct record *r)
{
	uint64_t iova = iova_of(r);
	size_t len = len_of(r);

	if (guest_mem_read(mem, iova, buffer, len) < 0 ||
	    !is_stable(iova, len, GUEST_MEM_READ))
		return;
	CHECK(pread(files[FILE_STABLE], again, len,
		    (off_t)(stable.offset + (iova - stable.iova))) == (ssize_t)len);
	CHECK(memcmp(buffer, again, len) == 0);
}

static void access_word(struct guest_mem *mem, const struct record *r)
{
	uint64_t iova = (iova_of(r) + r->a) & ~UINT64_C(3);
	uint32_t value;

	if (guest_mem_store_le32(mem, iova, r->arg) < 0)
		return;
	if (guest_mem_load_le32(mem, iova, &value) == 0 && is_stable(iova, 4, 3))
		CHECK(value == r->arg);
}

/* Reads a file into guest memory, as a back end does. */
static void use_iov(struct guest_mem *mem, const struct record *r)
{
	struct iovec iov[8];
	uint64_t len = size_of(r);
	size_t sum = 0;
	int n = guest_mem_iov(mem, iova_of(r), len, 1 + r->arg % 3, iov, 1 + r->a % 8);

	CHECK(n <= (int)(1 + r->a % 8));
	for (int i = 0; i < n; i++) {
		sum += iov[i].iov_len;
		iov[i].iov_len = MIN_OF(iov[i].iov_len, 0x10000u);
	}
	CHECK(sum <= len);
	if (n > 0 && (1 + r->arg % 3) & GUEST_MEM_WRITE)
		(void)!readv(zero_fd, iov, n);
}

static void truncate_file(const struct record *r)
{
	enum file file = r->a & 1 ? FILE_SPARSE : r->a & 2 ? FILE_SMALL : FILE_HUGE_PAGES;
	uint64_t size = r->c & 1 ? 0 : r->c & 2 ? sizes[file] : r->arg % 0x10000;

	if (files[file] >= 0)
		(void)!ftruncate(files[file], (off_t)size);
}

static void operate(struct guest_mem *mem, const struct record *r)
{
	switch (r->op % 13) {
	case 0:
	case 1:
	case 2:
		map(mem, r);
		break;
	case 3:
		unmap(mem, r);
		break;
	case 4:
	case 5:
		write_bytes(mem, r);
		break;
	case 12:
		write_much(mem, r);
		break;
	case 6:
		read_bytes(mem, r);
		break;
	case 7:
		access_word(mem, r);
		break;
	case 8:
		use_iov(mem, r);
		break;
	case 9:
	case 10:
		truncate_file(r);
		break;
	default:
		if (r->arg % 16 == 0) {
			guest_mem_unmap_all(mem);
			stable.size = 0;
			CHECK(guest_mem_count(mem) == 0);
		}
		(void)guest_mem_check(mem, iova_of(r), size_of(r), r->a & 3);
		break;
	}
}

void fuzz_one(struct input *in)
{
	struct guest_mem *mem;
	struct record r;
	uint64_t before, after, reachable, unreachable;

	for (unsigned i = 0; i < FILES; i++)
		if (sizes[i] != 0 && files[i] >= 0 && i != FILE_SEALED) {
			CHECK(ftruncate(files[i], 0) == 0);
			CHECK(ftruncate(files[i], (off_t)sizes[i]) == 0);
		}
	stable.size = 0;
	mem = guest_mem_create();
	CHECK(mem);
	memset(buffer, 0, sizeof(buffer));
	memset(again, 0, sizeof(again));
	before = anonymous_bytes();
	for (unsigned n = 0; n < OPS_MAX && take_record(in, &r); n++)
		operate(mem, &r);
	after = anonymous_bytes();
	CHECK(after <= before + ANONYMOUS_MAX);
	guest_mem_bytes(mem, &reachable, &unreachable);
	guest_mem_destroy(mem);
}
