/* SPDX-License-Identifier: MIT
 * test_regs.c - BAR0: what registers read, what writes of every width do
 */
#include "driver.h"

#include <string.h>

#include "xhci/command.h"
#include "xhci/controller.h"
#include "xhci/interrupter.h"
#include "xhci/port.h"

static uint8_t read8(struct fixture *f, uint32_t offset)
{
	return (uint8_t)xhci_mmio_read(f->xhci, offset, 1);
}

static void write8(struct fixture *f, uint32_t offset, uint8_t value)
{
	xhci_mmio_write(f->xhci, offset, value, 1);
}

static void write16(struct fixture *f, uint32_t offset, uint16_t value)
{
	xhci_mmio_write(f->xhci, offset, value, 2);
}

static void test_capabilities(void **state)
{
	struct fixture *f = *state;
	uint32_t hcsparams1 = read32(f, XHCI_CAP_HCSPARAMS1);
	uint32_t hcsparams2 = read32(f, XHCI_CAP_HCSPARAMS2);
	uint32_t hccparams1 = read32(f, XHCI_CAP_HCCPARAMS1);

	assert_int_equal(read8(f, XHCI_CAP_CAPLENGTH), XHCI_OFF_OPER);
	assert_int_equal(xhci_mmio_read(f->xhci, XHCI_CAP_CAPLENGTH + 2, 2), 0x0100);
	assert_int_equal(hcsparams1 & 0xff, 64);
	assert_int_equal((hcsparams1 >> 8) & 0x7ff, 8);
	assert_int_equal(hcsparams1 >> 24, 2 * FIXTURE_PORTS);
	assert_int_equal((hcsparams2 >> 4) & 0xf, XHCI_ERST_MAX_LOG2);
	assert_int_equal(hcsparams2 >> 21, 0); /* no scratchpads */
	assert_int_equal(hccparams1 & 0xfff, XHCI_HCC1_AC64);
	assert_int_equal((hccparams1 >> 12) & 0xf, XHCI_MAX_PSA_SIZE);
	assert_int_equal((hccparams1 >> 16) * 4, XHCI_OFF_XCAPS);
	assert_int_equal(read32(f, XHCI_CAP_DBOFF), XHCI_OFF_DOORBELLS);
	assert_int_equal(read32(f, XHCI_CAP_RTSOFF), XHCI_OFF_RUNTIME);
	assert_int_equal(read32(f, XHCI_CAP_RTSOFF) + 0x20, XHCI_OFF_INTR);
	for (uint32_t at = XHCI_CAP_HCCPARAMS2; at < XHCI_OFF_OPER; at += 4)
		assert_int_equal(read32(f, at), 0);
	write32(f, XHCI_CAP_HCSPARAMS1, 0);
	assert_int_equal(read32(f, XHCI_CAP_HCSPARAMS1), hcsparams1);
}

/* The two Supported Protocols cover all ports, once. */
static void test_protocols(void **state)
{
	struct fixture *f = *state;
	uint32_t at = XHCI_OFF_XCAPS;
	uint32_t first = read32(f, at);
	uint32_t second;

	assert_int_equal(first & 0xff, 2);
	assert_int_equal(first >> 16, 0x0200);
	assert_int_equal(read32(f, at + 4), 0x20425355);
	assert_int_equal(read32(f, at + 8), 1 | FIXTURE_PORTS << 8);
	assert_int_equal(read32(f, at + 12), 0);
	at += ((first >> 8) & 0xff) * 4;
	assert_int_not_equal(at, XHCI_OFF_XCAPS);
	second = read32(f, at);
	assert_int_equal(second & 0xff, 2);
	assert_int_equal(second >> 16, 0x0320);
	assert_int_equal((second >> 8) & 0xff, 0);
	assert_int_equal(read32(f, at + 4), 0x20425355);
	assert_int_equal(read32(f, at + 8),
			 (FIXTURE_PORTS + 1) | FIXTURE_PORTS << 8 | 3u << 28);
	assert_int_equal(read32(f, at + 12), 0);
	/* ID 4: 5 Gb/s, ID 5: 10 Gb/s, ID 7: 20 Gb/s, full duplex, symmetric; SuperSpeedPlus protocol */
	assert_int_equal(read32(f, at + 16), 0x00050134);
	assert_int_equal(read32(f, at + 20), 0x000a4135);
	assert_int_equal(read32(f, at + 24), 0x00144137);
}

/* Any width at any alignment shows the same bytes. */
static void test_read_widths(void **state)
{
	static const unsigned sizes[] = {2, 4, 8};
	static uint8_t image[XHCI_BAR_SIZE_BYTES + 16];
	struct fixture *f = *state;

	fixture_start(f);
	for (uint32_t at = 0; at < sizeof(image); at++)
		image[at] = read8(f, at);
	for (uint32_t at = 0; at < sizeof(image) - 8; at++) {
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint64_t want = 0;

			memcpy(&want, image + at, sizes[i]);
			assert_int_equal(xhci_mmio_read(f->xhci, at, sizes[i]),
					 le64toh(want));
		}
	}
	/* and the bytes are those of the dwords */
	for (uint32_t at = 0; at < XHCI_BAR_SIZE_BYTES; at += 4)
		assert_int_equal(read32(f, at), get_le32(image + at));
}

/* Offsets without a register: nothing happens. */
static void test_holes(void **state)
{
	static const uint32_t holes[] = {
		0x20,
		OPER(USBCMD) + 0x0c,
		OPER(CONFIG) + 4,
		XHCI_OFF_PORTS - 4,
		PORT(2 * FIXTURE_PORTS + 1, PORTSC),
		XHCI_OFF_XCAPS + 0x18, /* of USB 2: no speed IDs */
		XHCI_OFF_XCAPS + 0x3c,
		XHCI_OFF_XCAPS + 0x40,
		XHCI_OFF_RUNTIME + 4,
		INTR(XHCI_INTERRUPTERS, IMAN),
		XHCI_OFF_DOORBELLS - 4,
		DOORBELL(XHCI_SLOTS + 1),
		XHCI_BAR_MSIX_TABLE,
		XHCI_BAR_SIZE_BYTES - 4,
		XHCI_BAR_SIZE_BYTES,
		0x7ffffffe,
		0xfffffffc,
		0xffffffff,
	};
	static const unsigned sizes[] = {1, 2, 4, 8};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(holes); i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(sizes); j++) {
			xhci_mmio_write(f->xhci, holes[i], UINT64_C(0xffffffff),
					sizes[j]);
			if (sizes[j] <= 4)
				assert_int_equal(
					xhci_mmio_read(f->xhci, holes[i], sizes[j]), 0);
		}
	}
	/* the last bytes before a wrap of the offset do not reach register 0 */
	assert_int_equal(xhci_mmio_read(f->xhci, 0xfffffffe, 8), 0);
}

static void test_operational(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read32(f, OPER(USBCMD)), 0);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
	assert_int_equal(read32(f, OPER(PAGESIZE)), 1);
	write32(f, OPER(PAGESIZE), 0xffff);
	assert_int_equal(read32(f, OPER(PAGESIZE)), 1);
	write32(f, OPER(DNCTRL), UINT32_MAX);
	assert_int_equal(read32(f, OPER(DNCTRL)), 0xffff);
	write32(f, OPER(CONFIG), UINT32_MAX);
	assert_int_equal(read32(f, OPER(CONFIG)), 0xff);
	write64(f, OPER(DCBAAP_LO), UINT64_C(0x123456789abcdeff));
	assert_int_equal(read32(f, OPER(DCBAAP_LO)), 0x9abcdec0);
	assert_int_equal(read32(f, OPER(DCBAAP_HI)), 0x12345678);
	write32(f, OPER(DCBAAP_HI), 1);
	assert_int_equal(xhci_mmio_read(f->xhci, OPER(DCBAAP_LO), 8),
			 UINT64_C(0x19abcdec0));
}

/* RW1C bits in bytes that are not written stay; in bytes that are, they go. */
static void test_narrow_usbsts(void **state)
{
	struct fixture *f = *state;
	const uint32_t all = XHCI_USBSTS_EINT | XHCI_USBSTS_PCD | XHCI_USBSTS_SRE;

	f->xhci->usbsts = all;
	write8(f, OPER(USBSTS) + 2, 0xff);
	write8(f, OPER(USBSTS) + 3, 0xff);
	assert_int_equal(read32(f, OPER(USBSTS)), all | XHCI_USBSTS_HCH);
	write8(f, OPER(USBSTS) + 1, 0xff);
	assert_int_equal(read32(f, OPER(USBSTS)),
			 XHCI_USBSTS_EINT | XHCI_USBSTS_PCD | XHCI_USBSTS_HCH);
	write8(f, OPER(USBSTS), (uint8_t)XHCI_USBSTS_EINT);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_PCD | XHCI_USBSTS_HCH);
}

static void test_narrow_portsc(void **state)
{
	struct fixture *f = *state;
	uint32_t *portsc = &f->xhci->ports[0].portsc;
	const uint32_t before = XHCI_PORTSC_CCS | XHCI_PORTSC_PED | XHCI_PORTSC_PP |
				XHCI_PORTSC_CSC | XHCI_PORTSC_PRC |
				(uint32_t)XHCI_PLS_U3 << XHCI_PORTSC_PLS_SHIFT;

	*portsc = before;
	write8(f, PORT(1, PORTSC) + 3, 0x0e); /* wake bits */
	assert_int_equal(read32(f, PORT(1, PORTSC)), before | XHCI_PORTSC_WAKES);
	write8(f, PORT(1, PORTSC) + 2, (uint8_t)(XHCI_PORTSC_CSC >> 16));
	assert_int_equal(read32(f, PORT(1, PORTSC)),
			 (before & ~XHCI_PORTSC_CSC) | XHCI_PORTSC_WAKES);
	/* the halves of a dword, unaligned: bytes 1 and 2 */
	write16(f, PORT(1, PORTSC) + 1, (uint16_t)(XHCI_PORTSC_PRC >> 8));
	assert_int_equal(read32(f, PORT(1, PORTSC)),
			 (before & ~(XHCI_PORTSC_CSC | XHCI_PORTSC_PRC)) |
				 XHCI_PORTSC_WAKES);
}

static void test_narrow_interrupter(void **state)
{
	struct fixture *f = *state;

	write64(f, INTR(1, ERDP_LO), UINT64_C(0x100000000) | 0x12345670);
	f->xhci->interrupters[1].ehb = true;
	f->xhci->interrupters[1].ip = true;
	write8(f, INTR(1, ERDP_LO) + 1, 0xab);
	assert_int_equal(read32(f, INTR(1, ERDP_LO)), 0x1234ab78);
	write8(f, INTR(1, IMAN) + 1, 0xff);
	assert_int_equal(read32(f, INTR(1, IMAN)), XHCI_IMAN_IP);
	write8(f, INTR(1, ERDP_LO), 0x78);
	assert_int_equal(read32(f, INTR(1, ERDP_LO)), 0x1234ab70);
	/* eight bytes across the middle of three dwords */
	write32(f, INTR(1, ERSTSZ), 0x1111);
	xhci_mmio_write(f->xhci, INTR(1, ERSTBA_LO) + 2, UINT64_C(0x1122334455667788), 8);
	assert_int_equal(read32(f, INTR(1, ERSTSZ)), 0x1111);
	assert_int_equal(read32(f, INTR(1, ERSTBA_LO)), 0x77880000);
	assert_int_equal(read32(f, INTR(1, ERSTBA_HI)), 0x33445566);
	assert_int_equal(read32(f, INTR(1, ERDP_LO)), 0x12341120 | 0x2);
}

/* CRCR does not read back; its halves and bytes come in any order. */
static void test_crcr(void **state)
{
	struct fixture *f = *state;
	const struct xhci_ring *ring = &f->xhci->commands->ring;

	write64(f, OPER(CRCR_LO), UINT64_C(0x1234567890) | XHCI_CRCR_RCS | 0x30);
	assert_int_equal(ring->dequeue_iova, UINT64_C(0x1234567880));
	assert_true(ring->cycle);
	assert_int_equal(xhci_mmio_read(f->xhci, OPER(CRCR_LO), 8), 0);
	write32(f, OPER(CRCR_HI), 7);
	assert_int_equal(ring->dequeue_iova, UINT64_C(0x734567880));
	write8(f, OPER(CRCR_LO) + 1, 0x99);
	assert_int_equal(ring->dequeue_iova, UINT64_C(0x734569980));
	assert_true(ring->cycle);
	write32(f, OPER(CRCR_LO), 0x1000);
	assert_int_equal(ring->dequeue_iova, UINT64_C(0x700001000));
	assert_false(ring->cycle);
}

/* 5.4.5: with the ring running only CS and CA count. */
static void test_crcr_running(void **state)
{
	struct fixture *f = *state;
	struct xhci_commands *commands = f->xhci->commands;

	write64(f, OPER(CRCR_LO), 0x2000);
	run_until_idle(f);
	commands->ring_state = XHCI_COMMAND_RING_STATE_RUNNING;
	assert_int_equal(read32(f, OPER(CRCR_LO)), XHCI_CRCR_CRR);
	write64(f, OPER(CRCR_LO), UINT64_C(0x7000003000) | XHCI_CRCR_RCS);
	assert_int_equal(commands->ring.dequeue_iova, 0x2000);
	assert_false(commands->ring.cycle);
	assert_int_equal(commands->ring_state, XHCI_COMMAND_RING_STATE_RUNNING);
	assert_false(f->kicked);
	write32(f, OPER(CRCR_LO), XHCI_CRCR_CS);
	assert_int_equal(commands->ring_state, XHCI_COMMAND_RING_STATE_STOPPING);
	assert_true(f->kicked);
	write32(f, OPER(CRCR_LO), XHCI_CRCR_CA);
	assert_int_equal(commands->ring_state, XHCI_COMMAND_RING_STATE_ABORTING);
	/* CS after CA takes nothing back */
	write32(f, OPER(CRCR_LO), XHCI_CRCR_CS);
	assert_int_equal(commands->ring_state, XHCI_COMMAND_RING_STATE_ABORTING);
}

static void test_doorbells(void **state)
{
	struct fixture *f = *state;

	fixture_start(f);
	for (uint32_t at = XHCI_OFF_DOORBELLS; at < DOORBELL(XHCI_SLOTS + 1); at += 4)
		assert_int_equal(read32(f, at), 0);
	/* not the target: no bell */
	write8(f, DOORBELL(0) + 1, 0);
	write16(f, DOORBELL(0) + 2, 0);
	assert_false(f->kicked);
	write8(f, DOORBELL(0), 0);
	assert_true(f->kicked);
	run_until_idle(f);
	assert_int_equal(read32(f, DOORBELL(0)), 0);
	/* slots that are not enabled */
	for (unsigned slot_id = 1; slot_id <= XHCI_SLOTS; slot_id++)
		for (uint32_t target = 0; target < 256; target += 5)
			write32(f, DOORBELL(slot_id), target | target << 16);
	run_until_idle(f);
	assert_int_equal(read32(f, OPER(USBSTS)) & (XHCI_USBSTS_HSE | XHCI_USBSTS_HCE),
			 0);
}

/* 125 us steps, 14 bits, only while running. */
static void test_mfindex(void **state)
{
	struct fixture *f = *state;

	advance_ns(f, 10000000);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 0);
	fixture_start(f);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 0);
	advance_ns(f, 124999);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 0);
	advance_ns(f, 1);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 1);
	advance_ns(f, UINT64_C(16382) * 125000);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 16383);
	advance_ns(f, 125000);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME), 0);
	/* a year later: no 32-bit clock in it */
	advance_ns(f, UINT64_C(365) * 86400 * 1000000000);
	advance_ns(f, 3 * 125000);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME),
			 (UINT64_C(365) * 86400 * 8000 + 3) % 16384);
	write32(f, XHCI_OFF_RUNTIME, 0x1234);
	assert_int_equal(read32(f, XHCI_OFF_RUNTIME),
			 (UINT64_C(365) * 86400 * 8000 + 3) % 16384);
}

/* The whole BAR written with all ones and read, at every width: nothing breaks. */
static void test_storm(void **state)
{
	static const unsigned sizes[] = {1, 2, 4, 8};
	struct fixture *f = *state;

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (uint32_t at = 0; at < XHCI_BAR_SIZE_BYTES + 8; at += 3) {
			xhci_mmio_write(f->xhci, at, UINT64_MAX, sizes[i]);
			(void)xhci_mmio_read(f->xhci, at, sizes[i]);
		}
		run_until_idle(f);
	}
	write32(f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	run_until_idle(f);
	assert_int_equal(read32(f, OPER(USBSTS)), XHCI_USBSTS_HCH);
}

static void doorbells_nobody_has(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (unsigned slot = 0; slot <= XHCI_SLOTS; slot++)
		for (unsigned value = 0; value < 0x200; value += 17)
			write32(d.f, DOORBELL(slot), value | 0xffff0000u);
	expect_no_event(d.f);
	driver_end(&d);
}

/* Every register, every width, every alignment, with patterns: no crash, no hang. */
static void registers_everywhere(void **state)
{
	static const uint64_t patterns[] = {0, UINT64_MAX, UINT64_C(0x5555555555555555),
					    UINT64_C(0xdeadbeef12345678)};
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++)
		for (uint32_t offset = 0; offset < 0x5000; offset++)
			for (unsigned size = 1; size <= 8; size *= 2) {
				(void)xhci_mmio_read(d.f->xhci, offset, size);
				xhci_mmio_write(d.f->xhci, offset, patterns[p], size);
				if (d.f->kicked) {
					d.f->kicked = false;
					xhci_run(d.f->xhci);
				}
			}
	write32(d.f, OPER(USBCMD), XHCI_USBCMD_HCRST);
	for (int i = 0; i < 4 && d.fake.resets_pending > 0; i++)
		fake_dev_reset_done(&d.fake, 0);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_capabilities),
		T(test_protocols),
		T(test_read_widths),
		T(test_holes),
		T(test_operational),
		T(test_narrow_usbsts),
		T(test_narrow_portsc),
		T(test_narrow_interrupter),
		T(test_crcr),
		T(test_crcr_running),
		T(test_doorbells),
		T(test_mfindex),
		T(test_storm),
		T(doorbells_nobody_has),
		T(registers_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
