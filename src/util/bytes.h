/* SPDX-License-Identifier: MIT
 * bytes.h - little-endian and big-endian integers in byte arrays
 *
 * They need no alignment. Compilers turn each into one load or store.
 */
#ifndef UTIL_BYTES_H
#define UTIL_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_BYTES(order, bits)                                       \
	static inline uint##bits##_t get_##order##bits(const void *p)   \
	{                                                               \
		uint##bits##_t v;                                       \
                                                                        \
		memcpy(&v, p, sizeof(v));                               \
		return order##bits##toh(v);                             \
	}                                                               \
                                                                        \
	static inline void put_##order##bits(void *p, uint##bits##_t v) \
	{                                                               \
		v = hto##order##bits(v);                                \
		memcpy(p, &v, sizeof(v));                               \
	}

/* get_le16(p) put_le16(p, v) ... get_be64(p) put_be64(p, v) */
DEFINE_BYTES(le, 16)
DEFINE_BYTES(le, 32)
DEFINE_BYTES(le, 64)
DEFINE_BYTES(be, 16)
DEFINE_BYTES(be, 32)
DEFINE_BYTES(be, 64)

#undef DEFINE_BYTES

/* @value with one half replaced: guests write 64-bit registers by halves. */
static inline uint64_t with_low32(uint64_t value, uint32_t half)
{
	return (value & ~UINT64_C(0xffffffff)) | half;
}

static inline uint64_t with_high32(uint64_t value, uint32_t half)
{
	return (value & 0xffffffff) | (uint64_t)half << 32;
}

#endif /* UTIL_BYTES_H */
