/* SPDX-License-Identifier: MIT
 * test_ch.c - Cloud Hypervisor as the client: fixed reply sizes, errors ignored
 *
 * The test client waits for exactly the bytes that the real one waits for. A short
 * (error) reply would hang that VMM; here it causes -ETIMEDOUT.
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

/* The client's own timeout is too long for a failing test. */
#define HANG_MS 2000

static void boot(struct func *f)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_CH);
	f->vmm.client.timeout_ms = HANG_MS;
}

static void test_boot_enumerate_read(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	int port;

	func_start(f, func_stick_spec(f, "super"), NULL);
	func_boot(f, VFU_DIALECT_CH);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_true(port > 0);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, &device));
	bot_init(&bot, &device);
	assert_ok(bot_open(&bot));
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 65536, 4096);
	assert_ok(bot_read(&bot, 100, 128, buf.iova, 0, 0));
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(get_le32(buf.ptr + (size_t)i * BOT_SECTOR), 100 + i);
}

/* INTx would double the cost of each access. MSI-X as the first capability saves
 * messages. */
static void test_what_it_walks_through(void **state)
{
	struct func *f = *state;
	uint32_t at = 0;
	uint32_t id = 0;
	struct vfu_irq_info info;

	boot(f);
	assert_ok(vfu_irq_info(&f->vmm.client, VFU_IRQ_INTX, &info));
	assert_int_equal(info.count, 0);
	assert_ok(vmm_config_read(&f->vmm, 0x3d, 1, &id));
	assert_int_equal(id, 0);
	assert_ok(vmm_config_read(&f->vmm, 0x34, 1, &at));
	assert_ok(vmm_config_read(&f->vmm, at, 1, &id));
	assert_int_equal(id, PCI_CAP_MSIX);
	assert_true(f->vmm.bar_64bit);
	assert_int_equal(f->vmm.bar_size, 0x10000);
}

static void test_out_of_range_accesses_have_full_replies(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t region;
		uint32_t count;
	} cases[] = {
		{0x10000, VFU_REGION_BAR0, 4},
		{0xfffe, VFU_REGION_BAR0, 4},
		{0x20000, VFU_REGION_BAR0, 8},
		{UINT64_MAX, VFU_REGION_BAR0, 8},
		{4096, VFU_REGION_CONFIG, 4},
		{0xfffff000, VFU_REGION_CONFIG, 4},
		{0, 1, 4},
		{0, 8, 1},
		{0, 6, 4},
		{0, 200, 4},
	};
	struct func *f = *state;

	boot(f);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t data[8] = {0};

		assert_ok(vfu_region_write(&f->vmm.client, cases[i].region,
					   cases[i].offset, data, cases[i].count));
		assert_ok(vfu_region_read(&f->vmm.client, cases[i].region,
					  cases[i].offset, data, cases[i].count));
		for (uint32_t b = 0; b < cases[i].count; b++)
			assert_int_equal(data[b], 0xff);
	}
	assert_alive(f);
}

static void test_unmap_of_the_unknown_is_answered(void **state)
{
	struct func *f = *state;

	boot(f);
	assert_int_equal(vfu_dma_unmap(&f->vmm.client, 0x12345000, 0x1000), -ENOENT);
	assert_ok(guest_ram_unmap(&f->ram, &f->vmm.client));
	assert_int_equal(guest_ram_unmap(&f->ram, &f->vmm.client), -ENOENT);
	assert_alive(f);
}

static void test_infos_of_the_unknown_are_answered(void **state)
{
	struct func *f = *state;
	struct vfu_region_info region;
	struct vfu_irq_info irq;

	boot(f);
	assert_ok(vfu_irq_info(&f->vmm.client, 77, &irq));
	assert_ok(vfu_region_info(&f->vmm.client, 77, &region));
	assert_ok(vfu_set_irqs(&f->vmm.client, 0x21, 77, 0, 0, NULL, 0));
	assert_ok(vfu_dma_map(&f->vmm.client, GUEST_RAM_LOW_IOVA, 4096, f->ram.fd, 0, 3));
	assert_alive(f);
}

/* KVM splits accesses at page borders: any length from 1 to 8 at any alignment. */
static void test_every_length_at_every_alignment(void **state)
{
	struct func *f = *state;

	boot(f);
	for (uint32_t offset = 0; offset < 0x80; offset++) {
		for (uint32_t count = 1; count <= 8; count++) {
			uint8_t data[8];

			assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, offset,
						  data, count));
			assert_ok(vfu_region_write(&f->vmm.client, VFU_REGION_BAR0,
						   0xff00 + offset, data, count));
		}
	}
	assert_alive(f);
}

/* A guest reboot: the VMM disables interrupts and closes the connection, without unmap or
 * reset; then it opens a new connection with new memory. */
static void test_reboot(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct hid hid;

	func_start(f, func_keyboard_spec(f, "high"), NULL);
	for (unsigned round = 0; round < 3; round++) {
		func_boot(f, VFU_DIALECT_CH);
		func_drive(f, NULL);
		func_find(f, 3, &device);
		assert_ok(hid_init(&hid, &device));
		hid_queue(&hid, 3);
		assert_ok(
			vfu_set_irqs(&f->vmm.client, 0x21, VFU_IRQ_MSIX, 0, 0, NULL, 0));
		func_disconnect(f);
		guest_ram_finish(&f->ram);
		assert_ok(guest_ram_init(&f->ram, FUNC_ZONE_BYTES));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_boot_enumerate_read),
		FUNC_TEST(test_what_it_walks_through),
		FUNC_TEST(test_out_of_range_accesses_have_full_replies),
		FUNC_TEST(test_unmap_of_the_unknown_is_answered),
		FUNC_TEST(test_infos_of_the_unknown_are_answered),
		FUNC_TEST(test_every_length_at_every_alignment),
		FUNC_TEST(test_reboot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
