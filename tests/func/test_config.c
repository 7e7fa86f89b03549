/* SPDX-License-Identifier: MIT
 * test_config.c - PCI configuration space, MSI-X and MSI as a guest sees them
 */
#include <errno.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void boot(struct func *f)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
}

static uint32_t config(struct func *f, uint32_t offset, unsigned size)
{
	uint32_t value = 0;

	assert_ok(vmm_config_read(&f->vmm, offset, size, &value));
	return value;
}

static void test_identity(void **state)
{
	struct func *f = *state;

	boot(f);
	assert_int_equal(config(f, 0, 4), 0x000d1b36);
	assert_int_equal(config(f, 8, 4) >> 8, 0x0c0330);
	assert_int_equal(config(f, 0x0e, 1), 0);
	assert_int_equal(config(f, 0x3d, 1), 0);    /* no INTx */
	assert_int_equal(config(f, 0x60, 1), 0x30); /* SBRN */
	assert_int_equal(config(f, 0x61, 1), 0x20); /* FLADJ */
	assert_true(config(f, 6, 2) & 0x10);
	/* its own subsystem ID, not ffff:ffff as in the original */
	assert_int_not_equal(config(f, 0x2c, 4), 0xffffffff);
}

static void test_whole_space_reads_the_same(void **state)
{
	struct func *f = *state;
	uint8_t whole[4096];

	boot(f);
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_CONFIG, 0, whole, 4096));
	for (uint32_t at = 0; at < 256; at++) {
		assert_int_equal(config(f, at, 1), whole[at]);
		if (at <= 252)
			assert_int_equal(config(f, at, 4), get_le32(whole + at));
	}
	/* all zero after the 256 bytes of a conventional function */
	for (uint32_t at = 256; at < 4096; at++)
		assert_int_equal(whole[at], 0);
	assert_int_equal(config(f, 0xffc, 4), 0);
}

static void test_bar_sizing(void **state)
{
	struct func *f = *state;

	boot(f);
	assert_true(f->vmm.bar_64bit);
	assert_int_equal(f->vmm.bar_size, 0x10000);
	assert_ok(vmm_config_write(&f->vmm, 0x10, 0xfebf1234, 4));
	assert_ok(vmm_config_write(&f->vmm, 0x14, 0x00000012, 4));
	assert_int_equal(config(f, 0x10, 4), 0xfebf0004);
	assert_int_equal(config(f, 0x14, 4), 0x12);
	/* single bytes too */
	assert_ok(vmm_config_write(&f->vmm, 0x13, 0xaa, 1));
	assert_int_equal(config(f, 0x10, 4), 0xaabf0004);
	for (uint32_t bar = 0x18; bar <= 0x24; bar += 4) {
		assert_ok(vmm_config_write(&f->vmm, bar, 0xffffffff, 4));
		assert_int_equal(config(f, bar, 4), 0);
	}
	assert_ok(vmm_config_write(&f->vmm, 0x30, 0xffffffff, 4));
	assert_int_equal(config(f, 0x30, 4), 0);
}

static void test_read_only_bytes_stay(void **state)
{
	struct func *f = *state;
	uint8_t before[256];
	uint8_t after[256];
	const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	boot(f);
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_CONFIG, 0, before, 256));
	for (uint32_t at = 0; at < 4096; at += 8) {
		/* writable registers: other tests cover them */
		if (at < 0x28 && at >= 0x10)
			continue;
		assert_ok(
			vfu_region_write(&f->vmm.client, VFU_REGION_CONFIG, at, ones, 8));
	}
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_CONFIG, 0, after, 256));
	assert_memory_equal(before, after, 4);
	assert_memory_equal(before + 8, after + 8, 4);
	assert_int_equal(after[0x0e], before[0x0e]);
	assert_memory_equal(before + 0x2c, after + 0x2c, 4);
	assert_int_equal(after[0x34], before[0x34]);
	assert_int_equal(after[0x3d], 0);
	assert_memory_equal(before + 0x60, after + 0x60, 3);
	/* there is no I/O space to enable */
	assert_int_equal(get_le16(after + 4) & 1, 0);
	/* the capability list is unchanged */
	assert_memory_equal(before + f->vmm.msix_cap, after + f->vmm.msix_cap, 2);
	assert_memory_equal(before + f->vmm.msi_cap, after + f->vmm.msi_cap, 2);
}

static void test_capabilities(void **state)
{
	struct func *f = *state;
	uint32_t first = 0;

	boot(f);
	first = config(f, 0x34, 1);
	assert_int_equal(first, f->vmm.msix_cap);
	assert_int_not_equal(f->vmm.msi_cap, 0);
	assert_int_equal(f->vmm.msix_vectors, 8);
	assert_int_equal(f->vmm.msi_vectors, 8);
	/* table and PBA in BAR 0, each on its own pages */
	assert_int_equal(config(f, f->vmm.msix_cap + 4u, 4) & 0xfff, 0);
	assert_int_equal(config(f, f->vmm.msix_cap + 8u, 4) & 0xfff, 0);
	assert_int_not_equal(config(f, f->vmm.msix_cap + 4u, 4),
			     config(f, f->vmm.msix_cap + 8u, 4));
	/* MSI supports 64-bit addresses */
	assert_true(config(f, f->vmm.msi_cap + 2u, 2) & 0x80);
}

static void test_no_msix_option(void **state)
{
	struct func *f = *state;
	const char *const args[] = {"--no-msix", NULL};
	struct drv_options options = {.irq = DRV_IRQ_MSI};

	func_start_args(f, args);
	func_boot(f, VFU_DIALECT_QEMU);
	assert_int_equal(f->vmm.msix_cap, 0);
	assert_int_not_equal(f->vmm.msi_cap, 0);
	func_drive(f, &options);
	assert_commands_work(f);
}

/* MSI with one vector serves all interrupters. */
static void test_interrupts_by_msi(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.irq = DRV_IRQ_MSI, .interrupters = 4};

	boot(f);
	func_drive(f, &options);
	for (unsigned i = 0; i < 20; i++)
		assert_commands_work(f);
}

static void test_msix_table_and_pba_take_any_access(void **state)
{
	struct func *f = *state;
	uint8_t ones[8];
	uint8_t data[8];
	uint32_t table;
	uint32_t pba;

	boot(f);
	table = config(f, f->vmm.msix_cap + 4u, 4) & ~7u;
	pba = config(f, f->vmm.msix_cap + 8u, 4) & ~7u;
	memset(ones, 0xff, sizeof(ones));
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, pba, data, 8));
	assert_int_equal(get_le64(data), 0);
	for (uint32_t at = 0; at < 0x100; at++)
		assert_ok(vfu_region_write(&f->vmm.client, VFU_REGION_BAR0, pba + at,
					   ones, 1 + at % 8));
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, pba, data, 8));
	assert_int_equal(get_le64(data), 0); /* read-only, unlike the original's */
	for (uint32_t at = 0; at < 0x1000; at += 7)
		assert_ok(vfu_region_write(&f->vmm.client, VFU_REGION_BAR0, table + at,
					   ones, 1 + at % 8));
	/* reserved bits of vector control stay 0 */
	assert_ok(vfu_region_read(&f->vmm.client, VFU_REGION_BAR0, table + 12, data, 4));
	assert_int_equal(get_le32(data) & ~1u, 0);
	assert_alive(f);
}

/* Without bus mastering the controller does not access memory; with it, it continues. */
static void test_bus_master_off_holds_dma(void **state)
{
	struct func *f = *state;
	struct drv_event event;
	uint64_t at;

	boot(f);
	func_drive(f, NULL);
	assert_commands_work(f);
	assert_ok(vmm_bus_master(&f->vmm, false));
	at = drv_command_push(&f->drv,
			      (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
	drv_doorbell(&f->drv, 0, 0, 0);
	assert_int_equal(drv_wait(&f->drv, NULL, NULL, &event, DRV_QUIET_MS), -ETIMEDOUT);
	assert_false(drv_event_ring_ready(&f->drv.events[0]));
	assert_ok(vmm_bus_master(&f->vmm, true));
	assert_code(drv_command_wait(&f->drv, at, NULL), XCC_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_identity),
		FUNC_TEST(test_whole_space_reads_the_same),
		FUNC_TEST(test_bar_sizing),
		FUNC_TEST(test_read_only_bytes_stay),
		FUNC_TEST(test_capabilities),
		FUNC_TEST(test_no_msix_option),
		FUNC_TEST(test_interrupts_by_msi),
		FUNC_TEST(test_msix_table_and_pba_take_any_access),
		FUNC_TEST(test_bus_master_off_holds_dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
