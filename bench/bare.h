/* SPDX-License-Identifier: MIT
 * bare.h - a mass storage device driven by libusb alone: the yardsticks of bench_host
 *
 * Bulk-only transport as in bot.h, with libusb's asynchronous interface: the best that a
 * program of the host can do with libusb. Or relayed: another process has the device,
 * gets a message through a socket for each transfer, and signals its end by an eventfd;
 * both processes share the data's memory. Any VMM and daemon need at least that.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stdint.h>

struct bare;

/* Claims the device at @path (a usbfs node) from its driver. Ends the program on
 * failure. */
struct bare *bare_open(const char *path, bool relayed);
/* Releases it to its driver. */
void bare_close(struct bare *bare);
/* READ(10) or WRITE(10) of @sectors from 0, in transfers of @piece_bytes, @depth in flight. */
void bare_move(struct bare *bare, bool in, uint16_t sectors, uint32_t piece_bytes,
	       unsigned depth);

#endif /* BENCH_BARE_H */
