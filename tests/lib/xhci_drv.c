/* SPDX-License-Identifier: MIT
 * xhci_drv.c - the test driver: registers, start and stop, commands
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/drv_device.h"
#include "tests/lib/xhci_drv.h"
#include "util/bytes.h"

#define XECP_SUPPORTED_PROTOCOL 2u

int drv_read(struct drv *drv, uint32_t offset, void *buf, unsigned size)
{
	int r = vfu_region_read(&drv->vmm->client, VFU_REGION_BAR0, offset, buf, size);

	if (r < 0 && drv->error == 0)
		drv->error = r;
	return r;
}

int drv_write(struct drv *drv, uint32_t offset, const void *buf, unsigned size)
{
	int r = vfu_bar_write(&drv->vmm->client, offset, buf, size);

	if (r < 0 && drv->error == 0)
		drv->error = r;
	return r;
}

uint32_t drv_read32(struct drv *drv, uint32_t offset)
{
	uint8_t buf[4] = {0xff, 0xff, 0xff, 0xff};

	(void)!drv_read(drv, offset, buf, sizeof(buf));
	return get_le32(buf);
}

uint64_t drv_read64(struct drv *drv, uint32_t offset)
{
	uint8_t buf[8];

	memset(buf, 0xff, sizeof(buf));
	(void)!drv_read(drv, offset, buf, sizeof(buf));
	return get_le64(buf);
}

void drv_write32(struct drv *drv, uint32_t offset, uint32_t value)
{
	uint8_t buf[4];

	put_le32(buf, value);
	(void)!drv_write(drv, offset, buf, sizeof(buf));
}

void drv_write64(struct drv *drv, uint32_t offset, uint64_t value)
{
	uint8_t buf[8];

	put_le64(buf, value);
	(void)!drv_write(drv, offset, buf, sizeof(buf));
}

static void fill_defaults(struct drv_options *o)
{
	o->interrupters = o->interrupters ? o->interrupters : 1;
	o->event_segments = o->event_segments ? o->event_segments : 1;
	o->event_trbs = o->event_trbs ? o->event_trbs : 256;
	o->command_trbs = o->command_trbs ? o->command_trbs : 64;
	o->transfer_segments = o->transfer_segments ? o->transfer_segments : 2;
	o->transfer_trbs = o->transfer_trbs ? o->transfer_trbs : 256;
}

/* Reads the kinds of the ports from the Supported Protocol capabilities (7.2). */
static int read_protocols(struct drv *drv, uint32_t hccparams1)
{
	uint32_t at = (hccparams1 >> 16) << 2;

	for (unsigned i = 0; at != 0; i++) {
		uint32_t head = drv_read32(drv, at);

		if (i > 64 || drv->error != 0)
			return drv->error ? drv->error : -EPROTO;
		if ((head & 0xff) == XECP_SUPPORTED_PROTOCOL) {
			uint32_t ports = drv_read32(drv, at + 8);
			unsigned first = ports & 0xff;
			unsigned count = (ports >> 8) & 0xff;

			if (drv_read32(drv, at + 4) != 0x20425355) /* "USB " */
				return -EPROTO;
			for (unsigned p = first; p < first + count; p++) {
				if (p == 0 || p > DRV_PORTS_MAX)
					return -EPROTO;
				drv->ports[p].exists = true;
				drv->ports[p].usb3 = (head >> 24) == 3;
			}
		}
		at = ((head >> 8) & 0xff) ? at + (((head >> 8) & 0xff) << 2) : 0;
	}
	return 0;
}

static int read_capabilities(struct drv *drv)
{
	uint32_t cap = drv_read32(drv, XCAP_CAPLENGTH);
	uint32_t hcs1 = drv_read32(drv, XCAP_HCSPARAMS1);
	uint32_t hcs2 = drv_read32(drv, XCAP_HCSPARAMS2);
	uint32_t hcc1 = drv_read32(drv, XCAP_HCCPARAMS1);

	drv->op = cap & 0xff;
	drv->hci_version = cap >> 16;
	drv->db = drv_read32(drv, XCAP_DBOFF) & ~3u;
	drv->rt = drv_read32(drv, XCAP_RTSOFF) & ~0x1fu;
	drv->max_slots = hcs1 & 0xff;
	drv->max_interrupters = (hcs1 >> 8) & 0x7ff;
	drv->max_ports = hcs1 >> 24;
	drv->scratchpads = ((hcs2 >> 16) & 0x3e0) | (hcs2 >> 27);
	drv->ac64 = (hcc1 & 1) != 0;
	drv->context_bytes = (hcc1 & 4) ? 64 : 32;
	if (drv->error != 0)
		return drv->error;
	if (drv->op < 0x20 || drv->max_slots == 0 || drv->max_ports == 0 ||
	    drv->max_ports > DRV_PORTS_MAX || drv->scratchpads > 0)
		return -EPROTO;
	return read_protocols(drv, hcc1);
}

int drv_init(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
	     const struct drv_options *options)
{
	enum guest_ram_zone zone;
	int r;

	*drv = (struct drv){.vmm = vmm, .ram = ram, .timeout_ms = DRV_TIMEOUT_MS};
	if (options)
		drv->options = *options;
	fill_defaults(&drv->options);
	zone = drv->options.ring_zone;
	drv->queue = calloc(DRV_EVENTS_MAX, sizeof(*drv->queue));
	if (!drv->queue)
		return -ENOMEM;
	r = vmm_bus_master(vmm, true);
	if (r == 0)
		r = read_capabilities(drv);
	if (r < 0)
		return r;
	if (drv->options.interrupters >
	    MIN_OF(drv->max_interrupters, DRV_INTERRUPTERS_MAX))
		return -EINVAL;
	drv->dcbaa = guest_alloc(ram, zone, 256 * 8, 4096);
	drv_ring_init(&drv->command, ram, zone, 1, drv->options.command_trbs);
	for (unsigned i = 0; i < drv->options.interrupters; i++)
		drv_event_ring_init(&drv->events[i], ram, zone,
				    drv->options.event_segments, drv->options.event_trbs);
	return 0;
}

int drv_wait_register(struct drv *drv, uint32_t offset, uint32_t mask, uint32_t value)
{
	struct timespec start;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	while ((drv_read32(drv, offset) & mask) != value) {
		if (drv->error != 0)
			return drv->error;
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 > drv->timeout_ms)
			return -ETIMEDOUT;
	}
	return drv->error;
}

int drv_halt(struct drv *drv)
{
	drv_op_write(drv, XOP_USBCMD,
		     drv_op_read(drv, XOP_USBCMD) & ~(XCMD_RS | XCMD_INTE));
	return drv_wait_register(drv, drv->op + XOP_USBSTS, XSTS_HCH, XSTS_HCH);
}

int drv_reset(struct drv *drv)
{
	int r;

	drv_op_write(drv, XOP_USBCMD, XCMD_HCRST);
	r = drv_wait_register(drv, drv->op + XOP_USBCMD, XCMD_HCRST, 0);
	return r < 0 ? r : drv_wait_register(drv, drv->op + XOP_USBSTS, XSTS_CNR, 0);
}

void drv_setup(struct drv *drv)
{
	memset(drv->dcbaa.ptr, 0, drv->dcbaa.size_bytes);
	drv_ring_clear(&drv->command);
	drv_op_write(drv, XOP_CONFIG, drv->max_slots);
	drv_write64(drv, drv->op + XOP_DCBAAP, drv->dcbaa.iova);
	drv_write64(drv, drv->op + XOP_CRCR, drv->command.memory[0].iova | XCRCR_RCS);
	drv_op_write(drv, XOP_DNCTRL, 2);
	for (unsigned i = 0; i < drv->options.interrupters; i++) {
		struct drv_event_ring *ring = &drv->events[i];

		drv_event_ring_clear(ring);
		drv_write32(drv, drv_ir(drv, i, XIR_ERSTSZ), ring->segments);
		drv_write64(drv, drv_ir(drv, i, XIR_ERDP),
			    drv_event_ring_erdp(ring) | XERDP_EHB);
		drv_write64(drv, drv_ir(drv, i, XIR_ERSTBA), ring->table.iova);
		drv_write32(drv, drv_ir(drv, i, XIR_IMOD), drv->options.imod);
		drv_write32(drv, drv_ir(drv, i, XIR_IMAN), XIMAN_IE | XIMAN_IP);
	}
	drv_forget(drv);
}

int drv_run(struct drv *drv)
{
	drv_op_write(drv, XOP_USBCMD, XCMD_RS | XCMD_INTE | XCMD_HSEE);
	return drv_wait_register(drv, drv->op + XOP_USBSTS, XSTS_HCH, 0);
}

int drv_start(struct drv *drv, struct vmm *vmm, struct guest_ram *ram,
	      const struct drv_options *options)
{
	int r = drv_init(drv, vmm, ram, options);

	if (r == 0)
		r = drv_halt(drv);
	if (r == 0)
		r = drv_reset(drv);
	if (r == 0 && drv->options.irq == DRV_IRQ_MSIX)
		r = vmm_enable_msix(vmm, drv->options.interrupters);
	if (r == 0 && drv->options.irq == DRV_IRQ_MSI)
		r = vmm_enable_msi(vmm, 1);
	if (r < 0)
		return r;
	drv_setup(drv);
	return drv_run(drv);
}

void drv_finish(struct drv *drv)
{
	for (unsigned i = 0; i < ARRAY_SIZE(drv->slots); i++)
		free(drv->slots[i]);
	free(drv->queue);
	*drv = (struct drv){.vmm = NULL};
}

void drv_doorbell(struct drv *drv, unsigned slot_id, unsigned target, unsigned stream)
{
	drv_write32(drv, drv->db + 4 * slot_id, target | (stream << 16));
}

uint64_t drv_command_push(struct drv *drv, struct drv_trb trb)
{
	return drv_ring_push(&drv->command, trb);
}

static bool is_completion_of(const struct drv_event *event, const void *ctx)
{
	return drv_trb_type(&event->trb) == XTRB_COMMAND_COMPLETION &&
	       event->trb.parameter == *(const uint64_t *)ctx;
}

int drv_command_wait(struct drv *drv, uint64_t trb, struct drv_event *ret_event)
{
	struct drv_event event;
	int r = drv_wait(drv, is_completion_of, &trb, &event, drv->timeout_ms);

	if (r < 0)
		return r;
	if (ret_event)
		*ret_event = event;
	return (int)drv_event_code(&event);
}

int drv_command(struct drv *drv, struct drv_trb trb, struct drv_event *ret_event)
{
	uint64_t at = drv_command_push(drv, trb);

	drv_doorbell(drv, 0, 0, 0);
	return drv_command_wait(drv, at, ret_event);
}

int drv_command_slot(struct drv *drv, enum xtrb type, unsigned slot_id,
		     uint64_t parameter, uint32_t flags)
{
	struct drv_trb trb = {
		.parameter = parameter,
		.control = XTRB_TYPE(type) | XTRB_SLOT(slot_id) | flags,
	};

	return drv_command(drv, trb, NULL);
}
