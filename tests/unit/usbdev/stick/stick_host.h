/* SPDX-License-Identifier: MIT
 * stick_host.h - a host for tests of the stick: an image, commands, a worker that can be held, and
 * faults of the image (see the --wrap options in meson.build)
 */
#ifndef TESTS_UNIT_USBDEV_STICK_STICK_HOST_H
#define TESTS_UNIT_USBDEV_STICK_STICK_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "../host.h"
#include "usbdev/stick/device.h"

#define STICK_HOST_BLOCKS 8192u /* 4 MiB */

/* The stick under test, its image, and the image's data. */
struct stick_host {
	struct host host;
	struct stick *stick;
	char path[64];
	uint8_t *content;
};

/* Faults of the image, and counts of the worker's calls. */
struct stick_faults {
	int read_error; /* -errno that calls return; 0 = none */
	int write_error;
	int sync_error;
	uint64_t error_from; /* offsets below this still work */
	unsigned reads;      /* calls by the worker */
	unsigned writes;
	unsigned syncs;
	unsigned writes_at_sync;
};

extern struct stick_host sh; /* one at a time */
extern struct stick_faults stick_faults;

/* Makes a configured stick with numbers in its image. @direct: how to use the page cache.
 * stick_teardown() destroys it. */
void stick_host_init(enum usbdev_speed speed, bool readonly, enum image_direct direct);
/* cmocka set-up, at super speed and writable; and tear-down. */
int stick_setup_never(void **state);
int stick_setup_plain(void **state);
int stick_setup_nowait(void **state);
int stick_teardown(void **state);

/* Makes the worker's @nth image call from now on (1: the next) wait at its beginning. Call it only
 * while the worker is idle. */
void stick_host_hold(unsigned nth);
/* Waits until the worker has reached that call. */
void stick_host_held(void);
void stick_host_release(void);

/* Reads the image's current bytes. */
void stick_host_pread(void *buf, uint32_t len, uint64_t offset);

/* Makes a CBW; @host_bytes and @in are the host's expectation. */
void stick_cbw(uint8_t cbw[31], uint32_t tag, uint32_t host_bytes, bool in,
	       const uint8_t *cdb, unsigned cdb_len);
void stick_send_cbw(uint32_t host_bytes, bool in, const uint8_t *cdb, unsigned cdb_len);
/* Receives the CSW. Return: bCSWStatus */
uint8_t stick_get_csw(uint32_t *ret_residue);
/* Runs a command as a careful driver does: clears the halt of a stalled data or status phase. */
uint8_t stick_command(const uint8_t *cdb, unsigned cdb_len, bool in, void *data,
		      uint32_t len, uint32_t *ret_residue);
/* Key, code and qualifier from REQUEST SENSE. */
uint32_t stick_sense(void);
void stick_clear_halt(uint8_t ep_addr);
bool stick_halted(uint8_t ep_addr);
/* Reset Recovery: Bulk-Only Mass Storage Reset, then clears both halts (BOT 5.3.4). */
void stick_recover(void);
/* Makes a READ or WRITE (10) CDB. */
void stick_cdb10(uint8_t cdb[10], uint8_t opcode, uint32_t lba, uint16_t blocks);
/* Sends the CBW of a READ or WRITE (10). */
void stick_send_rw(uint8_t opcode, uint32_t lba, uint32_t bytes);
/* Reads @bytes from @lba in transfers of @piece, and compares them with @expected. */
void stick_check_read(uint32_t lba, uint32_t bytes, uint32_t piece,
		      const uint8_t *expected);
/* Demands that a TEST UNIT READY passes. */
void stick_assert_ready(void);

#endif /* TESTS_UNIT_USBDEV_STICK_STICK_HOST_H */
