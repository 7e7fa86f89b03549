/* SPDX-License-Identifier: MIT
 * test_config.c - tests of src/pci/config.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pci/config.h"
#include "util/bytes.h"

static const struct pci_identity identity = {
	.vendor_id = 0x1234,
	.device_id = 0x5678,
	.subsystem_vendor_id = 0x9abc,
	.subsystem_id = 0xdef0,
	.class_code = 0x0c0330,
	.revision = 3,
	.vectors = 1,
	.bar0_size_bytes = 0x10000,
	.extra_offset = 0x60,
	.extra_config = {0x30, 0x20, 0x00},
	.extra_bytes = 3,
};

static uint32_t read32(const struct pci_space *space, uint64_t offset)
{
	uint8_t bytes[4];

	pci_space_read(space, offset, bytes, sizeof(bytes));
	return get_le32(bytes);
}

static void write32(struct pci_space *space, uint64_t offset, uint32_t value)
{
	uint8_t bytes[4];

	put_le32(bytes, value);
	pci_space_write(space, offset, bytes, sizeof(bytes));
}

static void test_header(void **state)
{
	struct pci_space space;

	(void)state;
	pci_space_init(&space, &identity);
	assert_int_equal(read32(&space, 0x00), 0x56781234);
	assert_int_equal(read32(&space, 0x04), 0); /* no capability, nothing enabled */
	assert_int_equal(read32(&space, 0x08), 0x0c033003);
	assert_int_equal(read32(&space, 0x0c), 0); /* header type 0, single function */
	assert_int_equal(read32(&space, 0x10), 0x4);
	for (unsigned offset = 0x14; offset < 0x2c; offset += 4)
		assert_int_equal(read32(&space, offset), 0);
	assert_int_equal(read32(&space, 0x2c), 0xdef09abc);
	assert_int_equal(read32(&space, 0x34), 0);
	assert_int_equal(read32(&space, 0x3c), 0); /* interrupt pin 0 */
	assert_int_equal(read32(&space, 0x60), 0x002030);
}

static void test_writable_masks(void **state)
{
	struct pci_space space;

	(void)state;
	pci_space_init(&space, &identity);
	for (unsigned offset = 0; offset < PCI_CONFIG_SIZE_BYTES; offset += 4)
		write32(&space, offset, 0xffffffff);
	assert_int_equal(read32(&space, 0x00), 0x56781234);
	assert_int_equal(read32(&space, 0x04), 0x00000546);
	assert_int_equal(read32(&space, 0x08), 0x0c033003);
	assert_int_equal(read32(&space, 0x0c), 0x0000ffff); /* line size, latency timer */
	assert_int_equal(read32(&space, 0x10), 0xffff0004);
	assert_int_equal(read32(&space, 0x14), 0xffffffff);
	assert_int_equal(read32(&space, 0x2c), 0xdef09abc);
	assert_int_equal(read32(&space, 0x30), 0); /* no ROM */
	assert_int_equal(read32(&space, 0x3c), 0x000000ff);
	assert_int_equal(read32(&space, 0x60), 0x002030);
	for (unsigned offset = 0x64; offset < PCI_CONFIG_SIZE_BYTES; offset += 4)
		assert_int_equal(read32(&space, offset), 0);
	pci_space_reset(&space);
	assert_int_equal(read32(&space, 0x04), 0);
	assert_int_equal(read32(&space, 0x10), 0x4);
	assert_int_equal(read32(&space, 0x3c), 0);
}

static void test_write_one_clears(void **state)
{
	struct pci_space space;
	const uint8_t detected_parity_error = 0x80;

	(void)state;
	pci_space_init(&space, &identity);
	put_le16(&space.data[0x06], 0xf910);
	write32(&space, 0x04, 0); /* zeros clear nothing */
	assert_int_equal(read32(&space, 0x04), 0xf9100000);
	pci_space_write(&space, 0x07, &detected_parity_error, 1);
	assert_int_equal(read32(&space, 0x04), 0x79100000);
	write32(&space, 0x04, 0xffff0000);
	assert_int_equal(read32(&space, 0x04), 0x00100000);
}

static void test_capability_chain(void **state)
{
	struct pci_space space;

	(void)state;
	pci_space_init(&space, &identity);
	pci_space_add_cap(&space, PCI_CAP_ID_MSIX, 0x80);
	pci_space_add_cap(&space, PCI_CAP_ID_MSI, 0x44);
	pci_space_reset(&space);
	assert_int_equal(read32(&space, 0x04), 0x00100000);
	assert_int_equal(read32(&space, 0x34), 0x80);
	assert_int_equal(read32(&space, 0x80), 0x4411);
	assert_int_equal(read32(&space, 0x44), 0x0005);
}

static void test_beyond_the_end(void **state)
{
	struct pci_space space;
	uint8_t bytes[8];

	(void)state;
	pci_space_init(&space, &identity);
	space.data[PCI_CONFIG_SIZE_BYTES - 1] = 0x5a;
	memset(bytes, 0xff, sizeof(bytes));
	pci_space_read(&space, PCI_CONFIG_SIZE_BYTES - 1, bytes, sizeof(bytes));
	assert_int_equal(get_le64(bytes), 0x5a);
	memset(bytes, 0xff, sizeof(bytes));
	pci_space_read(&space, PCI_CONFIG_SIZE_BYTES, bytes, sizeof(bytes));
	assert_int_equal(get_le64(bytes), 0);
	memset(bytes, 0xff, sizeof(bytes));
	pci_space_read(&space, UINT64_MAX - 3, bytes, sizeof(bytes));
	assert_int_equal(get_le64(bytes), 0);
	/* must not run over the end of the arrays (seen by ASan) */
	space.writable[PCI_CONFIG_SIZE_BYTES - 1] = 0xff;
	memset(bytes, 0xee, sizeof(bytes));
	pci_space_write(&space, PCI_CONFIG_SIZE_BYTES - 1, bytes, sizeof(bytes));
	assert_int_equal(space.data[PCI_CONFIG_SIZE_BYTES - 1], 0xee);
	assert_int_equal(space.writable[0], 0);
	pci_space_write(&space, UINT64_MAX, bytes, sizeof(bytes));
	assert_int_equal(read32(&space, 0x00), 0x56781234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_writable_masks),
		cmocka_unit_test(test_write_one_clears),
		cmocka_unit_test(test_capability_chain),
		cmocka_unit_test(test_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
