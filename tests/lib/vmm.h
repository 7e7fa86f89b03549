/* SPDX-License-Identifier: MIT
 * vmm.h - a VMM's accesses before its guest runs, and the PCI part of a guest driver, in
 * the order and sizes of the real programs
 */
#ifndef TESTS_LIB_VMM_H
#define TESTS_LIB_VMM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/guest_ram.h"
#include "tests/lib/vfu_client.h"

#define VMM_VECTORS_MAX 32u

#define PCI_CAP_MSI  0x05u
#define PCI_CAP_MSIX 0x11u

/**
 * struct vmm - a client that has set up a device
 * @bar_size:	of BAR0, from sizing the BAR
 * @bar_64bit:	BAR0 is a 64-bit memory BAR
 * @msix_cap, @msi_cap: config offsets, 0 = none
 * @msix_vectors, @msi_vectors: number of vectors of the device
 * @irq_fds:	eventfds that the device has, -1 = none
 * @irq_index:	VFU_IRQ_MSIX or _MSI when enabled, else 0
 */
struct vmm {
	struct vfu_client client;
	uint64_t bar_size;
	bool bar_64bit;
	uint8_t msix_cap;
	uint8_t msi_cap;
	unsigned msix_vectors;
	unsigned msi_vectors;
	int irq_fds[VMM_VECTORS_MAX];
	unsigned vectors;
	unsigned irq_index;
};

/**
 * vmm_boot() - all messages up to the guest's first instruction
 * @vmm:	initialised; takes the socket @fd, also on failure
 * @ram: to map (borrowed); NULL = no memory
 *
 * VERSION, infos, DMA maps, capability walk, BAR sizing, and QEMU's reset.
 * Return: 0 or -errno; -EPROTO where the real VMM would refuse the device.
 */
MUST_USE int vmm_boot(struct vmm *vmm, int fd, enum vfu_dialect dialect,
		      const struct guest_ram *ram);
/* The beginning of vmm_boot(): QEMU's messages until it has mapped the memory of its
 * guest, which may run already. */
MUST_USE int vmm_hand_over_memory(struct vmm *vmm, int fd, const struct guest_ram *ram);
/* Like a VMM that restores a saved guest: no sizing, no reset. */
MUST_USE int vmm_restore(struct vmm *vmm, int fd, enum vfu_dialect dialect,
			 const struct guest_ram *ram);
/* Closes the connection and the eventfds. */
void vmm_finish(struct vmm *vmm);

MUST_USE int vmm_config_read(struct vmm *vmm, uint32_t offset, unsigned size,
			     uint32_t *ret_value);
MUST_USE int vmm_config_write(struct vmm *vmm, uint32_t offset, uint32_t value,
			      unsigned size);
/* COMMAND: memory decoding and bus mastering on or off. */
MUST_USE int vmm_bus_master(struct vmm *vmm, bool on);
/* The guest enables MSI-X (or MSI) with @vectors vectors; sends their eventfds to the
 * device. */
MUST_USE int vmm_enable_msix(struct vmm *vmm, unsigned vectors);
MUST_USE int vmm_enable_msi(struct vmm *vmm, unsigned vectors);
MUST_USE int vmm_disable_irqs(struct vmm *vmm);
/* QEMU with KVM masks a vector by removing its eventfd and unmasks it with a new one. */
MUST_USE int vmm_mask_vector(struct vmm *vmm, unsigned vector);
MUST_USE int vmm_unmask_vector(struct vmm *vmm, unsigned vector);

/* Waits for vector @vector and resets its eventfd. Return: signals since the last call
 * (> 0) or -ETIMEDOUT. */
MUST_USE int vmm_wait_irq(struct vmm *vmm, unsigned vector, int timeout_ms);

#endif /* TESTS_LIB_VMM_H */
