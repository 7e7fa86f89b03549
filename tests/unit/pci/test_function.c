/* SPDX-License-Identifier: MIT
 * test_function.c - tests of src/pci/function.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pci/function.h"
#include "util/bytes.h"

#define BAR_SIZE 0x10000u
#define TABLE    0x8000u
#define PBA      0x9000u
#define MSIX_CAP 0x80u

struct access {
	uint32_t offset;
	unsigned size;
	uint64_t value;
};

/* The owner of the function: notes what it hears. */
struct owner {
	struct pci_function *function;
	struct access accesses[64];
	unsigned access_count;
	unsigned irqs, irq_kind, irq_vector;
	unsigned commands, enables, sizings;
	bool bus_master, memory;
	bool reset_when_sized;
};

static struct access *owner_note(struct owner *owner, uint32_t offset, unsigned size)
{
	struct access *access;

	assert_true(owner->access_count < ARRAY_SIZE(owner->accesses));
	access = &owner->accesses[owner->access_count++];
	access->offset = offset;
	access->size = size;
	return access;
}

/* Each byte reads as its offset's low byte. */
static uint64_t on_bar_read(void *ctx, uint32_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)owner_note(ctx, offset, size);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)(uint8_t)(offset + i) << i * 8;
	return value;
}

static void on_bar_write(void *ctx, uint32_t offset, uint64_t value, unsigned size)
{
	owner_note(ctx, offset, size)->value = value;
}

static void on_irq(void *ctx, enum pci_irq_kind kind, unsigned vector)
{
	struct owner *owner = ctx;

	owner->irqs++;
	owner->irq_kind = kind;
	owner->irq_vector = vector;
}

static void on_command_changed(void *ctx, bool bus_master, bool memory)
{
	struct owner *owner = ctx;

	owner->commands++;
	owner->bus_master = bus_master;
	owner->memory = memory;
}

static void on_irq_enabled(void *ctx)
{
	((struct owner *)ctx)->enables++;
}

static void on_bar_sized(void *ctx)
{
	struct owner *owner = ctx;

	owner->sizings++;
	if (owner->reset_when_sized)
		pci_function_reset(owner->function);
}

static const struct pci_function_ops ops = {
	.bar_read = on_bar_read,
	.bar_write = on_bar_write,
	.irq = on_irq,
	.command_changed = on_command_changed,
	.irq_enabled = on_irq_enabled,
	.bar_sized = on_bar_sized,
};

static const struct pci_identity identity = {
	.vendor_id = 0x1b36,
	.device_id = 0x000d,
	.class_code = 0x0c0330,
	.vectors = 8,
	.with_msix = true,
	.bar0_size_bytes = BAR_SIZE,
	.msix_table_offset = TABLE,
	.msix_pba_offset = PBA,
	.extra_offset = 0x60,
	.extra_config = {0x30},
	.extra_bytes = 1,
};

static int setup(void **state)
{
	static struct owner owner;

	memset(&owner, 0, sizeof(owner));
	owner.function = pci_function_create(&identity, &ops, &owner);
	*state = &owner;
	return owner.function ? 0 : -1;
}

static int teardown(void **state)
{
	pci_function_destroy(((struct owner *)*state)->function);
	return 0;
}

static uint32_t config_read(struct owner *owner, uint64_t offset, unsigned size)
{
	uint8_t bytes[4] = {0};

	pci_config_read(owner->function, offset, bytes, size);
	return get_le32(bytes);
}

static void config_write(struct owner *owner, uint64_t offset, uint64_t value,
			 unsigned size)
{
	uint8_t bytes[8];

	put_le64(bytes, value);
	pci_config_write(owner->function, offset, bytes, size);
}

static void test_whole_space_at_once(void **state)
{
	struct owner *owner = *state;
	static uint8_t all[PCI_CONFIG_SIZE_BYTES + 16];

	memset(all, 0xff, sizeof(all));
	pci_config_read(owner->function, 0, all, sizeof(all));
	assert_int_equal(get_le32(all), 0x000d1b36);
	assert_int_equal(all[0x34], MSIX_CAP);
	assert_int_equal(all[0x60], 0x30);
	for (unsigned i = 256; i < sizeof(all); i++)
		assert_int_equal(all[i], 0);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(all[i], config_read(owner, i, 1));
	for (unsigned i = 0; i + 4 <= 256; i++) /* unaligned */
		assert_int_equal(get_le32(all + i), config_read(owner, i, 4));
}

static void test_bar_sizing(void **state)
{
	struct owner *owner = *state;

	config_write(owner, 0x10, 0xffffffff, 4);
	assert_int_equal(owner->sizings, 1);
	assert_int_equal(config_read(owner, 0x10, 4), 0xffff0004);
	config_write(owner, 0x14, 0xffffffff, 4);
	assert_int_equal(config_read(owner, 0x14, 4), 0xffffffff);
	config_write(owner, 0x10, 0xfebf0000, 4);
	config_write(owner, 0x14, 0x00000012, 4);
	assert_int_equal(config_read(owner, 0x10, 4), 0xfebf0004);
	assert_int_equal(config_read(owner, 0x14, 4), 0x12);
	config_write(owner, 0x10, 0xffff0000, 4); /* an address */
	assert_int_equal(owner->sizings, 1);
	config_write(owner, 0x10, 0xfffffffffffffff0,
		     8); /* low bits left out, both halves */
	assert_int_equal(owner->sizings, 2);
	assert_int_equal(config_read(owner, 0x14, 4), 0xffffffff);
	config_write(owner, 0x30, 0xfffff800, 4);
	assert_int_equal(config_read(owner, 0x30, 4), 0);
	config_write(owner, 0x0e, 0xffffffff, 4); /* half of BAR0 */
	assert_int_equal(owner->sizings, 2);
}

static void test_reset_when_sized(void **state)
{
	struct owner *owner = *state;

	owner->reset_when_sized = true;
	config_write(owner, 0x04, 0x6, 2);
	config_write(owner, MSIX_CAP + 2, 0x8000, 2);
	config_write(owner, 0x10, 0xffffffff, 4);
	assert_int_equal(config_read(owner, 0x10, 4),
			 0xffff0004); /* survives the reset */
	assert_int_equal(config_read(owner, 0x04, 2), 0);
	assert_int_equal(config_read(owner, MSIX_CAP + 2, 2), 7);
}

static void test_command(void **state)
{
	struct owner *owner = *state;

	config_write(owner, 0x04, 0x2, 2);
	assert_int_equal(owner->commands, 1);
	assert_true(owner->memory);
	assert_false(owner->bus_master);
	config_write(owner, 0x04, 0x00100006, 4);
	assert_int_equal(owner->commands, 2);
	assert_true(owner->bus_master);
	config_write(owner, 0x05, 0x4, 1); /* INTx disable: the upper byte only */
	assert_int_equal(owner->commands, 3);
	assert_true(owner->bus_master);
	assert_int_equal(config_read(owner, 0x04, 2), 0x406);
	config_write(owner, 0x06, 0xffff, 2); /* STATUS is not COMMAND */
	config_write(owner, 0x00, 0, 4);
	assert_int_equal(owner->commands, 3);
	config_write(owner, 0x02, 0, 4);
	assert_int_equal(owner->commands, 4);
	assert_false(owner->bus_master);
	pci_config_write(owner->function, 0x04, NULL, 0);
	assert_int_equal(owner->commands, 4);
}

static void test_writes_ignored(void **state)
{
	struct owner *owner = *state;

	config_write(owner, 0x00, 0, 8);
	config_write(owner, 0x3d, 0xff, 1);
	config_write(owner, 0x60, 0, 4);
	config_write(owner, 0x100, 0xffffffff, 4);
	config_write(owner, 0xffe, 0xffffffff, 4);
	config_write(owner, UINT64_MAX - 1, 0xffffffff, 4);
	assert_int_equal(config_read(owner, 0x00, 4), 0x000d1b36);
	assert_int_equal(config_read(owner, 0x3d, 1), 0);
	assert_int_equal(config_read(owner, 0x60, 4), 0x30);
	assert_int_equal(config_read(owner, 0x100, 4), 0);
	assert_int_equal(config_read(owner, 0xffe, 2), 0);
}

static void assert_access(const struct owner *owner, unsigned index, uint32_t offset,
			  unsigned size)
{
	assert_true(index < owner->access_count);
	assert_int_equal(owner->accesses[index].offset, offset);
	assert_int_equal(owner->accesses[index].size, size);
}

static void test_bar_access_sizes(void **state)
{
	struct owner *owner = *state;
	uint8_t bytes[32];

	for (unsigned size = 1; size <= 8; size *= 2)
		pci_bar0_read(owner->function, 0x40, bytes, size);
	assert_int_equal(owner->access_count, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_access(owner, i, 0x40, 1u << i);

	owner->access_count = 0;
	pci_bar0_read(owner->function, 0x43, bytes, 18); /* 43 44+4 48+8 50+4 54 */
	assert_int_equal(owner->access_count, 5);
	assert_access(owner, 0, 0x43, 1);
	assert_access(owner, 1, 0x44, 4);
	assert_access(owner, 2, 0x48, 8);
	assert_access(owner, 3, 0x50, 4);
	assert_access(owner, 4, 0x54, 1);
	for (unsigned i = 0; i < 18; i++)
		assert_int_equal(bytes[i], 0x43 + i);

	owner->access_count = 0;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	pci_bar0_write(owner->function, 0x46, bytes, 7); /* 46+2 48+4 4c */
	assert_int_equal(owner->access_count, 3);
	assert_access(owner, 0, 0x46, 2);
	assert_int_equal(owner->accesses[0].value, 0x0100);
	assert_access(owner, 1, 0x48, 4);
	assert_int_equal(owner->accesses[1].value, 0x05040302);
	assert_access(owner, 2, 0x4c, 1);
	assert_int_equal(owner->accesses[2].value, 0x06);

	owner->access_count = 0;
	pci_bar0_read(owner->function, 0x40, bytes, 0);
	pci_bar0_write(owner->function, 0x40, bytes, 0);
	assert_int_equal(owner->access_count, 0);
}

static void test_bar_end(void **state)
{
	struct owner *owner = *state;
	uint8_t bytes[8];

	memset(bytes, 0xff, sizeof(bytes));
	pci_bar0_read(owner->function, BAR_SIZE - 4, bytes, sizeof(bytes));
	assert_int_equal(owner->access_count, 1);
	assert_access(owner, 0, BAR_SIZE - 4, 4);
	assert_int_equal(get_le64(bytes), 0xfffefdfc);
	owner->access_count = 0;
	memset(bytes, 0xff, sizeof(bytes));
	pci_bar0_read(owner->function, UINT64_MAX, bytes, sizeof(bytes));
	assert_int_equal(get_le64(bytes), 0);
	pci_bar0_read(owner->function, UINT64_C(1) << 32, bytes, sizeof(bytes));
	pci_bar0_write(owner->function, BAR_SIZE, bytes, sizeof(bytes));
	pci_bar0_write(owner->function, UINT64_MAX - 3, bytes, sizeof(bytes));
	assert_int_equal(owner->access_count, 0);
}

static void test_bar_table_and_registers(void **state)
{
	struct owner *owner = *state;
	uint8_t bytes[16];

	memset(bytes, 0xff, sizeof(bytes));
	pci_bar0_write(owner->function, TABLE + 0x70, bytes, 16);
	pci_bar0_write(owner->function, PBA, bytes, 8);
	assert_int_equal(owner->access_count, 0);
	/* the last word of the table, and one beyond */
	pci_bar0_read(owner->function, TABLE + 0x7c, bytes, 8);
	assert_int_equal(owner->access_count, 1);
	assert_access(owner, 0, TABLE + 0x80, 4);
	assert_int_equal(get_le64(bytes), 0x8382818000000001);
	pci_bar0_read(owner->function, PBA, bytes, 8);
	assert_int_equal(get_le64(bytes), 0);
	assert_int_equal(owner->access_count, 1);
}

static void test_irqs(void **state)
{
	struct owner *owner = *state;
	unsigned msi_cap = config_read(owner, MSIX_CAP + 1, 1);

	pci_irq_raise(owner->function, 0);
	assert_int_equal(owner->irqs, 0);
	config_write(owner, MSIX_CAP + 2, 0xc000, 2);
	assert_int_equal(owner->enables, 0);
	config_write(owner, MSIX_CAP, 0x80000000, 4);
	assert_int_equal(owner->enables, 1);
	pci_irq_raise(owner->function, 7);
	assert_int_equal(owner->irqs, 1);
	assert_int_equal(owner->irq_kind, PCI_IRQ_KIND_MSIX);
	assert_int_equal(owner->irq_vector, 7);
	config_write(owner, MSIX_CAP + 3, 0, 1);
	config_write(owner, msi_cap + 4, 0xfee00000, 4);
	config_write(owner, msi_cap + 12, 0x4041, 2);
	config_write(owner, msi_cap + 2, 0x21, 2); /* 4 vectors */
	assert_int_equal(owner->enables, 2);
	pci_irq_raise(owner->function, 3);
	assert_int_equal(owner->irq_kind, PCI_IRQ_KIND_MSI);
	assert_int_equal(owner->irq_vector, 3);
	pci_irq_raise(owner->function, 4);
	assert_int_equal(owner->irqs, 3);
	assert_int_equal(owner->irq_vector, 0);
	assert_int_equal(config_read(owner, msi_cap + 4, 4), 0xfee00000);
	assert_int_equal(config_read(owner, msi_cap + 12, 4), 0x4041);
}

static void test_reset(void **state)
{
	struct owner *owner = *state;
	static uint8_t before[PCI_CONFIG_SIZE_BYTES], after[PCI_CONFIG_SIZE_BYTES];
	static uint8_t ones[PCI_CONFIG_SIZE_BYTES];
	uint8_t entry[16];
	struct owner heard;

	pci_config_read(owner->function, 0, before, sizeof(before));
	memset(ones, 0xff, sizeof(ones));
	pci_config_write(owner->function, 0, ones, sizeof(ones));
	assert_int_equal(owner->sizings, 1); /* BAR0 within a longer write */
	pci_bar0_write(owner->function, TABLE, ones, 16);
	heard = *owner;
	pci_function_reset(owner->function);
	assert_memory_equal(&heard, owner, sizeof(heard));
	pci_config_read(owner->function, 0, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	pci_bar0_read(owner->function, TABLE, entry, sizeof(entry));
	assert_int_equal(get_le64(entry), 0);
	assert_int_equal(get_le64(entry + 8), 0x100000000);
	pci_irq_raise(owner->function, 0);
	assert_int_equal(owner->irqs, 0);
	config_write(owner, MSIX_CAP + 2, 0x8000, 2);
	assert_int_equal(owner->enables, heard.enables + 1); /* enabling is news again */
}

#define FUNCTION_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNCTION_TEST(test_whole_space_at_once),
		FUNCTION_TEST(test_bar_sizing),
		FUNCTION_TEST(test_reset_when_sized),
		FUNCTION_TEST(test_command),
		FUNCTION_TEST(test_writes_ignored),
		FUNCTION_TEST(test_bar_access_sizes),
		FUNCTION_TEST(test_bar_end),
		FUNCTION_TEST(test_bar_table_and_registers),
		FUNCTION_TEST(test_irqs),
		FUNCTION_TEST(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
