/* SPDX-License-Identifier: MIT
 * config.h - the bytes of a PCI configuration space and who may change them
 *
 * Private to src/pci. Each byte has a mask of bits that a write changes and a
 * mask of bits that writing 1 clears (PCI Local Bus 3.0, 6.2.3); all others
 * are read-only. Writes have no side effects here: function.c looks at what
 * changed. Allocates nothing.
 */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "pci/function.h"

/* Header type 0 (PCI Local Bus 3.0, 6.1), and what of it we use. */
enum pci_reg {
	PCI_REG_VENDOR_ID = 0x00,
	PCI_REG_DEVICE_ID = 0x02,
	PCI_REG_COMMAND = 0x04,
	PCI_REG_STATUS = 0x06,
	PCI_REG_REVISION = 0x08,
	PCI_REG_CLASS_CODE = 0x09, /* 3 bytes */
	PCI_REG_CACHE_LINE_SIZE = 0x0c,
	PCI_REG_LATENCY_TIMER = 0x0d,
	PCI_REG_BAR0 = 0x10,
	PCI_REG_BAR1 = 0x14,
	PCI_REG_SUBSYSTEM_VENDOR_ID = 0x2c,
	PCI_REG_SUBSYSTEM_ID = 0x2e,
	PCI_REG_CAP_POINTER = 0x34,
	PCI_REG_INTERRUPT_LINE = 0x3c,
};

#define PCI_COMMAND_MEMORY       0x0002u
#define PCI_COMMAND_BUS_MASTER   0x0004u
#define PCI_COMMAND_PARITY       0x0040u
#define PCI_COMMAND_SERR         0x0100u
#define PCI_COMMAND_INTX_DISABLE 0x0400u

#define PCI_STATUS_CAP_LIST 0x0010u
/* detected parity error, signalled system error, master and target aborts,
 * master data parity error */
#define PCI_STATUS_RW1C 0xf900u

#define PCI_BAR_MEMORY_64 0x4u

enum pci_cap_id {
	PCI_CAP_ID_MSI = 0x05,
	PCI_CAP_ID_MSIX = 0x11,
};

/**
 * struct pci_space - one configuration space
 * @writable:	bits a write sets and clears
 * @rw1c:	bits that writing 1 clears
 * @power_on:	what @data is after reset
 * @last_cap:	offset of the pointer that the next capability is linked to
 */
struct pci_space {
	uint8_t data[PCI_CONFIG_SIZE_BYTES];
	uint8_t writable[PCI_CONFIG_SIZE_BYTES];
	uint8_t rw1c[PCI_CONFIG_SIZE_BYTES];
	uint8_t power_on[PCI_CONFIG_SIZE_BYTES];
	uint16_t last_cap;
};

/* Fills header, BAR0 and the extra bytes from @identity; resets. */
void pci_space_init(struct pci_space *space, const struct pci_identity *identity);
/* Appends a capability of @id at @offset (multiple of 4, at least 0x40) to the
 * chain; the caller fills in what follows the two header bytes. */
void pci_space_add_cap(struct pci_space *space, enum pci_cap_id id, uint8_t offset);
/* For set-up: the power-on value at @offset and the bits software may change. */
void pci_space_define16(struct pci_space *space, uint16_t offset, uint16_t value,
			uint16_t writable);
void pci_space_define32(struct pci_space *space, uint16_t offset, uint32_t value,
			uint32_t writable);
/* Power-on values again. */
void pci_space_reset(struct pci_space *space);

/* Any range; bytes beyond the space read as zeros and are not written. */
void pci_space_read(const struct pci_space *space, uint64_t offset, void *buf,
		    size_t count);
void pci_space_write(struct pci_space *space, uint64_t offset, const void *buf,
		     size_t count);

#endif /* PCI_CONFIG_H */
