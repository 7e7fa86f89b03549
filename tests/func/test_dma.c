/* SPDX-License-Identifier: MIT
 * test_dma.c - DMA_MAP and DMA_UNMAP
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void start(struct func *f)
{
	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
}

static int map(struct func *f, uint64_t iova, uint64_t size)
{
	return vfu_dma_map(&f->vmm.client, iova, size, f->ram.fd, 0, 3);
}

static void test_map_and_exact_unmap(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(map(f, 0x10000, 0x10000));
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0x10000, 0x8000), -EINVAL);
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0x18000, 0x8000), -EINVAL);
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0, 0x18000), -EINVAL);
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0x10000, 0x10000));
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0x10000, 0x10000), -ENOENT);
	assert_ok(map(f, 0x10000, 0x10000));
}

/* A VMM sends that when its guest disables the IOMMU. */
static void test_unmap_of_a_range_of_many(void **state)
{
	struct func *f = *state;

	start(f);
	for (unsigned i = 0; i < 3; i++)
		assert_ok(map(f, 0xfffff000 - 0x1000 * i, 0x1000));
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0xfef00000, 0x1100000));
	assert_ok(map(f, 0xfffff000, 0x800));
	assert_ok(map(f, 0, 0x100000));
}

static void test_overlaps_are_refused(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(map(f, 0x100000, 0x100000));
	assert_int_equal(map(f, 0x180000, 0x100000), -EEXIST);
	assert_int_equal(map(f, 0x80000, 0x100000), -EEXIST);
	assert_int_equal(map(f, 0x120000, 0x1000), -EEXIST);
	assert_int_equal(map(f, 0, 0x400000), -EEXIST);
	/* adjacent ranges are fine */
	assert_ok(map(f, 0x200000, 0x1000));
	assert_ok(map(f, 0xff000, 0x1000));
}

static void test_identical_map_again(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(map(f, 0x100000, 0x100000));
	assert_ok(map(f, 0x100000, 0x100000));
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0x100000, 0x100000));
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0x100000, 0x100000), -ENOENT);
}

static void test_malformed_maps(void **state)
{
	struct func *f = *state;
	struct vfu_client *c = &f->vmm.client;
	uint8_t request[32] = {0};
	int two[2];

	start(f);
	assert_int_equal(map(f, 0x1000, 0), -EINVAL);
	assert_int_equal(map(f, UINT64_MAX - 0xfff, 0x2000), -EINVAL);
	assert_int_equal(vfu_dma_map(c, 0, 0x1000, f->ram.fd, 0, 4), -EINVAL);
	assert_int_equal(vfu_dma_map(c, 0, 0x1000, f->ram.fd, 0, 0xffff0003), -EINVAL);
	assert_int_equal(vfu_dma_map(c, 0, (UINT64_C(8) << 40) + 4096, f->ram.fd, 0, 3),
			 -ENOSPC);
	put_le32(request, 31); /* argsz */
	put_le32(request + 4, 3);
	put_le64(request + 24, 4096);
	assert_int_equal(vfu_call(c, VFU_DMA_MAP, request, 32, NULL, 0, NULL), -EINVAL);
	put_le32(request, 32);
	assert_int_equal(vfu_call(c, VFU_DMA_MAP, request, 31, NULL, 0, NULL), -EINVAL);
	two[0] = two[1] = f->ram.fd;
	assert_int_equal(vfu_call(c, VFU_DMA_MAP, request, 32, two, 2, NULL), -EINVAL);
	assert_alive(f);
}

static void test_malformed_unmaps(void **state)
{
	struct func *f = *state;
	struct vfu_client *c = &f->vmm.client;
	uint8_t request[24] = {0};

	start(f);
	assert_ok(map(f, 0x1000, 0x1000));
	put_le32(request, 8);
	assert_int_equal(vfu_call(c, VFU_DMA_UNMAP, request, 24, NULL, 0, NULL), -EINVAL);
	put_le32(request, 0x200000);
	assert_int_equal(vfu_call(c, VFU_DMA_UNMAP, request, 24, NULL, 0, NULL), -EINVAL);
	put_le32(request, 24);
	assert_int_equal(vfu_call(c, VFU_DMA_UNMAP, request, 23, NULL, 0, NULL), -EINVAL);
	put_le32(request + 4,
		 1); /* dirty bitmap: needs migration, which we do not support */
	assert_int_equal(vfu_call(c, VFU_DMA_UNMAP, request, 24, NULL, 0, NULL), -EINVAL);
	put_le32(request + 4, 2); /* all, but with a size */
	put_le64(request + 16, 0x1000);
	assert_int_equal(vfu_call(c, VFU_DMA_UNMAP, request, 24, NULL, 0, NULL), -EINVAL);
	assert_ok(vfu_dma_unmap(c, 0x1000, 0x1000));
}

/* SPDK sends an fd with DMA_UNMAP. */
static void test_unmap_with_fd(void **state)
{
	struct func *f = *state;
	uint8_t request[24] = {24};
	int before;

	start(f);
	assert_ok(map(f, 0x1000, 0x1000));
	before = daemon_fd_count(&f->daemon);
	put_le64(request + 8, 0x1000);
	put_le64(request + 16, 0x1000);
	assert_ok(vfu_call(&f->vmm.client, VFU_DMA_UNMAP, request, 24, &f->ram.fd, 1,
			   NULL));
	/* the daemon closes the fd after its answer */
	assert_alive(f);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before), before);
}

static void test_unmap_all(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(vfu_dma_unmap_all(&f->vmm.client));
	for (unsigned i = 0; i < 10; i++)
		assert_ok(map(f, 0x100000 * (uint64_t)(i + 1), 0x1000));
	assert_ok(vfu_dma_unmap_all(&f->vmm.client));
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(vfu_dma_unmap(&f->vmm.client,
					       0x100000 * (uint64_t)(i + 1), 0x1000),
				 -ENOENT);
}

/* QEMU's firmware phase, and virtio-mem: hundreds of ranges, many times. */
static void test_hundreds_of_maps(void **state)
{
	struct func *f = *state;
	int before;

	start(f);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 600; i++)
			assert_ok(vfu_dma_map(&f->vmm.client,
					      0x100000 + 0x2000 * (uint64_t)i, 0x1000,
					      f->ram.fd, 0x1000 * (uint64_t)i, 3));
		for (unsigned i = 0; i < 600; i++)
			assert_ok(vfu_dma_unmap(&f->vmm.client,
						0x100000 + 0x2000 * (uint64_t)i, 0x1000));
	}
	assert_alive(f);
	assert_int_equal(daemon_fd_count(&f->daemon), before);
}

static void test_maps_without_fd_and_read_only(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(vfu_dma_map(&f->vmm.client, 0xfffc0000, 0x40000, -1, 0, 1));
	assert_ok(vfu_dma_map(&f->vmm.client, 0xc0000, 0x8000, f->ram.fd, 0xc0000, 1));
	assert_ok(vfu_dma_map(&f->vmm.client, 0x200000, 0x1000, -1, 0, 3));
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0xfffc0000, 0x40000));
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0xc0000, 0x8000));
}

static void test_offset_within_a_page(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(vfu_dma_map(&f->vmm.client, 0x1200, 0x400, f->ram.fd, 0x7200, 3));
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0x1200, 0x400));
}

/* A file that refuses mmap() gives a range that we cannot access, not an error. A
 * descriptor that is no file is an error. */
static void test_fd_that_cannot_be_mapped(void **state)
{
	struct func *f = *state;
	int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int pipes[2];

	start(f);
	assert_ok(pipe(pipes));
	assert_int_equal(vfu_dma_map(&f->vmm.client, 0x100000, 0x1000, pipes[0], 0, 3),
			 -EPERM);
	assert_ok(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE));
	assert_ok(vfu_dma_map(&f->vmm.client, 0x100000, 0x1000, sealed, 0, 3));
	(void)close(sealed);
	assert_ok(vfu_dma_unmap(&f->vmm.client, 0x100000, 0x1000));
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	assert_alive(f);
}

static void test_disconnect_gives_everything_back(void **state)
{
	struct func *f = *state;
	int before;

	start(f);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	for (unsigned i = 0; i < 100; i++)
		assert_ok(map(f, 0x100000 + 0x2000 * (uint64_t)i, 0x1000));
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	assert_int_equal(daemon_fd_count(&f->daemon), before);
	/* no range of the old client overlaps */
	assert_ok(map(f, 0x100000, 0x1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_map_and_exact_unmap),
		FUNC_TEST(test_unmap_of_a_range_of_many),
		FUNC_TEST(test_overlaps_are_refused),
		FUNC_TEST(test_identical_map_again),
		FUNC_TEST(test_malformed_maps),
		FUNC_TEST(test_malformed_unmaps),
		FUNC_TEST(test_unmap_with_fd),
		FUNC_TEST(test_unmap_all),
		FUNC_TEST(test_hundreds_of_maps),
		FUNC_TEST(test_maps_without_fd_and_read_only),
		FUNC_TEST(test_offset_within_a_page),
		FUNC_TEST(test_fd_that_cannot_be_mapped),
		FUNC_TEST(test_disconnect_gives_everything_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
