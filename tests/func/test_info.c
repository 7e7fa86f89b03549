/* SPDX-License-Identifier: MIT
 * test_info.c - device, region and interrupt information; region accesses
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static int call32(struct func *f, uint16_t command, const uint32_t *words, unsigned count,
		  struct vfu_reply *ret_reply)
{
	return vfu_call(&f->vmm.client, command, words, (size_t)count * 4, NULL, 0,
			ret_reply);
}

static void start(struct func *f)
{
	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
}

static void test_device_info(void **state)
{
	struct func *f = *state;
	const uint32_t small[4] = {8};
	const uint32_t large[4] = {32};
	struct vfu_reply reply;

	start(f);
	assert_int_equal(call32(f, VFU_DEVICE_GET_INFO, large, 3, NULL), -EINVAL);
	assert_int_equal(call32(f, VFU_DEVICE_GET_INFO, small, 4, NULL), -EINVAL);
	assert_ok(call32(f, VFU_DEVICE_GET_INFO, large, 4, &reply));
	assert_int_equal(reply.payload_bytes, 16);
	assert_int_equal(get_le32(reply.payload), 16);
	assert_int_equal(get_le32(reply.payload + 4), 3); /* RESET, PCI */
	assert_int_equal(get_le32(reply.payload + 8), 9);
	assert_in_range(get_le32(reply.payload + 12), 3, 5);
	vfu_reply_finish(&reply);
}

static void test_region_info(void **state)
{
	struct func *f = *state;
	uint32_t request[8] = {32};
	struct vfu_region_info info;

	start(f);
	for (uint32_t i = 0; i < 9; i++) {
		assert_ok(vfu_region_info(&f->vmm.client, i, &info));
		assert_int_equal(info.argsz, 32);
		assert_int_equal(info.index, i);
		assert_int_equal(info.cap_offset, 0);
		if (i == VFU_REGION_BAR0) {
			assert_int_equal(info.size, 0x10000);
			assert_int_equal(info.flags, 3);
		} else if (i == VFU_REGION_CONFIG) {
			assert_int_equal(info.size, 4096);
			assert_int_equal(info.flags, 3);
		} else {
			assert_int_equal(info.size, 0);
			assert_int_equal(info.flags, 0);
		}
	}
	assert_int_equal(vfu_region_info(&f->vmm.client, 9, &info), -EINVAL);
	assert_int_equal(vfu_region_info(&f->vmm.client, UINT32_MAX, &info), -EINVAL);
	assert_int_equal(call32(f, VFU_DEVICE_GET_REGION_INFO, request, 7, NULL),
			 -EINVAL);
	request[0] = 8;
	assert_int_equal(call32(f, VFU_DEVICE_GET_REGION_INFO, request, 8, NULL),
			 -EINVAL);
	/* SPDK: a message of 4080 bytes */
	request[0] = 4064;
	{
		uint32_t big[1016] = {4064};

		assert_ok(call32(f, VFU_DEVICE_GET_REGION_INFO, big, 1016, NULL));
	}
}

static void test_irq_info(void **state)
{
	struct func *f = *state;
	struct vfu_device_info device;
	struct vfu_irq_info info;
	const uint32_t request[4] = {8};

	start(f);
	assert_ok(vfu_device_info(&f->vmm.client, &device));
	assert_ok(vfu_irq_info(&f->vmm.client, VFU_IRQ_INTX, &info));
	assert_int_equal(info.count, 0);
	assert_ok(vfu_irq_info(&f->vmm.client, VFU_IRQ_MSI, &info));
	assert_int_equal(info.count, 8);
	assert_int_equal(info.flags & 9, 1); /* EVENTFD, not NORESIZE */
	assert_ok(vfu_irq_info(&f->vmm.client, VFU_IRQ_MSIX, &info));
	assert_int_equal(info.count, 8);
	assert_int_equal(info.flags & 9, 1);
	assert_int_equal(vfu_irq_info(&f->vmm.client, device.num_irqs, &info), -EINVAL);
	assert_int_equal(vfu_irq_info(&f->vmm.client, 77, &info), -EINVAL);
	assert_int_equal(call32(f, VFU_DEVICE_GET_IRQ_INFO, request, 3, NULL), -EINVAL);
	assert_int_equal(call32(f, VFU_DEVICE_GET_IRQ_INFO, request, 4, NULL), -EINVAL);
}

static void test_region_io_fds(void **state)
{
	static const struct {
		uint32_t words[4]; /* argsz, flags, index, count */
		int error;
	} cases[] = {
		{{16, 0, 0, 0}, 0},
		{{64, 0, 0, 0}, 0},
		{{16, 0, 7, 0}, 0},
		{{16, 1, 0, 0}, -EINVAL},
		{{16, 0, 0, 1}, -EINVAL},
		{{15, 0, 0, 0}, -EINVAL},
		{{0x200000, 0, 0, 0}, -EINVAL},
		{{16, 0, 3, 0}, -EINVAL},
		{{16, 0, 512, 0}, -EINVAL},
	};
	struct func *f = *state;

	start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfu_reply reply;

		assert_int_equal(call32(f, VFU_DEVICE_GET_REGION_IO_FDS, cases[i].words,
					4, &reply),
				 cases[i].error);
		if (cases[i].error == 0) {
			assert_int_equal(reply.payload_bytes, 16);
			assert_int_equal(get_le32(reply.payload), 16);
			assert_int_equal(get_le32(reply.payload + 12), 0);
		}
		assert_int_equal(reply.fd_count, 0);
		vfu_reply_finish(&reply);
	}
}

static void test_accesses_out_of_range(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t region;
		uint32_t count;
	} cases[] = {
		{0x10000, VFU_REGION_BAR0, 4},
		{0xfffe, VFU_REGION_BAR0, 4},
		{UINT64_MAX, VFU_REGION_BAR0, 1},
		{UINT64_MAX - 255, VFU_REGION_BAR0, 256},
		{4096, VFU_REGION_CONFIG, 1},
		{4090, VFU_REGION_CONFIG, 8},
		{0, 1, 4},
		{0, 6, 4},
		{0, 9, 4},
		{0, UINT32_MAX, 4},
	};
	struct func *f = *state;
	uint8_t data[256] = {0};

	start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(vfu_region_read(&f->vmm.client, cases[i].region,
						 cases[i].offset, data, cases[i].count),
				 -EINVAL);
		assert_int_equal(vfu_region_write(&f->vmm.client, cases[i].region,
						  cases[i].offset, data, cases[i].count),
				 -EINVAL);
		assert_ok(vfu_region_post(&f->vmm.client, cases[i].region,
					  cases[i].offset, data, cases[i].count));
	}
	assert_alive(f);
}

static void test_accesses_of_no_bytes(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, 0, NULL, 0));
	assert_ok(vfu_region_write(&f->vmm.client, VFU_REGION_BAR0, 0, NULL, 0));
	assert_alive(f);
}

static void test_malformed_accesses(void **state)
{
	struct func *f = *state;
	uint8_t payload[64] = {0};

	start(f);
	put_le32(payload + 12, 4);
	for (size_t bytes = 0; bytes < 16; bytes += 5) {
		assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_READ, payload, bytes,
					  NULL, 0, NULL),
				 -EINVAL);
		assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_WRITE, payload,
					  bytes, NULL, 0, NULL),
				 -EINVAL);
	}
	/* count 4 with 3 and with 5 bytes of data */
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_REGION_WRITE, payload, 19, NULL, 0, NULL),
		-EINVAL);
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_REGION_WRITE, payload, 21, NULL, 0, NULL),
		-EINVAL);
	put_le32(payload + 12, UINT32_MAX);
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_REGION_READ, payload, 16, NULL, 0, NULL),
		-EINVAL);
	assert_alive(f);
}

/* DNCTRL keeps its value, so it shows writes. */
#define DNCTRL_OFFSET (0x40 + XOP_DNCTRL)

static void test_write_multi(void **state)
{
	struct func *f = *state;
	struct vfu_multi_write writes[200];
	uint32_t value = 0;

	start(f);
	memset(writes, 0, sizeof(writes));
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		writes[i] = (struct vfu_multi_write){
			.offset = DNCTRL_OFFSET,
			.region = VFU_REGION_BAR0,
			.count = 4,
		};
		put_le32(writes[i].data, i);
	}
	/* writes happen in order: the last value stays */
	assert_ok(vfu_write_multi(&f->vmm.client, writes, 200, false));
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, DNCTRL_OFFSET, &value,
				  4));
	assert_int_equal(value, 199);
	assert_ok(vfu_write_multi(&f->vmm.client, writes, 100, true));
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, DNCTRL_OFFSET, &value,
				  4));
	assert_int_equal(value, 99);
	assert_ok(vfu_write_multi(&f->vmm.client, writes, 0, false));
}

/* The daemon handles a message in one go, so it limits the number of writes. */
static void test_write_multi_is_bounded(void **state)
{
	static struct vfu_multi_write writes[1025];
	struct func *f = *state;

	start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		writes[i] = (struct vfu_multi_write){
			.offset = DNCTRL_OFFSET,
			.region = VFU_REGION_BAR0,
			.count = 4,
		};
	assert_ok(vfu_write_multi(&f->vmm.client, writes, 1024, false));
	assert_int_equal(vfu_write_multi(&f->vmm.client, writes, 1025, false), -EINVAL);
	assert_alive(f);
}

static void test_malformed_write_multi(void **state)
{
	struct func *f = *state;
	uint8_t payload[8 + 2 * 24] = {0};

	start(f);
	put_le64(payload, 3); /* but there are two entries */
	assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_WRITE_MULTI, payload,
				  sizeof(payload), NULL, 0, NULL),
			 -EINVAL);
	put_le64(payload, UINT64_MAX / 24 + 2); /* wraps around when multiplied by 24 */
	assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_WRITE_MULTI, payload,
				  sizeof(payload), NULL, 0, NULL),
			 -EINVAL);
	put_le64(payload, 2);
	put_le32(payload + 8 + 12, 9); /* more than an entry's data */
	assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_WRITE_MULTI, payload,
				  sizeof(payload), NULL, 0, NULL),
			 -EINVAL);
	assert_int_equal(vfu_call(&f->vmm.client, VFU_REGION_WRITE_MULTI, payload, 7,
				  NULL, 0, NULL),
			 -EINVAL);
	assert_alive(f);
}

static void test_device_reset(void **state)
{
	struct func *f = *state;
	uint32_t value = 0x55;

	start(f);
	assert_ok(vfu_region_write(&f->vmm.client, VFU_REGION_BAR0, DNCTRL_OFFSET, &value,
				   4));
	assert_ok(vfu_device_reset(&f->vmm.client));
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, DNCTRL_OFFSET, &value,
				  4));
	assert_int_equal(value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_device_info),
		FUNC_TEST(test_region_info),
		FUNC_TEST(test_irq_info),
		FUNC_TEST(test_region_io_fds),
		FUNC_TEST(test_accesses_out_of_range),
		FUNC_TEST(test_accesses_of_no_bytes),
		FUNC_TEST(test_malformed_accesses),
		FUNC_TEST(test_write_multi),
		FUNC_TEST(test_write_multi_is_bounded),
		FUNC_TEST(test_malformed_write_multi),
		FUNC_TEST(test_device_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
