/* SPDX-License-Identifier: MIT
 * stick.c - writes and reads a stick, with disturbances; acknowledged data must not be
 * lost
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/endurance/kinds.h"
#include "tests/lib/bot.h"
#include "util/bytes.h"

#define COMMAND_BYTES_MAX (4u << 20)
#define WARM_COMMANDS     16u
#define SCSI_READ_10      0x28u
#define SCSI_WRITE_10     0x2au

/**
 * struct stick - a stick and its expected content
 * @shadow:	content that the stick must have
 */
struct stick {
	struct endure *e;
	struct bot bot;
	uint8_t *shadow;
	uint64_t sectors;
	struct guest_buf data;
	uint64_t written_bytes, read_bytes, retries;
};

static void open_stick(struct stick *stick)
{
	int r;

	bot_init(&stick->bot, &stick->e->device);
	r = bot_open(&stick->bot);
	/* the stick may still execute a command of the killed daemon */
	if (r < 0 && bot_recover(&stick->bot) == 0)
		r = bot_open(&stick->bot);
	if (r < 0)
		endure_fail(stick->e, "opening the stick");
}

/* Runs one command with its three stages. */
static enum moved run(struct stick *stick, bool in, uint64_t lba, uint32_t bytes,
		      uint64_t iova)
{
	struct endure *e = stick->e;
	struct bot *bot = &stick->bot;
	struct bot_command command = {
		.cdb = {in ? SCSI_READ_10 : SCSI_WRITE_10},
		.cdb_bytes = 10,
		.in = in,
		.length = bytes,
	};

	put_be32(command.cdb + 2, (uint32_t)lba);
	put_be16(command.cdb + 7, (uint16_t)(bytes / BOT_SECTOR));
	bot->tag++;
	bot_make_cbw(&command, bot->tag, bot->cbw.ptr);
	memset(bot->csw.ptr, 0, BOT_CSW_BYTES);
	if (endure_move(e, e->device.bulk_out, bot->cbw.iova, BOT_CBW_BYTES,
			BOT_CBW_BYTES) == MOVED_LOST ||
	    endure_move(e, in ? e->device.bulk_in : e->device.bulk_out, iova, bytes,
			1024) == MOVED_LOST ||
	    endure_move(e, e->device.bulk_in, bot->csw.iova, BOT_CSW_BYTES,
			BOT_CSW_BYTES) == MOVED_LOST)
		return MOVED_LOST;
	if (get_le32(bot->csw.ptr) != 0x53425355 ||
	    get_le32(bot->csw.ptr + 4) != bot->tag || get_le32(bot->csw.ptr + 8) != 0 ||
	    bot->csw.ptr[12] != 0)
		endure_fail(e,
			    "CSW of %s: tag 0x%x, expected 0x%x, residue %u, status %u",
			    in ? "READ" : "WRITE", get_le32(bot->csw.ptr + 4), bot->tag,
			    get_le32(bot->csw.ptr + 8), bot->csw.ptr[12]);
	return MOVED_ALL;
}

/* Reads the initial content into the shadow, without disturbances. */
static void look(struct stick *stick)
{
	struct endure *e = stick->e;
	unsigned permille[DISTURBANCES];
	uint64_t sectors = COMMAND_BYTES_MAX / BOT_SECTOR;

	memcpy(permille, e->permille, sizeof(permille));
	memset(e->permille, 0, sizeof(e->permille));
	for (uint64_t lba = 0; lba < stick->sectors; lba += sectors) {
		uint32_t bytes =
			(uint32_t)(MIN_OF(sectors, stick->sectors - lba) * BOT_SECTOR);

		if (run(stick, true, lba, bytes, stick->data.iova) == MOVED_LOST)
			endure_fail(e, "the device was lost without a disturbance");
		memcpy(stick->shadow + lba * BOT_SECTOR, stick->data.ptr, bytes);
	}
	memcpy(e->permille, permille, sizeof(permille));
}

/* Runs one random command, repeated until it completes. */
static void command(struct stick *stick)
{
	struct endure *e = stick->e;
	bool in = endure_random(e, 5) < 2;
	uint32_t bytes =
		1024 *
		(1 + (uint32_t)endure_random(
			     e, (COMMAND_BYTES_MAX >> endure_random(e, 8)) / 1024));
	uint64_t lba = endure_random(e, stick->sectors - bytes / BOT_SECTOR + 1);
	/* any alignment: the buffer has room for the offset */
	uint64_t offset = endure_random(e, 4096);
	uint8_t *data = stick->data.ptr + offset;
	uint8_t *there = stick->shadow + lba * BOT_SECTOR;

	if (!in) {
		for (uint32_t i = 0; i < bytes; i += 8) {
			uint64_t word = endure_random(e, UINT64_MAX);

			memcpy(data + i, &word, 8);
		}
	}
	while (run(stick, in, lba, bytes, stick->data.iova + offset) == MOVED_LOST) {
		stick->retries++;
		open_stick(stick);
	}
	if (!in) {
		memcpy(there, data, bytes);
		stick->written_bytes += bytes;
		return;
	}
	stick->read_bytes += bytes;
	if (memcmp(there, data, bytes) == 0)
		return;
	for (uint32_t i = 0; i < bytes; i++) {
		if (there[i] != data[i])
			endure_fail(
				e, "byte %u of %u of a READ at %llu is 0x%02x not 0x%02x",
				i, bytes, (unsigned long long)lba, data[i], there[i]);
	}
}

/* Compares the image with the expected content. */
static void compare_image(struct stick *stick, const char *image)
{
	size_t bytes = stick->sectors * BOT_SECTOR;
	int fd = open(image, O_RDONLY | O_CLOEXEC);
	void *content = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (content == MAP_FAILED)
		endure_fail(stick->e, "reading %s", image);
	if (memcmp(content, stick->shadow, bytes) != 0)
		endure_fail(stick->e, "the image lacks acknowledged data");
	(void)munmap(content, bytes);
	(void)close(fd);
}

void endure_stick(struct endure *e, const struct endure_amount *amount)
{
	struct stick stick = {.e = e};
	struct endure_figures before = {0};
	char image[DAEMON_PATH_MAX] = "";
	uint64_t commands = 0, of_this_daemon = 0, killed = 0;

	if (e->spec[0] == '\0') {
		if (daemon_image(&e->daemon, "image", 64u << 20, image) < 0)
			endure_fail(e, "no image");
		(void)snprintf(e->spec, sizeof(e->spec), "stick:file=%s", image);
	}
	stick.data =
		guest_alloc(&e->ram, GUEST_RAM_ZONE_HIGH, COMMAND_BYTES_MAX + 8192, 4096);
	endure_start(e);
	endure_find(e);
	open_stick(&stick);
	stick.sectors = MIN_OF(stick.bot.sectors, (64u << 20) / BOT_SECTOR);
	stick.shadow = calloc(stick.sectors, BOT_SECTOR);
	if (!stick.shadow)
		endure_fail(e, "no memory");
	look(&stick);
	while (stick.written_bytes + stick.read_bytes < amount->bytes ||
	       e->counts[DISTURB_PULL] < amount->pulls ||
	       of_this_daemon < WARM_COMMANDS + 8) {
		command(&stick);
		commands++;
		if (e->counts[DISTURB_KILL] != killed)
			of_this_daemon = 0;
		killed = e->counts[DISTURB_KILL];
		/* unplugging with many URBs in the kernel costs memory for a moment, and
		 * malloc() keeps some of it */
		if (e->counts[DISTURB_PULL] < amount->pulls / 2)
			continue;
		of_this_daemon++;
		if (of_this_daemon == WARM_COMMANDS)
			before = endure_figures(e);
	}
	if (image[0])
		compare_image(&stick, image);
	(void)printf(
		"stick: %llu commands, %llu MiB written, %llu MiB read and compared, "
		"%llu repeated\n",
		(unsigned long long)commands,
		(unsigned long long)stick.written_bytes >> 20,
		(unsigned long long)stick.read_bytes >> 20,
		(unsigned long long)stick.retries);
	endure_print_counts(e);
	endure_compare(e, &before);
	free(stick.shadow);
	endure_finish(e);
}
