/* SPDX-License-Identifier: MIT
 * function.h - a PCI function: config space, one memory BAR, MSI-X and MSI
 *
 * The owner passes config space accesses (any size, any alignment, up to the
 * whole space) and BAR0 accesses; BAR0 holds the device's registers plus, on
 * pages of their own, the MSI-X table and PBA. Interrupts leave by callback.
 * The VMM usually emulates the MSI-X table itself and masks by taking the
 * eventfd away, so mask bits written here do not hold back an interrupt; they
 * are kept only to be read back. Loop thread only.
 */
#ifndef PCI_FUNCTION_H
#define PCI_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define PCI_CONFIG_SIZE_BYTES 4096u

/* Numbers of vfio's interrupt indexes, which the irq callback gets. */
enum pci_irq_kind {
	PCI_IRQ_KIND_MSI = 1,
	PCI_IRQ_KIND_MSIX = 2,
};

/**
 * struct pci_identity - what the function is; all constant
 * @class_code:	24 bits
 * @vectors:	MSI-X table entries and MSI vectors (power of two for MSI, up to 32)
 * @with_msix:	offer MSI-X (first in the capability chain), else MSI only
 * @bar0_size_bytes: power of two; BAR0 is a 64-bit, non-prefetchable memory BAR
 * @msix_table_offset, @msix_pba_offset: in BAR0, page-aligned
 * @extra_config: bytes the class defines at @extra_offset (e.g. SBRN, FLADJ,
 *		DBESL at 0x60), read-only
 */
struct pci_identity {
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
	uint32_t class_code;
	uint8_t revision;
	unsigned vectors;
	bool with_msix;
	uint64_t bar0_size_bytes;
	uint32_t msix_table_offset, msix_pba_offset;
	uint16_t extra_offset;
	uint8_t extra_config[4];
	unsigned extra_bytes;
};

/**
 * struct pci_function_ops - what the function asks of its owner
 * @bar_read, @bar_write: access to the device's registers in BAR0 (everything
 *		outside MSI-X table and PBA; 1-8 bytes, any alignment)
 * @irq:	signal vector @vector of @kind
 * @command_changed: COMMAND was written; @bus_master says whether DMA is allowed,
 *		@memory whether BAR0 decodes
 * @irq_enabled: MSI-X or MSI was enabled: interrupts still pending in the
 *		device should be raised again
 * @bar_sized:	all-ones are being written to BAR0: a VMM is probing a function
 *		it sees for the first time (boot, not restore). Called before the write
 *		takes effect, so the owner may reset the function here
 */
struct pci_function_ops {
	uint64_t (*bar_read)(void *ctx, uint32_t offset, unsigned size);
	void (*bar_write)(void *ctx, uint32_t offset, uint64_t value, unsigned size);
	void (*irq)(void *ctx, enum pci_irq_kind kind, unsigned vector);
	void (*command_changed)(void *ctx, bool bus_master, bool memory);
	void (*irq_enabled)(void *ctx);
	void (*bar_sized)(void *ctx);
};

struct pci_function;

/* Returns owned, or NULL without memory. @ops and @ctx borrowed. */
struct pci_function *pci_function_create(const struct pci_identity *identity,
					 const struct pci_function_ops *ops, void *ctx);
void pci_function_destroy(struct pci_function *function);
/* Power-on state: config space, MSI-X table, PBA. Calls no callback. */
void pci_function_reset(struct pci_function *function);

/* @offset + @count may exceed the space: the excess reads as zeros, is not written. */
void pci_config_read(struct pci_function *function, uint64_t offset, void *buf,
		     size_t count);
void pci_config_write(struct pci_function *function, uint64_t offset, const void *buf,
		      size_t count);
/* BAR0; @count of any size is cut into naturally aligned accesses of 1-8 bytes. */
void pci_bar0_read(struct pci_function *function, uint64_t offset, void *buf,
		   size_t count);
void pci_bar0_write(struct pci_function *function, uint64_t offset, const void *buf,
		    size_t count);

/**
 * pci_irq_raise() - the device signals @vector
 *
 * Goes out as MSI-X if enabled, else MSI if enabled (vectors beyond those the
 * guest enabled fold onto vector 0), else nowhere: the owner raises it again
 * upon irq_enabled.
 */
void pci_irq_raise(struct pci_function *function, unsigned vector);

#endif /* PCI_FUNCTION_H */
