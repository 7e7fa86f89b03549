/* SPDX-License-Identifier: MIT
 * msi.h - MSI-X and MSI: capabilities, enabling, the MSI-X table and PBA
 *
 * Private to src/pci. Says through which of the two, and as which vector, an
 * interrupt leaves; sends nothing itself. MSI-X is offered first in the chain:
 * Cloud Hypervisor walks the chain up to it upon every config access of the
 * guest.
 */
#ifndef PCI_MSI_H
#define PCI_MSI_H

#include <stdbool.h>
#include <stdint.h>

#include "pci/config.h"
#include "pci/function.h"

#define PCI_VECTORS_MAX     64u /* MSI-X table entries */
#define PCI_MSI_VECTORS_MAX 32u /* PCI Local Bus 3.0, 6.8.1.3 */

#define PCI_MSIX_ENTRY_BYTES 16u /* 6.8.2.6-9: address, data, vector control */

/**
 * struct pci_msi - state of both
 * @space:	where the capabilities live (borrowed)
 * @table_words: MSI-X table, only to be read back
 * @ready:	the kind that interrupts could leave by after the last update, 0 = none
 */
struct pci_msi {
	struct pci_space *space;
	unsigned vectors;
	bool with_msix;
	uint32_t table_offset, pba_offset;
	uint32_t table_words[PCI_VECTORS_MAX * PCI_MSIX_ENTRY_BYTES / 4];
	unsigned ready;
};

/* Adds the capabilities to @space and resets. */
void pci_msi_init(struct pci_msi *msi, struct pci_space *space,
		  const struct pci_identity *identity);
/* Power-on state of the table; @space has been reset by its owner. */
void pci_msi_reset(struct pci_msi *msi);

/* To be called after each write to the space. True if by it MSI-X or MSI became
 * enabled, or MSI-X lost its function mask. */
MUST_USE bool pci_msi_updated(struct pci_msi *msi);

/* Through which kind, as which vector, the device's @vector leaves. False:
 * neither is enabled. */
MUST_USE bool pci_msi_route(const struct pci_msi *msi, unsigned vector,
			    enum pci_irq_kind *ret_kind, unsigned *ret_vector);

/* BAR0 access of 1, 2, 4 or 8 bytes, naturally aligned. False if it is not to
 * table or PBA; those may be on BAR pages with other things. */
MUST_USE bool pci_msi_bar_read(const struct pci_msi *msi, uint32_t offset, unsigned size,
			       uint64_t *ret_value);
MUST_USE bool pci_msi_bar_write(struct pci_msi *msi, uint32_t offset, uint64_t value,
				unsigned size);

#endif /* PCI_MSI_H */
