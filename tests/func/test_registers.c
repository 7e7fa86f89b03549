/* SPDX-License-Identifier: MIT
 * test_registers.c - registers: values, widths, alignments, reserved bits
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void boot(struct func *f)
{
	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	f->driving = true;
	assert_ok(drv_init(&f->drv, &f->vmm, &f->ram, NULL));
}

static void test_capability_registers(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	unsigned usb2 = 0;
	unsigned usb3 = 0;
	bool usb3_first = false;

	boot(f);
	assert_int_equal(d->op, 0x40);
	assert_int_equal(d->hci_version, 0x0100);
	assert_in_range(d->max_slots, 64, 255);
	assert_int_equal(d->max_interrupters, 8);
	assert_int_equal(d->max_ports, 16);
	assert_true(d->ac64);
	assert_int_equal(d->context_bytes, 32);
	assert_int_equal(d->scratchpads, 0);
	assert_int_equal(drv_op_read(d, XOP_PAGESIZE), 1);
	/* doorbells and runtime registers have their own pages */
	assert_int_equal(d->rt + XRT_IR(0), 0x3000);
	assert_int_equal(d->db & 0xfff, 0);
	for (unsigned p = 1; p <= d->max_ports; p++) {
		assert_true(d->ports[p].exists);
		usb2 += !d->ports[p].usb3;
		usb3 += d->ports[p].usb3;
		usb3_first |= p == 1 && d->ports[p].usb3;
	}
	assert_int_equal(usb2, 8);
	assert_int_equal(usb3, 8);
	assert_false(usb3_first); /* USB 2 ports come first */
}

/* The original matched exact offsets and ignored the size: HCIVERSION read 0. */
static void test_every_width_reads_the_same_bytes(void **state)
{
	static const unsigned widths[] = {1, 2, 4, 8};
	struct func *f = *state;
	uint32_t spans[3][2];

	boot(f);
	spans[0][0] = 0;
	spans[0][1] = 0x100; /* capability and operational */
	spans[1][0] = f->drv.op + XOP_PORTS;
	spans[1][1] = f->drv.op + XOP_PORTS + 0x110;
	spans[2][0] = f->drv.rt + XRT_IR(0);
	spans[2][1] = f->drv.rt + XRT_IR(8) + 0x10;
	for (unsigned s = 0; s < 3; s++) {
		uint32_t n = spans[s][1] - spans[s][0];
		uint8_t bytes[0x200];

		for (uint32_t i = 0; i < n; i++)
			assert_ok(drv_read(&f->drv, spans[s][0] + i, bytes + i, 1));
		for (uint32_t i = 0; i + 8 <= n; i++) {
			for (unsigned w = 0; w < ARRAY_SIZE(widths); w++) {
				uint8_t wide[8];

				assert_ok(drv_read(&f->drv, spans[s][0] + i, wide,
						   widths[w]));
				assert_memory_equal(wide, bytes + i, widths[w]);
			}
		}
	}
}

/* No offset of the BAR, width or value does harm (original 5.1: most were fatal). */
static void test_the_whole_bar_takes_any_access(void **state)
{
	struct func *f = *state;
	struct vfu_client *c;
	uint8_t value[8];

	boot(f);
	c = &f->vmm.client;
	for (uint32_t at = 0; at < 0x10000; at += 3) {
		uint32_t width = 1 + at % 8;

		width = MIN_OF(width, 0x10000 - at);
		assert_ok(vfu_region_read(c, VFU_REGION_BAR0, at, value, width));
		if (at % 4096 >= 0x800 && at % 5 != 0)
			continue; /* skip most of the long empty stretches */
		fill_pattern(value, sizeof(value), at);
		assert_ok(vfu_region_post(c, VFU_REGION_BAR0, at, value, width));
	}
	assert_alive(f);
	assert_ok(drv_halt(&f->drv));
	assert_ok(drv_reset(&f->drv));
	assert_log_bounded(f);
}

static void test_reserved_bits_read_zero(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;

	boot(f);
	assert_ok(drv_halt(d));
	assert_ok(drv_reset(d));
	drv_op_write(d, XOP_DNCTRL, 0xffffffff);
	assert_int_equal(drv_op_read(d, XOP_DNCTRL), 0xffff);
	drv_op_write(d, XOP_CONFIG, d->max_slots | 0xfffffc00);
	assert_int_equal(drv_op_read(d, XOP_CONFIG) & 0xfffffcff, d->max_slots);
	drv_write64(d, d->op + XOP_DCBAAP, UINT64_MAX);
	assert_true(drv_read64(d, d->op + XOP_DCBAAP) == (UINT64_MAX & ~UINT64_C(0x3f)));
	/* CRCR reads as 0 except for CRR (5.4.5) */
	drv_write64(d, d->op + XOP_CRCR, f->drv.command.memory[0].iova | 1);
	assert_true(drv_read64(d, d->op + XOP_CRCR) == 0);
	drv_write32(d, drv_ir(d, 0, XIR_ERSTSZ), 0xffff0001);
	assert_int_equal(drv_read32(d, drv_ir(d, 0, XIR_ERSTSZ)), 1);
	drv_write32(d, drv_ir(d, 0, XIR_IMAN), 0xfffffffe);
	assert_int_equal(drv_read32(d, drv_ir(d, 0, XIR_IMAN)) & ~3u, 0);
	assert_int_equal(drv_op_read(d, 0x0c), 0);
	assert_int_equal(drv_op_read(d, 0x20), 0);
}

/* The original's ERSTSZ and ERSTBA read each other's value. */
static void test_erst_registers_read_back(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;

	boot(f);
	assert_ok(drv_halt(d));
	assert_ok(drv_reset(d));
	for (unsigned i = 0; i < d->max_interrupters; i++) {
		uint64_t table = d->events[0].table.iova;

		drv_write32(d, drv_ir(d, i, XIR_ERSTSZ), 1);
		drv_write64(d, drv_ir(d, i, XIR_ERDP), d->events[0].memory[0].iova);
		drv_write64(d, drv_ir(d, i, XIR_ERSTBA), table);
		drv_write32(d, drv_ir(d, i, XIR_IMOD), 0x12345678);
		assert_int_equal(drv_read32(d, drv_ir(d, i, XIR_ERSTSZ)), 1);
		assert_true(drv_read64(d, drv_ir(d, i, XIR_ERSTBA)) == table);
		assert_true(drv_read64(d, drv_ir(d, i, XIR_ERDP)) ==
			    d->events[0].memory[0].iova);
		assert_int_equal(drv_read32(d, drv_ir(d, i, XIR_IMOD)) & 0xffff, 0x5678);
	}
}

/* Writes 64-bit registers as two halves in either order, as FreeBSD does, with addresses
 * above 4 GiB (AC64). In the original any upper half other than 0 was fatal. */
static void test_64_bit_registers_by_halves(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	uint64_t value = GUEST_RAM_HIGH_IOVA + 0x40000;

	boot(f);
	assert_ok(drv_halt(d));
	assert_ok(drv_reset(d));
	drv_op_write(d, XOP_DCBAAP, (uint32_t)value);
	drv_op_write(d, XOP_DCBAAP + 4, (uint32_t)(value >> 32));
	assert_true(drv_read64(d, d->op + XOP_DCBAAP) == value);
	drv_op_write(d, XOP_DCBAAP + 4, 0x21);
	drv_op_write(d, XOP_DCBAAP, 0x1000);
	assert_true(drv_read64(d, d->op + XOP_DCBAAP) == UINT64_C(0x2100001000));
}

static void test_rings_above_4_gib(void **state)
{
	struct func *f = *state;
	struct drv_options options = {.ring_zone = GUEST_RAM_ZONE_HIGH};
	struct drv_device device;

	func_start(f, func_stick_spec(f, "high"), NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, &options);
	func_find(f, 8, &device);
	assert_int_equal(drv_slot_state(device.slot), XSLOT_STATE_CONFIGURED);
}

static void test_mfindex_runs_at_8_khz(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;
	struct timespec start;
	struct timespec now;
	uint32_t first;
	uint32_t last;
	uint64_t elapsed_us;
	uint64_t frames;

	boot(f);
	assert_ok(drv_halt(d));
	assert_ok(drv_reset(d));
	drv_setup(d);
	assert_ok(drv_run(d));
	first = drv_read32(d, d->rt + XRT_MFINDEX);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(first & ~0x3fffu, 0);
	do {
		last = drv_read32(d, d->rt + XRT_MFINDEX);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		elapsed_us = (uint64_t)((now.tv_sec - start.tv_sec) * 1000000 +
					(now.tv_nsec - start.tv_nsec) / 1000);
	} while (elapsed_us < 100000);
	frames = (last - first) & 0x3fff;
	/* 125 us each; the bounds leave room for a busy machine */
	assert_in_range(frames, elapsed_us / 125 - 100, elapsed_us / 125 + 100);
	assert_ok(drv_halt(d));
}

static void test_doorbells_read_zero(void **state)
{
	struct func *f = *state;

	boot(f);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(drv_read32(&f->drv, f->drv.db + 4 * i), 0);
}

/* USBSTS: events set the RW1C bits, and a 1 clears only its own bit (original: EINT and
 * PCD always set). */
static void test_status_bits(void **state)
{
	struct func *f = *state;
	struct drv *d = &f->drv;

	boot(f);
	assert_ok(drv_halt(d));
	assert_ok(drv_reset(d));
	assert_int_equal(drv_op_read(d, XOP_USBSTS) & ~XSTS_PCD, XSTS_HCH);
	drv_setup(d);
	assert_ok(drv_run(d));
	assert_int_equal(drv_op_read(d, XOP_USBSTS) & (XSTS_EINT | XSTS_HCH), 0);
	(void)drv_command_push(d,
			       (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
	drv_doorbell(d, 0, 0, 0);
	assert_ok(drv_wait_register(d, d->op + XOP_USBSTS, XSTS_EINT, XSTS_EINT));
	drv_op_write(d, XOP_USBSTS, XSTS_HSE | XSTS_PCD);
	assert_int_equal(drv_op_read(d, XOP_USBSTS) & XSTS_EINT, XSTS_EINT);
	drv_op_write(d, XOP_USBSTS, XSTS_EINT);
	assert_int_equal(drv_op_read(d, XOP_USBSTS) & XSTS_EINT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_capability_registers),
		FUNC_TEST(test_every_width_reads_the_same_bytes),
		FUNC_TEST(test_the_whole_bar_takes_any_access),
		FUNC_TEST(test_reserved_bits_read_zero),
		FUNC_TEST(test_erst_registers_read_back),
		FUNC_TEST(test_64_bit_registers_by_halves),
		FUNC_TEST(test_rings_above_4_gib),
		FUNC_TEST(test_mfindex_runs_at_8_khz),
		FUNC_TEST(test_doorbells_read_zero),
		FUNC_TEST(test_status_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
