/* SPDX-License-Identifier: MIT
 * records.c - reads records from an input, and mutates inputs record by record
 */
#include "records.h"

#include <string.h>

#include "util/bytes.h"
#include "util/compiler.h"

#define NEW_MAX 4u /* records to insert at a time */

/* libFuzzer defines it; the replay does not. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size,
					      size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_size,
				 unsigned seed);

bool records_are_fuzzed(void)
{
	return LLVMFuzzerMutate != NULL;
}

bool take_record(struct input *in, struct record *ret_rec)
{
	if (!in->left)
		return false;
	ret_rec->op = take_u8(in);
	ret_rec->a = take_u8(in);
	ret_rec->b = take_u8(in);
	ret_rec->c = take_u8(in);
	ret_rec->arg = take_u32(in);
	return true;
}

static uint32_t draw(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static size_t draw_below(uint32_t *seed, size_t n)
{
	return draw(seed) % n;
}

/* Prefers small numbers, single bits and edges, which more often mean something. */
static uint32_t draw_arg(uint32_t *seed)
{
	static const uint32_t edges[] = {
		0,      1,      0x7f,    0xff,    0x1ff,    0x3ff,      0x400,     0xfff,
		0x1000, 0xffff, 0x10000, 0x1ffff, 0xffffff, 0x80000000, 0xffffffff};
	uint32_t how = draw(seed) % 8;

	if (how < 3)
		return draw(seed) % 64;
	if (how == 3)
		return edges[draw_below(seed, ARRAY_SIZE(edges))];
	if (how == 4)
		return UINT32_C(1) << draw(seed) % 32;
	if (how == 5)
		return draw(seed) % 0x100000u & ~15u;
	return draw(seed);
}

static void draw_record(uint32_t *seed, uint8_t *rec)
{
	rec[0] = (uint8_t)draw(seed);
	for (unsigned i = 1; i < 4; i++)
		rec[i] = (uint8_t)(draw(seed) % (draw(seed) % 4 ? 8 : 256));
	put_le32(rec + 4, draw_arg(seed));
}

static size_t put_in(uint8_t *data, size_t n, size_t max, uint32_t *seed)
{
	size_t at = draw_below(seed, n + 1);
	size_t len = 1 + draw_below(seed, NEW_MAX);

	if (n + len > max)
		return n;
	memmove(data + (at + len) * RECORD_BYTES, data + at * RECORD_BYTES,
		(n - at) * RECORD_BYTES);
	for (size_t i = 0; i < len; i++)
		draw_record(seed, data + (at + i) * RECORD_BYTES);
	return n + len;
}

static size_t take_out(uint8_t *data, size_t n, uint32_t *seed)
{
	size_t at = draw_below(seed, n);
	size_t len = 1 + draw_below(seed, MIN_OF(n - at, draw(seed) % 4 ? 2 : n));

	len = MIN_OF(len, n - at);
	memmove(data + at * RECORD_BYTES, data + (at + len) * RECORD_BYTES,
		(n - at - len) * RECORD_BYTES);
	return n - len;
}

/* Copies some records to another place. */
static size_t repeat(uint8_t *data, size_t n, size_t max, uint32_t *seed)
{
	uint8_t some[16 * RECORD_BYTES];
	size_t from = draw_below(seed, n);
	size_t len = MIN_OF(1 + draw_below(seed, 16), n - from);
	size_t to = draw_below(seed, n + 1);

	if (n + len > max)
		return n;
	memcpy(some, data + from * RECORD_BYTES, len * RECORD_BYTES);
	memmove(data + (to + len) * RECORD_BYTES, data + to * RECORD_BYTES,
		(n - to) * RECORD_BYTES);
	memcpy(data + to * RECORD_BYTES, some, len * RECORD_BYTES);
	return n + len;
}

static void exchange(uint8_t *data, size_t n, uint32_t *seed)
{
	uint8_t *one = data + draw_below(seed, n) * RECORD_BYTES;
	uint8_t *other = data + draw_below(seed, n) * RECORD_BYTES;
	uint8_t kept[RECORD_BYTES];

	memcpy(kept, one, RECORD_BYTES);
	memmove(one, other, RECORD_BYTES);
	memcpy(other, kept, RECORD_BYTES);
}

static void change(uint8_t *data, size_t n, uint32_t *seed)
{
	uint8_t *rec = data + draw_below(seed, n) * RECORD_BYTES;
	size_t field = draw_below(seed, 7);

	if (field < 4)
		rec[field] = (uint8_t)(draw(seed) % 2 ? draw(seed) % 32 : draw(seed));
	else if (field == 4)
		put_le32(rec + 4, draw_arg(seed));
	else if (field == 5)
		put_le32(rec + 4, get_le32(rec + 4) + draw(seed) % 33 - 16);
	else
		/* libFuzzer may use values that it saw the program compare with */
		(void)LLVMFuzzerMutate(rec, RECORD_BYTES, RECORD_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint32_t state = seed * 2654435761u | 1;
	size_t n = size / RECORD_BYTES;
	size_t max = max_size / RECORD_BYTES;

	if (max == 0)
		return size;
	for (unsigned times = 1 + draw(&state) % 3; times > 0; times--) {
		unsigned how = draw(&state) % 16;

		if (n == 0 || how < 5)
			n = put_in(data, n, max, &state);
		else if (how < 7)
			n = take_out(data, n, &state);
		else if (how < 8)
			n = repeat(data, n, max, &state);
		else if (how < 9)
			exchange(data, n, &state);
		else
			change(data, n, &state);
	}
	return n * RECORD_BYTES;
}

/* Joins the first part of one input and the last part of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_size,
				 unsigned seed)
{
	uint32_t state = seed * 2654435761u | 1;
	size_t first = draw_below(&state, size1 / RECORD_BYTES + 1) * RECORD_BYTES;
	size_t second = draw_below(&state, size2 / RECORD_BYTES + 1) * RECORD_BYTES;
	size_t rest = size2 / RECORD_BYTES * RECORD_BYTES - second;

	first = MIN_OF(first, max_size);
	rest = MIN_OF(rest, max_size - first);
	memcpy(out, data1, first);
	memcpy(out + first, data2 + second, rest);
	return first + rest;
}
