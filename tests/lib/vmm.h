/* SPDX-License-Identifier: MIT
 * vmm.h - what a VMM does with the device before its guest runs, and the PCI
 * part of a guest driver: in the order and sizes of the real programs
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
 * struct vmm - a client with a device set up
 * @bar_size:	of BAR0, as sized
 * @bar_64bit:	BAR0 is a 64-bit memory BAR
 * @msix_cap, @msi_cap: config offsets, 0 = none
 * @msix_vectors, @msi_vectors: how many the device has
 * @irq_fds:	eventfds given to the device, -1 = none
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
 * vmm_boot() - everything up to the moment the guest's first instruction runs
 * @vmm:	filled; the socket @fd is taken, also on failure
 * @ram:	mapped (borrowed); NULL = no memory
 *
 * VERSION, infos, DMA maps, capability walk, BAR sizing, and QEMU's reset.
 * Return: 0 or -errno; -EPROTO where the real VMM would give up on the device.
 */
MUST_USE int vmm_boot(struct vmm *vmm, int fd, enum vfu_dialect dialect,
		      const struct guest_ram *ram);
/* The beginning of that: what QEMU does until it has handed over the memory of its guest, which
 * may run already. */
MUST_USE int vmm_hand_over_memory(struct vmm *vmm, int fd, const struct guest_ram *ram);
/* As a VMM that restores a saved guest: no sizing, no reset. */
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
/* The guest enables MSI-X (or MSI) with @vectors vectors: eventfds go to the device. */
MUST_USE int vmm_enable_msix(struct vmm *vmm, unsigned vectors);
MUST_USE int vmm_enable_msi(struct vmm *vmm, unsigned vectors);
MUST_USE int vmm_disable_irqs(struct vmm *vmm);
/* QEMU with KVM masks by taking the eventfd away and unmasks by a new one. */
MUST_USE int vmm_mask_vector(struct vmm *vmm, unsigned vector);
MUST_USE int vmm_unmask_vector(struct vmm *vmm, unsigned vector);

/* Waits for vector @vector; consumes it. Return: signals since last time (> 0)
 * or -ETIMEDOUT. */
MUST_USE int vmm_wait_irq(struct vmm *vmm, unsigned vector, int timeout_ms);

#endif /* TESTS_LIB_VMM_H */
