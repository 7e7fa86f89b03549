/* SPDX-License-Identifier: MIT
 * config.c - the bytes of a PCI configuration space and who may change them
 */
#include "pci/config.h"

#include <assert.h>
#include <string.h>

#include "util/bytes.h"

static_assert(PCI_CONFIG_SIZE_BYTES == 4096, "a whole PCIe configuration space");

void pci_space_define16(struct pci_space *space, uint16_t offset, uint16_t value,
			uint16_t writable)
{
	put_le16(&space->power_on[offset], value);
	put_le16(&space->writable[offset], writable);
}

void pci_space_define32(struct pci_space *space, uint16_t offset, uint32_t value,
			uint32_t writable)
{
	put_le32(&space->power_on[offset], value);
	put_le32(&space->writable[offset], writable);
}

/* A 64-bit memory BAR: its size shows by which address bits can be set (6.2.5.1). */
static void define_bar0(struct pci_space *space, uint64_t size_bytes)
{
	uint64_t address_bits = ~(size_bytes - 1);

	assert(size_bytes >= 16 && (size_bytes & (size_bytes - 1)) == 0);
	pci_space_define32(space, PCI_REG_BAR0, PCI_BAR_MEMORY_64,
			   (uint32_t)address_bits);
	pci_space_define32(space, PCI_REG_BAR1, 0, (uint32_t)(address_bits >> 32));
}

void pci_space_init(struct pci_space *space, const struct pci_identity *identity)
{
	memset(space, 0, sizeof(*space));
	space->last_cap = PCI_REG_CAP_POINTER;

	pci_space_define16(space, PCI_REG_VENDOR_ID, identity->vendor_id, 0);
	pci_space_define16(space, PCI_REG_DEVICE_ID, identity->device_id, 0);
	pci_space_define16(space, PCI_REG_COMMAND, 0,
			   PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER |
				   PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
				   PCI_COMMAND_INTX_DISABLE);
	put_le16(&space->rw1c[PCI_REG_STATUS], PCI_STATUS_RW1C);
	pci_space_define32(space, PCI_REG_REVISION,
			   identity->class_code << 8 | identity->revision, 0);
	space->writable[PCI_REG_CACHE_LINE_SIZE] = 0xff;
	space->writable[PCI_REG_LATENCY_TIMER] = 0xff;
	define_bar0(space, identity->bar0_size_bytes);
	pci_space_define16(space, PCI_REG_SUBSYSTEM_VENDOR_ID,
			   identity->subsystem_vendor_id, 0);
	pci_space_define16(space, PCI_REG_SUBSYSTEM_ID, identity->subsystem_id, 0);
	space->writable[PCI_REG_INTERRUPT_LINE] = 0xff;

	assert(identity->extra_bytes <= sizeof(identity->extra_config) &&
	       identity->extra_offset + identity->extra_bytes <= PCI_CONFIG_SIZE_BYTES);
	memcpy(&space->power_on[identity->extra_offset], identity->extra_config,
	       identity->extra_bytes);
	pci_space_reset(space);
}

void pci_space_add_cap(struct pci_space *space, enum pci_cap_id id, uint8_t offset)
{
	assert(offset >= 0x40 && offset % 4 == 0);
	space->power_on[space->last_cap] = offset;
	space->power_on[offset] = (uint8_t)id;
	space->last_cap = offset + 1u;
	space->power_on[PCI_REG_STATUS] |= PCI_STATUS_CAP_LIST;
}

void pci_space_reset(struct pci_space *space)
{
	memcpy(space->data, space->power_on, sizeof(space->data));
}

/* How many of @count bytes at @offset are inside the space. */
static size_t bytes_inside(uint64_t offset, size_t count)
{
	if (offset >= PCI_CONFIG_SIZE_BYTES)
		return 0;
	return MIN_OF(count, (size_t)(PCI_CONFIG_SIZE_BYTES - offset));
}

void pci_space_read(const struct pci_space *space, uint64_t offset, void *buf,
		    size_t count)
{
	size_t inside = bytes_inside(offset, count);

	if (inside > 0)
		memcpy(buf, &space->data[offset], inside);
	if (inside < count)
		memset((uint8_t *)buf + inside, 0, count - inside);
}

void pci_space_write(struct pci_space *space, uint64_t offset, const void *buf,
		     size_t count)
{
	size_t inside = bytes_inside(offset, count);
	const uint8_t *value = buf;

	for (size_t i = 0; i < inside; i++) {
		uint8_t *byte = &space->data[offset + i];
		uint8_t writable = space->writable[offset + i];

		*byte = (uint8_t)((*byte & ~writable) | (value[i] & writable));
		*byte &= (uint8_t) ~(value[i] & space->rw1c[offset + i]);
	}
}
