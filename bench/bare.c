/* SPDX-License-Identifier: MIT
 * bare.c - a mass storage device driven by libusb alone
 */
#include "bench/bare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bare_device.h"
#include "bench/bench.h"

/* Offsets of CBW and CSW, after the data. */
#define CBW_OFFSET (BARE_DATA_BYTES - 128)
#define CSW_OFFSET (BARE_DATA_BYTES - 64)

struct bare {
	struct bare_shared *shared;
	struct bare_device *device; /* or */
	struct bare_relay *relay;
	uint32_t tag;
	/* of the current stage */
	uint8_t endpoint;
	uint32_t total_bytes, next_bytes, piece_bytes;
	unsigned flying;
};

static void fly(struct bare *bare, unsigned index, uint32_t offset, uint32_t bytes)
{
	bare->flying++;
	if (bare->relay)
		bare_relay_start(bare->relay, index, bare->endpoint, offset, bytes);
	else
		bare_device_start(bare->device, index, bare->endpoint, offset, bytes);
}

static void fly_next(struct bare *bare, unsigned index)
{
	uint32_t left = bare->total_bytes - bare->next_bytes;
	uint32_t bytes = MIN_OF(left, bare->piece_bytes);

	if (left == 0)
		return;
	fly(bare, index, bare->next_bytes, bytes);
	bare->next_bytes += bytes;
}

static void landed(void *context, unsigned index)
{
	struct bare *bare = context;

	bare->flying--;
	fly_next(bare, index);
}

static void await_all(struct bare *bare)
{
	while (bare->flying > 0) {
		if (bare->relay)
			bare_relay_wait(bare->relay);
		else
			bare_device_wait(bare->device);
	}
}

void bare_move(struct bare *bare, bool in, uint16_t sectors, uint32_t piece_bytes,
	       unsigned depth)
{
	struct bare_shared *shared = bare->shared;
	struct bot_command command = {
		.cdb = {in ? 0x28 : 0x2a, [7] = (uint8_t)(sectors >> 8),
			[8] = (uint8_t)sectors},
		.cdb_bytes = 10,
		.in = in,
		.length = sectors * BOT_SECTOR,
	};

	bot_make_cbw(&command, ++bare->tag, shared->data + CBW_OFFSET);
	bare->endpoint = shared->out;
	fly(bare, 0, CBW_OFFSET, BOT_CBW_BYTES);
	await_all(bare);

	bare->endpoint = in ? shared->in : shared->out;
	bare->total_bytes = command.length;
	bare->piece_bytes = piece_bytes;
	bare->next_bytes = 0;
	for (unsigned i = 0; i < depth && i < BARE_DEPTH_MAX; i++)
		fly_next(bare, i);
	await_all(bare);

	bare->endpoint = shared->in;
	fly(bare, 0, CSW_OFFSET, BOT_CSW_BYTES);
	await_all(bare);
	if (shared->data[CSW_OFFSET + 12] != BOT_STATUS_PASSED)
		bench_die("a bare command's status", shared->data[CSW_OFFSET + 12]);
}

struct bare *bare_open(const char *path, bool relayed)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	if (!bare)
		bench_die("memory", -ENOMEM);
	bare->shared = mmap(NULL, sizeof(*bare->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bare->shared == MAP_FAILED)
		bench_die("memory", -errno);
	memset(bare->shared->data, 0x5a, BARE_DATA_BYTES);
	if (relayed)
		bare->relay = bare_relay_open(path, bare->shared, landed, bare);
	else
		bare->device = bare_device_open(path, bare->shared, landed, bare);
	return bare;
}

void bare_close(struct bare *bare)
{
	if (bare->relay)
		bare_relay_close(bare->relay);
	else
		bare_device_close(bare->device);
	(void)munmap(bare->shared, sizeof(*bare->shared));
	free(bare);
}
