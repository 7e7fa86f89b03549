/* SPDX-License-Identifier: MIT
 * vmm.c - a VMM's accesses before its guest runs
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/lib/vmm.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define PCI_COMMAND         0x04u
#define PCI_STATUS          0x06u
#define PCI_BAR0            0x10u
#define PCI_ROM             0x30u
#define PCI_CAP_POINTER     0x34u
#define PCI_COMMAND_MEM     0x0002u
#define PCI_COMMAND_MASTER  0x0004u
#define PCI_STATUS_CAP_LIST 0x0010u

#define CH_FDS_PER_MESSAGE 16u

int vmm_config_read(struct vmm *vmm, uint32_t offset, unsigned size, uint32_t *ret_value)
{
	uint8_t buf[4] = {0};
	int r = vfu_region_read(&vmm->client, VFU_REGION_CONFIG, offset, buf, size);

	if (r == 0)
		*ret_value = get_le32(buf);
	return r;
}

int vmm_config_write(struct vmm *vmm, uint32_t offset, uint32_t value, unsigned size)
{
	uint8_t buf[4];

	put_le32(buf, value);
	return vfu_region_write(&vmm->client, VFU_REGION_CONFIG, offset, buf, size);
}

/* Like CH: reads status, pointer, then id and next of each capability over the socket. */
static int walk_capabilities(struct vmm *vmm)
{
	uint32_t status = 0;
	uint32_t at = 0;
	int r = vmm_config_read(vmm, PCI_STATUS, 2, &status);

	if (r == 0 && !(status & PCI_STATUS_CAP_LIST))
		return 0;
	if (r == 0)
		r = vmm_config_read(vmm, PCI_CAP_POINTER, 1, &at);
	for (unsigned i = 0; r == 0 && at != 0; i++) {
		uint32_t id = 0;
		uint32_t next = 0;

		if (i > 48 || at < 0x40)
			return -EPROTO;
		r = vmm_config_read(vmm, at, 1, &id);
		if (r == 0)
			r = vmm_config_read(vmm, at + 1, 1, &next);
		if (r == 0 && id == PCI_CAP_MSIX)
			vmm->msix_cap = (uint8_t)at;
		if (r == 0 && id == PCI_CAP_MSI)
			vmm->msi_cap = (uint8_t)at;
		at = next;
	}
	return r;
}

static int read_vectors(struct vmm *vmm)
{
	struct vfu_irq_info info;
	uint32_t control = 0;
	int r = 0;

	if (vmm->msix_cap) {
		r = vmm_config_read(vmm, vmm->msix_cap + 2u, 2, &control);
		vmm->msix_vectors = (control & 0x7ff) + 1;
		if (r == 0)
			r = vfu_irq_info(&vmm->client, VFU_IRQ_MSIX, &info);
		if (r == 0 && info.count != vmm->msix_vectors)
			return -EPROTO;
	}
	if (r == 0 && vmm->msi_cap) {
		r = vmm_config_read(vmm, vmm->msi_cap + 2u, 2, &control);
		vmm->msi_vectors = 1u << ((control >> 1) & 7);
		if (r == 0)
			r = vfu_irq_info(&vmm->client, VFU_IRQ_MSI, &info);
		if (r == 0 && info.count != vmm->msi_vectors)
			return -EPROTO;
	}
	return r;
}

static int size_bar0(struct vmm *vmm)
{
	uint32_t old = 0;
	uint32_t low = 0;
	uint32_t high = 0xffffffff;
	int r = vmm_config_read(vmm, PCI_BAR0, 4, &old);

	if (r == 0)
		r = vmm_config_write(vmm, PCI_BAR0, 0xffffffff, 4);
	if (r == 0)
		r = vmm_config_read(vmm, PCI_BAR0, 4, &low);
	vmm->bar_64bit = (low & 6) == 4;
	if (r == 0 && vmm->bar_64bit) {
		r = vmm_config_write(vmm, PCI_BAR0 + 4, 0xffffffff, 4);
		if (r == 0)
			r = vmm_config_read(vmm, PCI_BAR0 + 4, 4, &high);
	}
	vmm->bar_size = ~((((uint64_t)high << 32) | low) & ~UINT64_C(0xf)) + 1;
	return r;
}

static int probe_rom(struct vmm *vmm)
{
	uint32_t rom = 0;
	int r = vmm_config_write(vmm, PCI_ROM, 0xffffffff, 4);

	if (r == 0)
		r = vmm_config_read(vmm, PCI_ROM, 4, &rom);
	if (r == 0 && rom != 0)
		return -EPROTO;
	return r;
}

static int read_regions(struct vmm *vmm, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct vfu_region_info info;
		int r;

		/* QEMU asks for the ROM and VGA only when it uses them */
		if (vmm->client.dialect == VFU_DIALECT_QEMU &&
		    (i == VFU_REGION_ROM || i > VFU_REGION_CONFIG))
			continue;
		r = vfu_region_info(&vmm->client, i, &info);
		if (r < 0)
			return r;
		if (info.index != i)
			return -EPROTO;
	}
	return 0;
}

static int handshake(struct vmm *vmm, int fd, enum vfu_dialect dialect,
		     struct vfu_device_info *info)
{
	int r;

	*vmm = (struct vmm){.vectors = 0};
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++)
		vmm->irq_fds[i] = -1;
	vfu_adopt(&vmm->client, fd, dialect);
	r = vfu_version(&vmm->client);
	if (r == 0)
		r = vfu_device_info(&vmm->client, info);
	/* QEMU wants 8 regions and 3 interrupt types, both VMMs want PCI (flag 2) */
	if (r == 0 && (info->num_regions < 8 || info->num_irqs < 3 || !(info->flags & 2)))
		r = -EPROTO;
	return r;
}

/* QEMU's machine reset before it runs: decoding off, DEVICE_RESET, BARs zeroed. */
static int qemu_reset(struct vmm *vmm, const struct vfu_device_info *info)
{
	uint32_t command = 0;
	int r = vmm_config_read(vmm, PCI_COMMAND, 2, &command);

	if (r == 0)
		r = vmm_config_write(vmm, PCI_COMMAND, command & ~7u, 2);
	if (r == 0 && (info->flags & 1))
		r = vfu_device_reset(&vmm->client);
	for (unsigned i = 0; r == 0 && i < 6; i++)
		r = vmm_config_write(vmm, PCI_BAR0 + 4 * i, 0, 4);
	return r;
}

int vmm_boot(struct vmm *vmm, int fd, enum vfu_dialect dialect,
	     const struct guest_ram *ram)
{
	struct vfu_device_info info = {.argsz = 0};
	uint8_t config[4096];
	int r = handshake(vmm, fd, dialect, &info);

	if (r == 0 && ram && dialect == VFU_DIALECT_QEMU)
		r = guest_ram_map(ram, &vmm->client);
	if (r == 0)
		r = read_regions(vmm, info.num_regions);
	/* QEMU reads the whole config space with one message */
	if (r == 0 && dialect == VFU_DIALECT_QEMU)
		r = vfu_region_read(&vmm->client, VFU_REGION_CONFIG, 0, config,
				    sizeof(config));
	/* CH resets a device that does not claim to support reset */
	if (r == 0 && dialect == VFU_DIALECT_CH && !(info.flags & 1))
		r = vfu_device_reset(&vmm->client);
	if (r == 0)
		r = walk_capabilities(vmm);
	if (r == 0)
		r = read_vectors(vmm);
	if (r == 0 && ram && dialect == VFU_DIALECT_CH)
		r = guest_ram_map(ram, &vmm->client);
	if (r == 0)
		r = size_bar0(vmm);
	if (r == 0)
		r = probe_rom(vmm);
	if (r == 0 && dialect == VFU_DIALECT_QEMU)
		r = qemu_reset(vmm, &info);
	return r;
}

int vmm_hand_over_memory(struct vmm *vmm, int fd, const struct guest_ram *ram)
{
	struct vfu_device_info info = {.argsz = 0};
	int r = handshake(vmm, fd, VFU_DIALECT_QEMU, &info);

	return r == 0 ? guest_ram_map(ram, &vmm->client) : r;
}

int vmm_restore(struct vmm *vmm, int fd, enum vfu_dialect dialect,
		const struct guest_ram *ram)
{
	struct vfu_device_info info = {.argsz = 0};
	int r = handshake(vmm, fd, dialect, &info);

	if (r == 0)
		r = read_regions(vmm, info.num_regions);
	if (r == 0)
		r = walk_capabilities(vmm);
	if (r == 0)
		r = read_vectors(vmm);
	if (r == 0)
		r = vmm_bus_master(vmm, true);
	if (r == 0 && ram)
		r = guest_ram_map(ram, &vmm->client);
	return r;
}

void vmm_finish(struct vmm *vmm)
{
	vfu_close(&vmm->client);
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++) {
		if (vmm->irq_fds[i] >= 0)
			(void)close(vmm->irq_fds[i]);
		vmm->irq_fds[i] = -1;
	}
}

int vmm_bus_master(struct vmm *vmm, bool on)
{
	return vmm_config_write(vmm, PCI_COMMAND,
				on ? PCI_COMMAND_MEM | PCI_COMMAND_MASTER : 0, 2);
}

static int make_eventfds(struct vmm *vmm, unsigned vectors)
{
	if (vectors > VMM_VECTORS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < vectors; i++) {
		if (vmm->irq_fds[i] < 0)
			vmm->irq_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vmm->irq_fds[i] < 0)
			return -errno;
	}
	vmm->vectors = vectors;
	return 0;
}

/* SET_IRQS for all vectors, @batch in a message. */
static int assign(struct vmm *vmm, unsigned index, unsigned vectors, unsigned batch)
{
	int r = 0;

	for (unsigned start = 0; r == 0 && start < vectors; start += batch) {
		unsigned n = MIN_OF(batch, vectors - start);

		r = vfu_set_irqs(&vmm->client,
				 VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER, index,
				 start, n, vmm->irq_fds + start, n);
	}
	return r;
}

int vmm_enable_msix(struct vmm *vmm, unsigned vectors)
{
	const uint32_t control_at = vmm->msix_cap + 2u;
	bool qemu = vmm->client.dialect == VFU_DIALECT_QEMU;
	uint32_t control = 0;
	int r = make_eventfds(vmm, vectors);

	if (!vmm->msix_cap || vectors > vmm->msix_vectors)
		return -EINVAL;
	if (r == 0)
		r = vmm_config_read(vmm, control_at, 2, &control);
	if (qemu) {
		/* enable and mask; a message without eventfds; unmask; then one vector at
		 * a time */
		if (r == 0)
			r = vmm_config_write(vmm, control_at, control | 0xc000, 2);
		if (r == 0)
			r = vfu_set_irqs(&vmm->client, 0x24, VFU_IRQ_MSIX, 0, 1, NULL, 0);
		if (r == 0)
			r = vmm_config_write(vmm, control_at,
					     (control | 0x8000) & ~0x4000u, 2);
		if (r == 0)
			r = assign(vmm, VFU_IRQ_MSIX, vectors, 1);
	} else {
		if (r == 0)
			r = assign(vmm, VFU_IRQ_MSIX, vectors, CH_FDS_PER_MESSAGE);
		if (r == 0)
			r = vmm_config_write(vmm, control_at,
					     (control | 0x8000) & ~0x4000u, 2);
	}
	if (r == 0)
		vmm->irq_index = VFU_IRQ_MSIX;
	return r;
}

int vmm_enable_msi(struct vmm *vmm, unsigned vectors)
{
	const uint32_t control_at = vmm->msi_cap + 2u;
	uint32_t control = 0;
	unsigned log2 = 0;
	int r = make_eventfds(vmm, vectors);

	if (!vmm->msi_cap || vectors > vmm->msi_vectors)
		return -EINVAL;
	while (1u << log2 < vectors)
		log2++;
	if (r == 0)
		r = vmm_config_read(vmm, control_at, 2, &control);
	if (r == 0)
		r = assign(vmm, VFU_IRQ_MSI, vectors, VMM_VECTORS_MAX);
	if (r == 0)
		r = vmm_config_write(vmm, control_at,
				     (control & ~0x70u) | (log2 << 4) | 1, 2);
	if (r == 0)
		vmm->irq_index = VFU_IRQ_MSI;
	return r;
}

int vmm_disable_irqs(struct vmm *vmm)
{
	uint32_t control_at =
		(vmm->irq_index == VFU_IRQ_MSI ? vmm->msi_cap : vmm->msix_cap) + 2u;
	uint32_t bit = vmm->irq_index == VFU_IRQ_MSI ? 1 : 0x8000;
	uint32_t control = 0;
	int r = vmm_config_read(vmm, control_at, 2, &control);

	if (vmm->irq_index == 0)
		return 0;
	if (r == 0)
		r = vmm_config_write(vmm, control_at, control & ~bit, 2);
	if (r == 0)
		r = vfu_set_irqs(&vmm->client, VFU_SET_DATA_NONE | VFU_SET_ACTION_TRIGGER,
				 vmm->irq_index, 0, 0, NULL, 0);
	vmm->irq_index = 0;
	vmm->vectors = 0;
	return r;
}

int vmm_mask_vector(struct vmm *vmm, unsigned vector)
{
	return vfu_set_irqs(&vmm->client, VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER,
			    vmm->irq_index, vector, 1, NULL, 0);
}

int vmm_unmask_vector(struct vmm *vmm, unsigned vector)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	(void)close(vmm->irq_fds[vector]);
	vmm->irq_fds[vector] = fd;
	return vfu_set_irqs(&vmm->client, VFU_SET_DATA_EVENTFD | VFU_SET_ACTION_TRIGGER,
			    vmm->irq_index, vector, 1, &fd, 1);
}

int vmm_wait_irq(struct vmm *vmm, unsigned vector, int timeout_ms)
{
	struct pollfd p = {.fd = vmm->irq_fds[vector], .events = POLLIN};
	uint64_t count = 0;
	int r;

	do {
		r = poll(&p, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	if (r < 0 || read(p.fd, &count, sizeof(count)) != sizeof(count))
		return -errno;
	return (int)MIN_OF(count, (uint64_t)INT32_MAX);
}
