/* SPDX-License-Identifier: MIT
 * bare.h - a mass storage device driven by libusb alone: the yardsticks of bench_host
 *
 * Bulk-only transport as bot.h has it, by libusb's asynchronous interface and
 * nothing else: as good as a program of the host can do with libusb. Or relayed:
 * another process has the device, is told of each transfer by a message through a
 * socket, and tells of its end by an eventfd; the data lie in memory of both. That is
 * what no VMM and daemon can do without, and all that these do is more.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stdint.h>

struct bare;

/* Takes the device at @path (a usbfs node) from its driver. Ends the program on failure. */
struct bare *bare_open(const char *path, bool relayed);
/* Gives it back. */
void bare_close(struct bare *bare);
/* READ(10) or WRITE(10) of @sectors from 0, in transfers of @piece_bytes, @depth in flight. */
void bare_move(struct bare *bare, bool in, uint16_t sectors, uint32_t piece_bytes,
	       unsigned depth);

#endif /* BENCH_BARE_H */
