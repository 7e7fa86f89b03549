/* SPDX-License-Identifier: MIT
 * test_dma.c - DMA_MAP, DMA_UNMAP
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/lingering.h"
#include "util/fds.h"

#define PAGE 4096u

static struct reply reply;

static int make_memory(size_t bytes)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static struct vuser_dma_map map_request(uint64_t iova, uint64_t size)
{
	return (struct vuser_dma_map){
		.argsz = 32, .flags = 3, .iova = iova, .size = size};
}

/* @fd -1: none is sent */
static void map_ok(struct served *s, const struct vuser_dma_map *map, int fd)
{
	send_msg_fds(s->client, VUSER_CMD_DMA_MAP, 0, map, sizeof(*map), &fd, fd >= 0);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	expect_silence(s->client);
}

static void map_error(struct served *s, const struct vuser_dma_map *map, int fd,
		      int error)
{
	unsigned count = guest_mem_count(s->mem);

	send_msg_fds(s->client, VUSER_CMD_DMA_MAP, 0, map, sizeof(*map), &fd, fd >= 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_DMA_MAP, error);
	assert_int_equal(guest_mem_count(s->mem), count);
}

static void unmap_ok(struct served *s, uint32_t flags, uint64_t iova, uint64_t size)
{
	struct vuser_dma_unmap unmap = {24, flags, iova, size};

	ask(s, VUSER_CMD_DMA_UNMAP, &unmap, sizeof(unmap), 24, &reply);
	assert_memory_equal(reply.payload, &unmap, 24);
}

/* Of which @bytes were mapped. */
static void unmap_bytes(struct served *s, uint64_t iova, uint64_t size, uint64_t bytes)
{
	struct vuser_dma_unmap unmap = {24, 0, iova, size};

	ask(s, VUSER_CMD_DMA_UNMAP, &unmap, sizeof(unmap), 24, &reply);
	unmap.size = bytes;
	assert_memory_equal(reply.payload, &unmap, 24);
}

static void unmap_error(struct served *s, uint32_t argsz, uint32_t flags, uint64_t iova,
			uint64_t size, int error)
{
	struct vuser_dma_unmap unmap = {argsz, flags, iova, size};

	ask_error(s, VUSER_CMD_DMA_UNMAP, &unmap, sizeof(unmap), error);
}

static void with_fd(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0x100000, 4 * PAGE);
	int fd = make_memory(8 * PAGE);
	uint32_t value = 0;

	map.offset = 2 * PAGE;
	assert_int_equal(pwrite(fd, "abcd", 4, 2 * PAGE + 8), 4);
	map_ok(s, &map, fd);
	assert_int_equal(s->ndma, 1);
	assert_int_equal(guest_mem_read(s->mem, 0x100008, &value, 4), 0);
	assert_memory_equal(&value, "abcd", 4);
	assert_int_equal(guest_mem_write(s->mem, 0x100000, "wxyz", 4), 0);
	assert_int_equal(pread(fd, &value, 4, 2 * PAGE), 4);
	assert_memory_equal(&value, "wxyz", 4);
	/* the same once more is no overlap */
	map_ok(s, &map, fd);
	assert_int_equal(guest_mem_count(s->mem), 1);
	close(fd);
}

static void without_fd(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0xfffc0000, 64 * PAGE);
	uint32_t value;

	map.flags = VUSER_DMA_FLAG_READ;
	map_ok(s, &map, -1);
	assert_int_equal(guest_mem_count(s->mem), 1);
	assert_int_equal(guest_mem_read(s->mem, 0xfffc0000, &value, 4), -EFAULT);
	unmap_ok(s, 0, 0xfffc0000, 64 * PAGE);
	assert_int_equal(guest_mem_count(s->mem), 0);
}

static void read_only(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0, PAGE);
	int fd = make_memory(PAGE);
	uint32_t value;

	map.flags = VUSER_DMA_FLAG_READ;
	map_ok(s, &map, fd);
	assert_int_equal(guest_mem_read(s->mem, 0, &value, 4), 0);
	assert_int_equal(guest_mem_write(s->mem, 0, &value, 4), -EFAULT);
	close(fd);
}

static void posted_map(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0, PAGE);

	send_msg(s->client, VUSER_CMD_DMA_MAP, VUSER_FLAG_NO_REPLY, &map, sizeof(map));
	send_msg(s->client, VUSER_CMD_DMA_MAP, VUSER_FLAG_NO_REPLY, &map, 8);
	served_run(s);
	expect_alive(s, s->client);
	assert_int_equal(guest_mem_count(s->mem), 1);
}

/* The client gets a success reply: Cloud Hypervisor ignores errors, QEMU could abort. */
static void mmap_failure_is_no_error(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0x1000, PAGE);
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t value;

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	map_ok(s, &map, fd);
	assert_int_equal(guest_mem_count(s->mem), 1);
	assert_int_equal(guest_mem_read(s->mem, 0x1000, &value, 4), -EFAULT);
	unmap_ok(s, 0, 0x1000, PAGE);
	close(fd);
}

/* What might keep us waiting is refused before it is touched. */
static void strange_files(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0x1000, PAGE);
	int fds[3], peer = -1, before = served_count_fds();

	fds[0] = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
	fds[1] = eventfd(0, EFD_CLOEXEC);
	fds[2] = lingering_open(60, &peer);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		send_msg_fds(s->client, VUSER_CMD_DMA_MAP, 0, &map, sizeof(map), &fds[i],
			     1);
		close_fd(&fds[i]); /* the server's is the last one */
		served_run(s);
		expect_error(s->client, VUSER_CMD_DMA_MAP, EPERM);
		assert_int_equal(guest_mem_count(s->mem), 0);
		expect_alive(s, s->client);
	}
	close_fd(&peer);
	assert_int_equal(served_count_fds(), before);
}

static void map_errors(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0, PAGE);
	int fd = make_memory(PAGE);
	int two[2] = {fd, fd};

	ask_error(s, VUSER_CMD_DMA_MAP, &map, 31, EINVAL);
	ask_error(s, VUSER_CMD_DMA_MAP, NULL, 0, EINVAL);
	map.argsz = 31;
	map_error(s, &map, fd, EINVAL);
	map = map_request(0, PAGE);
	map.flags = 4;
	map_error(s, &map, fd, EINVAL);
	map.flags = 0x80000003;
	map_error(s, &map, fd, EINVAL);
	map = map_request(0, 0);
	map_error(s, &map, fd, EINVAL);
	map = map_request(UINT64_MAX - PAGE + 2, PAGE);
	map_error(s, &map, fd, EINVAL);
	map = map_request(0, (UINT64_C(8) << 40) + 1);
	map_error(s, &map, fd, ENOSPC);
	map = map_request(0, UINT64_MAX);
	map_error(s, &map, -1, ENOSPC);
	map = map_request(0, PAGE);
	send_msg_fds(s->client, VUSER_CMD_DMA_MAP, 0, &map, sizeof(map), two, 2);
	served_run(s);
	expect_error(s->client, VUSER_CMD_DMA_MAP, EINVAL);
	assert_int_equal(s->ndma, 0);
	close(fd);
}

static void overlap(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0x10000, 4 * PAGE);

	map_ok(s, &map, -1);
	map = map_request(0x10000 + 3 * PAGE, 2 * PAGE);
	map_error(s, &map, -1, EEXIST);
	map = map_request(0x10000 - PAGE, 2 * PAGE);
	map_error(s, &map, -1, EEXIST);
	map = map_request(0x10000, 2 * PAGE);
	map_error(s, &map, -1, EEXIST);
	map = map_request(0x10000 + 4 * PAGE, PAGE);
	map_ok(s, &map, -1);
}

static void unmap_exactly(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0x10000, 4 * PAGE);

	map_ok(s, &map, -1);
	unmap_error(s, 24, 0, 0x10000, 2 * PAGE, EINVAL);
	unmap_error(s, 24, 0, 0x10000 + PAGE, 3 * PAGE, EINVAL);
	unmap_bytes(s, 0x90000, 4 * PAGE, 0);
	assert_int_equal(guest_mem_count(s->mem), 1);
	unmap_ok(s, 0, 0x10000, 4 * PAGE);
	assert_int_equal(guest_mem_count(s->mem), 0);
	unmap_bytes(s, 0x10000, 4 * PAGE, 0);
}

/* A VMM whose guest switches its IOMMU off: all of them at once, and what is mapped there
 * then is another memory. */
static void unmap_a_range_of_many(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map;
	int fds[2] = {make_memory(PAGE), make_memory(PAGE)};
	uint32_t value = 0;

	assert_int_equal(pwrite(fds[0], "old ", 4, 0), 4);
	assert_int_equal(pwrite(fds[1], "new ", 4, 0), 4);
	for (unsigned i = 0; i < 3; i++) {
		map = map_request(0xfffff000 - i * PAGE, PAGE);
		map_ok(s, &map, fds[0]);
	}
	unmap_bytes(s, 0xfef00000, 0x1100000, 3 * PAGE);
	assert_int_equal(guest_mem_count(s->mem), 0);
	assert_int_equal(guest_mem_read(s->mem, 0xfffff000, &value, 4), -EFAULT);
	map = map_request(0xfffff000, PAGE);
	map_ok(s, &map, fds[1]);
	assert_int_equal(guest_mem_read(s->mem, 0xfffff000, &value, 4), 0);
	assert_memory_equal(&value, "new ", 4);
	close(fds[0]);
	close(fds[1]);
}

static void unmap_all(void **state)
{
	struct served *s = *state;

	unmap_ok(s, VUSER_UNMAP_FLAG_ALL, 0, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct vuser_dma_map map = map_request(i * 0x10000ull, PAGE);

		map_ok(s, &map, -1);
	}
	unmap_ok(s, VUSER_UNMAP_FLAG_ALL, 0, 0);
	assert_int_equal(guest_mem_count(s->mem), 0);
}

static void unmap_errors(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0, PAGE);
	struct vuser_dma_unmap unmap = {24, 0, 0, PAGE};

	map_ok(s, &map, -1);
	ask_error(s, VUSER_CMD_DMA_UNMAP, &unmap, 23, EINVAL);
	unmap_error(s, 8, 0, 0, PAGE, EINVAL);
	unmap_error(s, (1 << 20) + 1, 0, 0, PAGE, EINVAL);
	unmap_error(s, 24, 1, 0, PAGE, EINVAL); /* dirty bitmap */
	unmap_error(s, 24, 3, 0, PAGE, EINVAL);
	unmap_error(s, 24, 4, 0, PAGE, EINVAL);
	unmap_error(s, 24, VUSER_UNMAP_FLAG_ALL, 0, PAGE, EINVAL);
	unmap_error(s, 24, VUSER_UNMAP_FLAG_ALL, PAGE, 0, EINVAL);
	assert_int_equal(guest_mem_count(s->mem), 1);
}

/* SPDK's client sends one along. */
static void unmap_with_fd(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map = map_request(0, PAGE);
	struct vuser_dma_unmap unmap = {24, 0, 0, PAGE};
	int fd = make_memory(PAGE);

	map_ok(s, &map, fd);
	send_msg_fds(s->client, VUSER_CMD_DMA_UNMAP, 0, &unmap, sizeof(unmap), &fd, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DMA_UNMAP, 24, NULL);
	close(fd);
}

static void ch_unknown_unmap(void **state)
{
	struct served *s = *state;

	unmap_bytes(s, 0x1000, PAGE, 0);
}

static void ch_errors(void **state)
{
	struct served *s = *state;
	struct vuser_dma_unmap unmap = {8, 0, 0, PAGE};

	send_msg(s->client, VUSER_CMD_DMA_UNMAP, 0, &unmap, sizeof(unmap));
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY | VUSER_FLAG_ERROR);
	assert_int_equal(reply.len, 24);
	send_msg(s->client, VUSER_CMD_DMA_MAP, 0, &unmap, sizeof(unmap));
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.len, 0);
	expect_alive(s, s->client);
}

/* What QEMU does while firmware runs: all of it sent before any answer is read. */
static void pipelined_burst(void **state)
{
	enum { RANGES = 8 };
	struct served *s = *state;
	int fd = make_memory(RANGES * PAGE);
	int before = served_count_fds();

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < RANGES; i++) {
			struct vuser_dma_map map = map_request(i * PAGE, PAGE);

			map.offset = i * PAGE;
			send_msg_fds(s->client, VUSER_CMD_DMA_MAP, 0, &map, sizeof(map),
				     &fd, i != 3);
		}
		/* one turn of the loop is enough for the whole burst */
		assert_int_equal(loop_turn(s->loop, false), 0);
		assert_int_equal(guest_mem_count(s->mem), RANGES);
		for (unsigned i = 0; i < RANGES; i++) {
			struct vuser_dma_unmap unmap = {24, 0, i * PAGE, PAGE};

			send_msg(s->client, VUSER_CMD_DMA_UNMAP, 0, &unmap,
				 sizeof(unmap));
		}
		assert_int_equal(loop_turn(s->loop, false), 0);
		assert_int_equal(guest_mem_count(s->mem), 0);
		for (unsigned i = 0; i < RANGES; i++)
			expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
		for (unsigned i = 0; i < RANGES; i++)
			expect_reply(s->client, VUSER_CMD_DMA_UNMAP, 24, NULL);
	}
	assert_int_equal(served_count_fds(), before);
	close(fd);
}

/* As a vIOMMU does it, page by page, each page another part of the file. */
static void many_maps(void **state)
{
	enum { MAPS = 1000 };
	struct served *s = *state;
	int fd = make_memory(MAPS * PAGE);
	int before = served_count_fds();

	for (unsigned i = 0; i < MAPS; i++) {
		struct vuser_dma_map map = map_request(i * 2ull * PAGE, PAGE);

		map.offset = i * PAGE;
		assert_int_equal(pwrite(fd, &i, sizeof(i), i * PAGE), sizeof(i));
		map_ok(s, &map, fd);
	}
	assert_int_equal(guest_mem_count(s->mem), MAPS);
	assert_int_equal(served_count_fds(), before);
	for (unsigned i = 0; i < MAPS; i++) {
		unsigned value;

		assert_int_equal(
			guest_mem_read(s->mem, i * 2ull * PAGE, &value, sizeof(value)),
			0);
		assert_int_equal(value, i);
	}
	served_hang_up(s);
	assert_int_equal(guest_mem_count(s->mem), 0);
	assert_int_equal(s->nclient_down, 1);
	close(fd);
}

static void too_many_maps(void **state)
{
	struct served *s = *state;
	struct vuser_dma_map map;

	for (unsigned i = 0; i < GUEST_MEM_MAPS_MAX; i++) {
		map = map_request(i * 2ull * PAGE, PAGE);
		map_ok(s, &map, -1);
	}
	map = map_request(UINT64_C(1) << 40, PAGE);
	map_error(s, &map, -1, ENOSPC);
	unmap_ok(s, 0, 0, PAGE);
	map_ok(s, &map, -1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)
#define CH_TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_ch, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(with_fd),
		TEST(without_fd),
		TEST(read_only),
		TEST(posted_map),
		TEST(mmap_failure_is_no_error),
		TEST(map_errors),
		TEST(overlap),
		TEST(strange_files),
		TEST(unmap_exactly),
		TEST(unmap_a_range_of_many),
		TEST(unmap_all),
		TEST(unmap_errors),
		TEST(unmap_with_fd),
		CH_TEST(ch_unknown_unmap),
		CH_TEST(ch_errors),
		TEST(pipelined_burst),
		TEST(many_maps),
		TEST(too_many_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
