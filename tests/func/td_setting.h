/* SPDX-License-Identifier: MIT
 * td_setting.h - a stick with bulk endpoints for tests of TDs
 *
 * A CBW is 31 bytes: a test can split it into any TRBs, as long as it stays one transfer.
 * A READ returns known bytes in any amount.
 */
#ifndef TESTS_FUNC_TD_SETTING_H
#define TESTS_FUNC_TD_SETTING_H

#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define LBA 40u

struct setting {
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	struct guest_buf cbw;
	unsigned slot, in, out;
	struct drv_ring *in_ring, *out_ring;
};

static inline void begin(struct func *f, struct setting *s)
{
	func_stick(f, "high", &s->device, &s->bot);
	s->buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, 1 << 18, 65536);
	s->cbw = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, 64, 64);
	s->slot = s->device.slot->id;
	s->in = s->device.bulk_in;
	s->out = s->device.bulk_out;
	s->in_ring = &s->device.slot->endpoints[s->in].ring;
	s->out_ring = &s->device.slot->endpoints[s->out].ring;
}

/* A CBW to read @sectors from LBA into s->cbw. */
static inline void make_read(struct setting *s, unsigned sectors)
{
	struct bot_command read = {
		.cdb = {0x28, 0, 0, 0, 0, LBA, 0, (uint8_t)(sectors >> 8),
			(uint8_t)sectors},
		.cdb_bytes = 10,
		.in = true,
		.length = sectors * BOT_SECTOR,
	};

	bot_make_cbw(&read, ++s->bot.tag, s->cbw.ptr);
}

static inline void send_read(struct func *f, struct setting *s, unsigned sectors)
{
	(void)f;
	make_read(s, sectors);
	assert_code(
		drv_transfer(s->device.slot, s->out, s->cbw.iova, BOT_CBW_BYTES, NULL),
		XCC_SUCCESS);
}

static inline void take_csw(struct setting *s)
{
	uint8_t csw[BOT_CSW_BYTES];
	uint32_t actual = 0;

	assert_code(bot_receive_csw(&s->bot, csw, &actual), XCC_SUCCESS);
	assert_int_equal(actual, BOT_CSW_BYTES);
	assert_int_equal(get_le32(csw + 4), s->bot.tag);
	assert_int_equal(csw[12], 0);
}

/* The next event of the endpoint is this one. */
static inline void expect(struct func *f, struct setting *s, unsigned dci, uint64_t trb,
			  int code, uint32_t length)
{
	struct drv_event event;

	assert_code(drv_wait_transfer(&f->drv, s->slot, dci, 0, &event), code);
	assert_true(event.trb.parameter == trb);
	assert_int_equal(drv_event_length(&event), length);
	assert_false(drv_event_is_data(&event));
}

static inline void expect_data(struct func *f, struct setting *s, unsigned dci,
			       uint64_t value, int code, uint32_t length)
{
	struct drv_event event;

	assert_code(drv_wait_transfer(&f->drv, s->slot, dci, 0, &event), code);
	assert_true(drv_event_is_data(&event));
	assert_true(event.trb.parameter == value);
	assert_int_equal(drv_event_length(&event), length);
}

static inline void check_sectors(struct setting *s, unsigned sectors)
{
	for (uint32_t i = 0; i < sectors; i++)
		assert_int_equal(get_le32(s->buf.ptr + (size_t)i * BOT_SECTOR), LBA + i);
}

#endif /* TESTS_FUNC_TD_SETTING_H */
