/* SPDX-License-Identifier: MIT
 * regs.c - BAR0: which register is where, and accesses of any width (5.3 to 5.6, 7)
 *
 * Every register is a dword here; a 64-bit one is two. An access takes the
 * dwords it touches in ascending order. A read assembles bytes. A write of a whole
 * dword is the register write. A narrower or unaligned one takes the other bytes
 * from the register's rest value: the value it reads, with every bit 0 that would act
 * when written back as 1 (RW1C, RW1S, PORTSC.LWS); for CRCR, which does not read back,
 * the value it was set to. So bytes left alone change nothing. A doorbell rings only if
 * the write covers its byte 0, the target.
 *
 * There is no USB Legacy Support capability. It is the hand-over between firmware in system
 * management mode and an operating system, and there is no such firmware here. Drivers
 * take its absence as "nothing to hand over"; its presence makes some wait for a
 * semaphore that no firmware would ever release.
 */
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "xhci/command.h"
#include "xhci/controller.h"
#include "xhci/interrupter.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/usbcmd.h"

#define PAGESIZE_4K 1u
#define DNCTRL_RW   0xffffu
#define CONFIG_RW   0xffu    /* MaxSlotsEn */
#define POINTER_LO  (~0x3fu) /* of DCBAAP */
#define USBCMD_RW   (XHCI_USBCMD_INTE | XHCI_USBCMD_HSEE | XHCI_USBCMD_EWE)
#define USBSTS_RW1C \
	(XHCI_USBSTS_HSE | XHCI_USBSTS_EINT | XHCI_USBSTS_PCD | XHCI_USBSTS_SRE)
#define MFINDEX_MASK (XHCI_MFINDEX_UFRAMES - 1u)
#define PORTSC_ACTING                                                               \
	(XHCI_PORTSC_PED | XHCI_PORTSC_PR | XHCI_PORTSC_LWS | XHCI_PORTSC_CHANGES | \
	 XHCI_PORTSC_WPR)
#define DOORBELL_TARGET 0xffu
#define DWORD           4u

/* Isochronous Scheduling Threshold 7 frames (bit 3: frames): a host adds
 * milliseconds that real hardware does not have. */
#define HCSPARAMS2 (0xfu | XHCI_ERST_MAX_LOG2 << 4)

/* The extended capabilities (7.2): two Supported Protocols */
#define XCAP_ID_PROTOCOL 2u
#define XCAP_DWORDS      8u          /* from one to the next */
#define XCAP_NAME        0x20425355u /* "USB " */
#define XCAP_PSIC(n)     ((n) << 28)
/* Protocol Speed IDs of USB 3 (7.2.1): symmetric, full duplex, mantissa << 16 Gb/s */
#define PSI_GBPS   (3u << 4)
#define PSI_DUPLEX BIT(8)
#define PSI_PLUS   (1u << 14)
#define PSI_5G     ((uint32_t)USBDEV_SPEED_SUPER | PSI_GBPS | PSI_DUPLEX | 5u << 16)
#define PSI_10G \
	((uint32_t)USBDEV_SPEED_SUPER_PLUS | PSI_GBPS | PSI_DUPLEX | PSI_PLUS | 10u << 16)
/* over two lanes, as PORTLI says */
#define PSI_20G                                                                    \
	((uint32_t)USBDEV_SPEED_SUPER_PLUS_X2 | PSI_GBPS | PSI_DUPLEX | PSI_PLUS | \
	 20u << 16)

enum space {
	SPACE_NONE,
	SPACE_CAPABILITY,
	SPACE_OPERATIONAL,
	SPACE_PORT,
	SPACE_XCAPS,
	SPACE_MFINDEX,
	SPACE_INTERRUPTER,
	SPACE_DOORBELL,
};

/* A dword of the BAR. @index: port 1..n, interrupter or slot number; @reg: offset
 * in its space. */
struct place {
	enum space space;
	unsigned index;
	uint32_t reg;
};

static struct place place_of(const struct xhci *xhci, uint64_t offset)
{
	uint32_t at = (uint32_t)offset;
	uint32_t ports_bytes = xhci_port_count(xhci) * XHCI_PORT_STRIDE;

	if (offset >= XHCI_BAR_SIZE_BYTES)
		return (struct place){.space = SPACE_NONE};
	if (at < XHCI_OFF_OPER)
		return (struct place){.space = SPACE_CAPABILITY, .reg = at};
	if (at < XHCI_OFF_PORTS)
		return (struct place){.space = SPACE_OPERATIONAL,
				      .reg = at - XHCI_OFF_OPER};
	if (at < XHCI_OFF_PORTS + ports_bytes) {
		at -= XHCI_OFF_PORTS;
		return (struct place){.space = SPACE_PORT,
				      .index = at / XHCI_PORT_STRIDE + 1,
				      .reg = at % XHCI_PORT_STRIDE};
	}
	if (at >= XHCI_OFF_XCAPS && at < XHCI_OFF_XCAPS + 2 * XCAP_DWORDS * DWORD)
		return (struct place){.space = SPACE_XCAPS, .reg = at - XHCI_OFF_XCAPS};
	if (at == XHCI_OFF_RUNTIME)
		return (struct place){.space = SPACE_MFINDEX};
	if (at >= XHCI_OFF_INTR &&
	    at < XHCI_OFF_INTR + XHCI_INTERRUPTERS * XHCI_INTR_STRIDE) {
		at -= XHCI_OFF_INTR;
		return (struct place){.space = SPACE_INTERRUPTER,
				      .index = at / XHCI_INTR_STRIDE,
				      .reg = at % XHCI_INTR_STRIDE};
	}
	if (at >= XHCI_OFF_DOORBELLS && at <= XHCI_OFF_DOORBELLS + XHCI_SLOTS * DWORD)
		return (struct place){.space = SPACE_DOORBELL,
				      .index = (at - XHCI_OFF_DOORBELLS) / DWORD};
	return (struct place){.space = SPACE_NONE};
}

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static uint32_t capability_read(const struct xhci *xhci, uint32_t reg)
{
	switch (reg) {
	case XHCI_CAP_CAPLENGTH:
		return XHCI_OFF_OPER | XHCI_HCIVERSION << 16;
	case XHCI_CAP_HCSPARAMS1:
		return XHCI_SLOTS | XHCI_INTERRUPTERS << 8 | xhci_port_count(xhci) << 24;
	case XHCI_CAP_HCSPARAMS2:
		return HCSPARAMS2;
	case XHCI_CAP_HCCPARAMS1:
		return XHCI_HCC1_AC64 | XHCI_MAX_PSA_SIZE << XHCI_HCC1_MAX_PSA |
		       (XHCI_OFF_XCAPS / DWORD) << 16;
	case XHCI_CAP_DBOFF:
		return XHCI_OFF_DOORBELLS;
	case XHCI_CAP_RTSOFF:
		return XHCI_OFF_RUNTIME;
	default:
		return 0;
	}
}

static uint32_t xcaps_read(const struct xhci *xhci, uint32_t reg)
{
	bool usb3 = reg >= XCAP_DWORDS * DWORD;
	unsigned ports = xhci->ports_per_kind;
	unsigned first = usb3 ? ports + 1 : 1;

	switch (reg % (XCAP_DWORDS * DWORD)) {
	case 0x00: /* ID, next (0 = last), revision in BCD: 2.00, 3.20 */
		return XCAP_ID_PROTOCOL |
		       (usb3 ? 0x03200000u : 0x02000000u | XCAP_DWORDS << 8);
	case 0x04:
		return XCAP_NAME;
	case 0x08: /* USB 2 has the default speed IDs, and no hardware LPM */
		return first | ports << 8 | (usb3 ? XCAP_PSIC(3u) : 0);
	case 0x10:
		return usb3 ? PSI_5G : 0;
	case 0x14:
		return usb3 ? PSI_10G : 0;
	case 0x18:
		return usb3 ? PSI_20G : 0;
	default: /* 0x0c: slot type 0 */
		return 0;
	}
}

static uint32_t mfindex_read(const struct xhci *xhci)
{
	return xhci->halted ? 0 : (uint32_t)xhci_uframes(xhci) & MFINDEX_MASK;
}

static uint32_t operational_read(const struct xhci *xhci, uint32_t reg)
{
	switch (reg) {
	case XHCI_OP_USBCMD:
		return xhci->usbcmd;
	case XHCI_OP_USBSTS:
		return xhci->usbsts | (xhci->halted ? XHCI_USBSTS_HCH : 0);
	case XHCI_OP_PAGESIZE:
		return PAGESIZE_4K;
	case XHCI_OP_DNCTRL:
		return xhci->dnctrl;
	case XHCI_OP_CRCR_LO:
		return xhci_commands_crcr(xhci);
	case XHCI_OP_DCBAAP_LO:
		return low(xhci->dcbaap);
	case XHCI_OP_DCBAAP_HI:
		return high(xhci->dcbaap);
	case XHCI_OP_CONFIG:
		return xhci->config;
	default:
		return 0;
	}
}

/* 5.4.1. CSS and CRS complete at once, so SSS and RSS never read as 1. */
static void usbcmd_write(struct xhci *xhci, uint32_t value)
{
	bool run = (value & XHCI_USBCMD_RS) != 0;

	if (value & XHCI_USBCMD_HCRST) {
		xhci_hcrst(xhci);
		return;
	}
	if (value & XHCI_USBCMD_CSS)
		xhci_save_state(xhci);
	if (value & XHCI_USBCMD_CRS)
		xhci_restore_state(xhci);
	xhci->usbcmd = (xhci->usbcmd & ~USBCMD_RW) | (value & USBCMD_RW);
	if (run != ((xhci->usbcmd & XHCI_USBCMD_RS) != 0))
		xhci_set_running(xhci, run);
	xhci_kick(xhci); /* INTE, EWE */
}

static void operational_write(struct xhci *xhci, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case XHCI_OP_USBCMD:
		usbcmd_write(xhci, value);
		break;
	case XHCI_OP_USBSTS:
		xhci->usbsts &= ~(value & USBSTS_RW1C);
		break;
	case XHCI_OP_DNCTRL:
		xhci->dnctrl = value & DNCTRL_RW;
		break;
	case XHCI_OP_CRCR_LO:
		xhci_commands_set_crcr_lo(xhci, value);
		break;
	case XHCI_OP_CRCR_HI:
		xhci_commands_set_crcr_hi(xhci, value);
		break;
	case XHCI_OP_DCBAAP_LO:
		xhci->dcbaap = with_low32(xhci->dcbaap, value & POINTER_LO);
		break;
	case XHCI_OP_DCBAAP_HI:
		xhci->dcbaap = with_high32(xhci->dcbaap, value);
		break;
	case XHCI_OP_CONFIG:
		xhci->config = value & CONFIG_RW;
		break;
	default:
		break;
	}
}

static uint32_t dword_read(struct xhci *xhci, const struct place *place)
{
	switch (place->space) {
	case SPACE_CAPABILITY:
		return capability_read(xhci, place->reg);
	case SPACE_OPERATIONAL:
		return operational_read(xhci, place->reg);
	case SPACE_PORT:
		return xhci_port_read(xhci_port(xhci, place->index), place->reg);
	case SPACE_XCAPS:
		return xcaps_read(xhci, place->reg);
	case SPACE_MFINDEX:
		return mfindex_read(xhci);
	case SPACE_INTERRUPTER:
		return xhci_interrupter_read(xhci, place->index, place->reg);
	case SPACE_DOORBELL:
	case SPACE_NONE:
	default:
		return 0;
	}
}

/* The value that, written back, changes nothing. */
static uint32_t dword_rest(struct xhci *xhci, const struct place *place)
{
	uint32_t value = dword_read(xhci, place);

	switch (place->space) {
	case SPACE_OPERATIONAL:
		if (place->reg == XHCI_OP_USBSTS)
			return 0;
		if (place->reg == XHCI_OP_CRCR_LO)
			return low(xhci_commands_crcr_rest(xhci));
		if (place->reg == XHCI_OP_CRCR_HI)
			return high(xhci_commands_crcr_rest(xhci));
		return value;
	case SPACE_PORT:
		return place->reg == XHCI_PORT_PORTSC ? value & ~PORTSC_ACTING : value;
	case SPACE_INTERRUPTER:
		if (place->reg == XHCI_INTR_IMAN)
			return value & ~XHCI_IMAN_IP;
		if (place->reg == XHCI_INTR_ERDP_LO)
			return value & ~XHCI_ERDP_EHB;
		return value;
	case SPACE_CAPABILITY:
	case SPACE_XCAPS:
	case SPACE_MFINDEX:
	case SPACE_DOORBELL:
	case SPACE_NONE:
	default:
		return 0;
	}
}

static void doorbell_write(struct xhci *xhci, unsigned slot_id, uint32_t value)
{
	if (slot_id == 0)
		xhci_commands_doorbell(xhci, value);
	else
		xhci_slot_doorbell(xhci, slot_id, value);
}

/* @mask: ones in the bytes that the guest has written */
static void dword_write(struct xhci *xhci, const struct place *place, uint32_t value,
			uint32_t mask)
{
	value &= mask;
	if (mask != UINT32_MAX)
		value |= dword_rest(xhci, place) & ~mask;

	switch (place->space) {
	case SPACE_OPERATIONAL:
		operational_write(xhci, place->reg, value);
		break;
	case SPACE_PORT:
		xhci_port_write(xhci_port(xhci, place->index), place->reg, value);
		break;
	case SPACE_INTERRUPTER:
		xhci_interrupter_write(xhci, place->index, place->reg, value);
		break;
	case SPACE_DOORBELL:
		if (mask & DOORBELL_TARGET)
			doorbell_write(xhci, place->index, value);
		break;
	case SPACE_CAPABILITY:
	case SPACE_XCAPS:
	case SPACE_MFINDEX:
	case SPACE_NONE:
	default:
		break;
	}
}

/* The bytes of a dword that an access has in common with it: [skip, skip + count). */
static unsigned bytes_in_dword(uint64_t offset, unsigned left)
{
	unsigned room = DWORD - (unsigned)(offset % DWORD);

	return MIN_OF(room, left);
}

/* The lowest @count bytes, up to all of a dword. */
static uint32_t low_bytes(unsigned count)
{
	return (uint32_t)((UINT64_C(1) << (MIN_OF(count, DWORD) * 8)) - 1);
}

uint64_t xhci_mmio_read(struct xhci *xhci, uint32_t offset, unsigned size)
{
	uint64_t value = 0;
	unsigned done = 0;

	size = MIN_OF(size, (unsigned)sizeof(value));
	while (done < size) {
		uint64_t at = (uint64_t)offset + done;
		unsigned skip = (unsigned)(at % DWORD);
		unsigned count = bytes_in_dword(at, size - done);
		struct place place = place_of(xhci, at - skip);
		uint32_t dword = dword_read(xhci, &place) >> (skip * 8);

		value |= (uint64_t)(dword & low_bytes(count)) << (done * 8);
		done += count;
	}
	return value;
}

void xhci_mmio_write(struct xhci *xhci, uint32_t offset, uint64_t value, unsigned size)
{
	unsigned done = 0;

	size = MIN_OF(size, (unsigned)sizeof(value));
	while (done < size) {
		uint64_t at = (uint64_t)offset + done;
		unsigned skip = (unsigned)(at % DWORD);
		unsigned count = bytes_in_dword(at, size - done);
		struct place place = place_of(xhci, at - skip);
		uint32_t mask = low_bytes(count) << (skip * 8);
		uint32_t dword = (uint32_t)(value >> (done * 8)) << (skip * 8);

		dword_write(xhci, &place, dword & mask, mask);
		done += count;
	}
}
