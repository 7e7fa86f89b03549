/* SPDX-License-Identifier: MIT
 * msi.c - MSI-X and MSI: capabilities, enabling, the MSI-X table and PBA
 *
 * No vector is ever held back here (see function.h), so nothing is ever
 * pending and the PBA reads as zeros.
 */
#include "pci/msi.h"

#include <assert.h>
#include <string.h>

#include "util/bytes.h"

/* Places in the space; 0x60 is the xHCI's own, the rest leaves room for power
 * management and PCI Express. */
#define MSIX_CAP 0x80u
#define MSI_CAP  0x90u

/* MSI-X, PCI Local Bus 3.0, 6.8.2 */
#define MSIX_CONTROL               (MSIX_CAP + 2)
#define MSIX_TABLE                 (MSIX_CAP + 4)
#define MSIX_PBA                   (MSIX_CAP + 8)
#define MSIX_CONTROL_ENABLE        0x8000u
#define MSIX_CONTROL_FUNCTION_MASK 0x4000u
#define MSIX_BIR_BAR0              0u

/* MSI, 6.8.1: 64-bit address, no per-vector masking */
#define MSI_CONTROL           (MSI_CAP + 2)
#define MSI_ADDRESS           (MSI_CAP + 4)
#define MSI_ADDRESS_UPPER     (MSI_CAP + 8)
#define MSI_DATA              (MSI_CAP + 12)
#define MSI_CONTROL_ENABLE    0x0001u
#define MSI_CONTROL_CAPABLE   1 /* shift of multiple message capable, a log2 */
#define MSI_CONTROL_MULTIPLE  4 /* shift of multiple message enable, a log2 */
#define MSI_CONTROL_LOG2_MASK 0x7u
#define MSI_CONTROL_64BIT     0x0080u

/* Words of a table entry */
enum msix_word {
	MSIX_WORD_ADDRESS,
	MSIX_WORD_ADDRESS_UPPER,
	MSIX_WORD_DATA,
	MSIX_WORD_CONTROL,
	MSIX_WORD_COUNT,
};

static const uint32_t msix_writable[MSIX_WORD_COUNT] = {
	[MSIX_WORD_ADDRESS] = 0xfffffffc,
	[MSIX_WORD_ADDRESS_UPPER] = 0xffffffff,
	[MSIX_WORD_DATA] = 0xffffffff,
	[MSIX_WORD_CONTROL] = 0x1,
};

static unsigned log2_floor(unsigned value)
{
	unsigned log2 = 0;

	while (value >>= 1)
		log2++;
	return log2;
}

static void add_msix(struct pci_msi *msi)
{
	assert(msi->table_offset % 8 == 0 && msi->pba_offset % 8 == 0);
	pci_space_add_cap(msi->space, PCI_CAP_ID_MSIX, MSIX_CAP);
	pci_space_define16(msi->space, MSIX_CONTROL, (uint16_t)(msi->vectors - 1),
			   MSIX_CONTROL_ENABLE | MSIX_CONTROL_FUNCTION_MASK);
	pci_space_define32(msi->space, MSIX_TABLE, msi->table_offset | MSIX_BIR_BAR0, 0);
	pci_space_define32(msi->space, MSIX_PBA, msi->pba_offset | MSIX_BIR_BAR0, 0);
}

static void add_msi(struct pci_msi *msi)
{
	unsigned capable = log2_floor(MIN_OF(msi->vectors, PCI_MSI_VECTORS_MAX));

	pci_space_add_cap(msi->space, PCI_CAP_ID_MSI, MSI_CAP);
	pci_space_define16(msi->space, MSI_CONTROL,
			   (uint16_t)(MSI_CONTROL_64BIT | capable << MSI_CONTROL_CAPABLE),
			   MSI_CONTROL_ENABLE | MSI_CONTROL_LOG2_MASK
							<< MSI_CONTROL_MULTIPLE);
	pci_space_define32(msi->space, MSI_ADDRESS, 0, 0xfffffffc);
	pci_space_define32(msi->space, MSI_ADDRESS_UPPER, 0, 0xffffffff);
	pci_space_define16(msi->space, MSI_DATA, 0, 0xffff);
}

void pci_msi_init(struct pci_msi *msi, struct pci_space *space,
		  const struct pci_identity *identity)
{
	assert(identity->vectors >= 1 && identity->vectors <= PCI_VECTORS_MAX);
	msi->space = space;
	msi->vectors = identity->vectors;
	msi->with_msix = identity->with_msix;
	msi->table_offset = identity->msix_table_offset;
	msi->pba_offset = identity->msix_pba_offset;
	if (msi->with_msix)
		add_msix(msi);
	add_msi(msi);
	pci_space_reset(space);
	pci_msi_reset(msi);
}

void pci_msi_reset(struct pci_msi *msi)
{
	memset(msi->table_words, 0, sizeof(msi->table_words));
	/* every vector starts masked, 6.8.2.9 */
	for (unsigned i = 0; i < msi->vectors; i++)
		msi->table_words[i * MSIX_WORD_COUNT + MSIX_WORD_CONTROL] = 1;
	msi->ready = 0;
}

static uint16_t msix_control(const struct pci_msi *msi)
{
	return msi->with_msix ? get_le16(&msi->space->data[MSIX_CONTROL]) : 0;
}

static uint16_t msi_control(const struct pci_msi *msi)
{
	return get_le16(&msi->space->data[MSI_CONTROL]);
}

bool pci_msi_updated(struct pci_msi *msi)
{
	uint16_t msix = msix_control(msi);
	unsigned ready = 0;
	bool changed;

	if (msix & MSIX_CONTROL_ENABLE)
		ready = msix & MSIX_CONTROL_FUNCTION_MASK ? 0 : PCI_IRQ_KIND_MSIX;
	else if (msi_control(msi) & MSI_CONTROL_ENABLE)
		ready = PCI_IRQ_KIND_MSI;
	changed = ready != 0 && ready != msi->ready;
	msi->ready = ready;
	return changed;
}

/* How many MSI vectors the guest gave us. It may write more than we offered
 * (undefined by the specification): that grants no more than we have. */
static unsigned msi_granted(uint16_t control)
{
	unsigned capable = control >> MSI_CONTROL_CAPABLE & MSI_CONTROL_LOG2_MASK;
	unsigned multiple = control >> MSI_CONTROL_MULTIPLE & MSI_CONTROL_LOG2_MASK;

	return 1u << MIN_OF(capable, multiple);
}

bool pci_msi_route(const struct pci_msi *msi, unsigned vector,
		   enum pci_irq_kind *ret_kind, unsigned *ret_vector)
{
	unsigned granted;

	if (msix_control(msi) & MSIX_CONTROL_ENABLE) {
		*ret_kind = PCI_IRQ_KIND_MSIX;
		granted = msi->vectors;
	} else if (msi_control(msi) & MSI_CONTROL_ENABLE) {
		*ret_kind = PCI_IRQ_KIND_MSI;
		granted = msi_granted(msi_control(msi));
	} else {
		return false;
	}
	*ret_vector = vector < granted ? vector : 0;
	return true;
}

static bool in_table(const struct pci_msi *msi, uint32_t offset)
{
	return msi->with_msix && offset >= msi->table_offset &&
	       offset - msi->table_offset < msi->vectors * PCI_MSIX_ENTRY_BYTES;
}

static bool in_pba(const struct pci_msi *msi, uint32_t offset)
{
	return msi->with_msix && offset >= msi->pba_offset &&
	       offset - msi->pba_offset < (msi->vectors + 63) / 64 * 8;
}

bool pci_msi_bar_read(const struct pci_msi *msi, uint32_t offset, unsigned size,
		      uint64_t *ret_value)
{
	const uint32_t *words;
	uint64_t value;

	if (in_pba(msi, offset)) {
		*ret_value = 0;
		return true;
	}
	if (!in_table(msi, offset))
		return false;
	words = &msi->table_words[(offset - msi->table_offset) / 4];
	if (size == 8)
		value = words[0] | (uint64_t)words[1] << 32;
	else
		value = words[0] >> offset % 4 * 8;
	*ret_value = size == 8 ? value : value & ((UINT64_C(1) << size * 8) - 1);
	return true;
}

/* Bits of table word @index in @mask become those of @value, as far as they exist. */
static void table_write_word(struct pci_msi *msi, unsigned index, uint32_t value,
			     uint32_t mask)
{
	mask &= msix_writable[index % MSIX_WORD_COUNT];
	msi->table_words[index] = (msi->table_words[index] & ~mask) | (value & mask);
}

bool pci_msi_bar_write(struct pci_msi *msi, uint32_t offset, uint64_t value,
		       unsigned size)
{
	unsigned index, shift;

	if (in_pba(msi, offset))
		return true;
	if (!in_table(msi, offset))
		return false;
	index = (offset - msi->table_offset) / 4;
	if (size >= 4) {
		table_write_word(msi, index, (uint32_t)value, UINT32_MAX);
		if (size == 8)
			table_write_word(msi, index + 1, (uint32_t)(value >> 32),
					 UINT32_MAX);
		return true;
	}
	/* less than a word: undefined by the specification (6.8.2), taken as bytes */
	shift = offset % 4 * 8;
	table_write_word(msi, index, (uint32_t)value << shift,
			 ((1u << size * 8) - 1) << shift);
	return true;
}
