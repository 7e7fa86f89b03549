/* SPDX-License-Identifier: MIT
 * test_msi.c - tests of src/pci/msi.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pci/msi.h"
#include "util/bytes.h"

#define TABLE 0x8000u
#define PBA   0x9000u

struct fixture {
	struct pci_space space;
	struct pci_msi msi;
	unsigned msix_cap; /* 0 = none */
	unsigned msi_cap;
};

/* Offset of capability @id as a guest finds it, 0 if there is none. */
static unsigned find_cap(const struct pci_space *space, unsigned id)
{
	unsigned offset = space->data[0x34];

	for (unsigned i = 0; offset != 0; i++) {
		assert_true(i < 48);
		if (space->data[offset] == id)
			break;
		offset = space->data[offset + 1];
	}
	return offset;
}

static void fixture_init(struct fixture *f, unsigned vectors, bool with_msix)
{
	struct pci_identity identity = {
		.vectors = vectors,
		.with_msix = with_msix,
		.bar0_size_bytes = 0x10000,
		.msix_table_offset = TABLE,
		.msix_pba_offset = PBA,
	};

	memset(f, 0, sizeof(*f));
	pci_space_init(&f->space, &identity);
	pci_msi_init(&f->msi, &f->space, &identity);
	f->msix_cap = find_cap(&f->space, 0x11);
	f->msi_cap = find_cap(&f->space, 0x05);
}

/* Writes a capability's control word; what pci_msi_updated() says of it. */
static bool control(struct fixture *f, unsigned cap, uint16_t value)
{
	uint8_t bytes[2];

	put_le16(bytes, value);
	pci_space_write(&f->space, cap + 2, bytes, sizeof(bytes));
	return pci_msi_updated(&f->msi);
}

static void test_chain(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 8, true);
	assert_int_equal(f.space.data[0x34], f.msix_cap); /* MSI-X is the first */
	assert_int_equal(f.space.data[f.msix_cap + 1], f.msi_cap);
	assert_int_equal(f.space.data[f.msi_cap + 1], 0);
	assert_int_equal(get_le16(&f.space.data[f.msix_cap + 2]), 7);
	assert_int_equal(get_le32(&f.space.data[f.msix_cap + 4]), TABLE);
	assert_int_equal(get_le32(&f.space.data[f.msix_cap + 8]), PBA);
	/* 64-bit, 2^3 vectors, no per-vector masking, disabled */
	assert_int_equal(get_le16(&f.space.data[f.msi_cap + 2]), 0x0086);
}

static void test_without_msix(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 8, false);
	assert_int_equal(f.msix_cap, 0);
	assert_int_not_equal(f.msi_cap, 0);
	assert_int_equal(f.space.data[0x34], f.msi_cap);
	assert_false(pci_msi_bar_read(&f.msi, TABLE, 4, &value));
	assert_false(pci_msi_bar_write(&f.msi, PBA, 0, 4));
}

static void test_vector_counts(void **state)
{
	static const struct {
		unsigned vectors, log2;
	} cases[] = {{1, 0}, {2, 1}, {3, 1}, {16, 4}, {32, 5}, {64, 5}};
	struct fixture f;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fixture_init(&f, cases[i].vectors, true);
		assert_int_equal(get_le16(&f.space.data[f.msix_cap + 2]),
				 cases[i].vectors - 1);
		assert_int_equal(get_le16(&f.space.data[f.msi_cap + 2]) >> 1 & 7,
				 cases[i].log2);
	}
}

static void test_capabilities_writable(void **state)
{
	struct fixture f;
	uint8_t ones[16];

	(void)state;
	fixture_init(&f, 8, true);
	memset(ones, 0xff, sizeof(ones));
	pci_space_write(&f.space, f.msix_cap, ones, 12);
	assert_int_equal(get_le32(&f.space.data[f.msix_cap]),
			 0xc0070011 | f.msi_cap << 8);
	assert_int_equal(get_le32(&f.space.data[f.msix_cap + 4]), TABLE);
	assert_int_equal(get_le32(&f.space.data[f.msix_cap + 8]), PBA);
	pci_space_write(&f.space, f.msi_cap, ones, 16);
	assert_int_equal(get_le32(&f.space.data[f.msi_cap]), 0x00f70005);
	assert_int_equal(get_le32(&f.space.data[f.msi_cap + 4]), 0xfffffffc);
	assert_int_equal(get_le32(&f.space.data[f.msi_cap + 8]), 0xffffffff);
	assert_int_equal(get_le32(&f.space.data[f.msi_cap + 12]), 0x0000ffff);
}

static void test_route_msix(void **state)
{
	struct fixture f;
	enum pci_irq_kind kind;
	unsigned vector;

	(void)state;
	fixture_init(&f, 8, true);
	assert_false(pci_msi_route(&f.msi, 0, &kind, &vector));
	assert_false(control(&f, f.msix_cap, 0xc000)); /* enabled, all masked */
	assert_true(control(&f, f.msix_cap, 0x8000));
	assert_false(control(&f, f.msix_cap, 0x8000)); /* nothing new */
	for (unsigned i = 0; i < 8; i++) {
		assert_true(pci_msi_route(&f.msi, i, &kind, &vector));
		assert_int_equal(kind, PCI_IRQ_KIND_MSIX);
		assert_int_equal(vector, i);
	}
	assert_true(pci_msi_route(&f.msi, 8, &kind, &vector));
	assert_int_equal(vector, 0);
	assert_true(pci_msi_route(&f.msi, UINT32_MAX, &kind, &vector));
	assert_int_equal(vector, 0);
	assert_false(control(&f, f.msix_cap, 0));
	assert_false(pci_msi_route(&f.msi, 0, &kind, &vector));
	assert_true(control(&f, f.msix_cap, 0x8000));
}

static void test_route_msi(void **state)
{
	struct fixture f;
	enum pci_irq_kind kind;
	unsigned vector;

	(void)state;
	fixture_init(&f, 8, true);
	for (unsigned log2 = 0; log2 < 8; log2++) {
		unsigned granted = log2 <= 3 ? 1u << log2 : 8;

		assert_true(control(&f, f.msi_cap, (uint16_t)(1 | log2 << 4)));
		for (unsigned i = 0; i < 40; i++) {
			assert_true(pci_msi_route(&f.msi, i, &kind, &vector));
			assert_int_equal(kind, PCI_IRQ_KIND_MSI);
			assert_int_equal(vector, i < granted ? i : 0);
		}
		assert_false(control(&f, f.msi_cap, 0));
	}
	/* with both enabled MSI-X counts */
	assert_true(control(&f, f.msi_cap, 1));
	assert_true(control(&f, f.msix_cap, 0x8000));
	assert_true(pci_msi_route(&f.msi, 5, &kind, &vector));
	assert_int_equal(kind, PCI_IRQ_KIND_MSIX);
	assert_int_equal(vector, 5);
}

static uint64_t table_read(struct fixture *f, uint32_t offset, unsigned size)
{
	uint64_t value;

	assert_true(pci_msi_bar_read(&f->msi, TABLE + offset, size, &value));
	return value;
}

static void table_write(struct fixture *f, uint32_t offset, uint64_t value, unsigned size)
{
	assert_true(pci_msi_bar_write(&f->msi, TABLE + offset, value, size));
}

static void test_table(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 8, true);
	for (uint32_t entry = 0; entry < 8; entry++) {
		assert_int_equal(table_read(&f, entry * 16, 8), 0);
		assert_int_equal(table_read(&f, entry * 16 + 8, 4), 0);
		assert_int_equal(table_read(&f, entry * 16 + 12, 4), 1); /* masked */
	}
	table_write(&f, 0x70, 0xfedcba98fee01007, 8); /* low two bits reserved */
	table_write(&f, 0x78, 0xfffffffe12345678, 8); /* only the mask bit exists */
	assert_int_equal(table_read(&f, 0x70, 8), 0xfedcba98fee01004);
	assert_int_equal(table_read(&f, 0x74, 4), 0xfedcba98);
	assert_int_equal(table_read(&f, 0x78, 8), 0x12345678);
	assert_int_equal(table_read(&f, 0x7a, 2), 0x1234);
	assert_int_equal(table_read(&f, 0x79, 1), 0x56);
	table_write(&f, 0x79, 0xab, 1);
	table_write(&f, 0x7a, 0xcdef, 2);
	table_write(&f, 0x7c, 0xff, 1);
	assert_int_equal(table_read(&f, 0x78, 8), 0x1cdefab78);
	assert_int_equal(table_read(&f, 0x60, 8), 0); /* the neighbour */
	/* where the table ends */
	assert_false(pci_msi_bar_read(&f.msi, TABLE + 0x80, 4, &value));
	assert_false(pci_msi_bar_read(&f.msi, TABLE - 8, 8, &value));
	assert_false(pci_msi_bar_write(&f.msi, TABLE + 0x80, 1, 4));
	pci_msi_reset(&f.msi);
	assert_int_equal(table_read(&f, 0x70, 8), 0);
	assert_int_equal(table_read(&f, 0x78, 8), 0x100000000);
}

static void test_pba(void **state)
{
	struct fixture f;
	uint64_t value = 1;

	(void)state;
	fixture_init(&f, 8, true);
	assert_true(pci_msi_bar_write(&f.msi, PBA, UINT64_MAX, 8));
	assert_true(pci_msi_bar_read(&f.msi, PBA, 8, &value));
	assert_int_equal(value, 0);
	value = 1;
	assert_true(pci_msi_bar_read(&f.msi, PBA + 7, 1, &value));
	assert_int_equal(value, 0);
	assert_false(pci_msi_bar_read(&f.msi, PBA + 8, 8, &value));
	assert_false(pci_msi_bar_write(&f.msi, PBA + 8, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_without_msix),
		cmocka_unit_test(test_vector_counts),
		cmocka_unit_test(test_capabilities_writable),
		cmocka_unit_test(test_route_msix),
		cmocka_unit_test(test_route_msi),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pba),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
