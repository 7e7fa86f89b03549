/* SPDX-License-Identifier: MIT
 * bare_device.h - transfers to the first interface of a device, by libusb or by a relay
 */
#ifndef BENCH_BARE_DEVICE_H
#define BENCH_BARE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define BARE_DEPTH_MAX  32u
#define BARE_DATA_BYTES (32u << 20)

/**
 * struct bare_shared - memory that both processes of a relay share
 * @done:	ring of indices of successful transfers
 * @data:	buffer of all transfers
 */
struct bare_shared {
	uint8_t in, out; /* endpoint addresses */
	uint32_t done[64];
	uint8_t data[BARE_DATA_BYTES];
};

struct bare_device;

/* All end the program on failure, also of a transfer. bare_device_wait() calls @ended
 * with @context and the transfer's index. */
struct bare_device *bare_device_open(const char *path, struct bare_shared *shared,
				     void (*ended)(void *context, unsigned index),
				     void *context);
void bare_device_close(struct bare_device *device);
void bare_device_start(struct bare_device *device, unsigned index, uint8_t endpoint,
		       uint32_t offset, uint32_t bytes);
/* Waits until a transfer ends. */
void bare_device_wait(struct bare_device *device);

struct bare_relay;

/* The same in another process. */
struct bare_relay *bare_relay_open(const char *path, struct bare_shared *shared,
				   void (*ended)(void *context, unsigned index),
				   void *context);
void bare_relay_close(struct bare_relay *relay);
void bare_relay_start(struct bare_relay *relay, unsigned index, uint8_t endpoint,
		      uint32_t offset, uint32_t bytes);
void bare_relay_wait(struct bare_relay *relay);

#endif /* BENCH_BARE_DEVICE_H */
