/* SPDX-License-Identifier: MIT
 * kind_storage.c - a RAM disk behind Bulk-Only Transport, with unusable UAS
 *
 * Interface 0, alternate setting 0: BOT with bulk IN 0x81, OUT 0x02. At super speed, setting 1 is
 * UAS with streams. vhci_hcd has no streams, so a host or guest that chooses it sees only errors:
 * the device counts transfers there and answers none. Options: mib=N (default 8), no-uas.
 * Block n of the fresh disk begins with n (le32).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define BLOCK_BYTES 512u
#define CBW_BYTES   31u
#define CSW_BYTES   13u

enum phase {
	PHASE_COMMAND,
	PHASE_DATA_OUT,
	PHASE_DATA_IN,
	PHASE_STATUS,
};

enum scsi {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_START_STOP = 0x1b,
	SCSI_PREVENT = 0x1e,
	SCSI_READ_CAPACITY = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_SYNCHRONIZE = 0x35,
};

static uint8_t *disk;
static uint32_t blocks, commands, uas_transfers;

static struct {
	enum phase phase;
	uint32_t tag, wanted; /* from the command block wrapper */
	uint8_t status;
	uint8_t sense; /* sense key of the last command that failed */
	uint8_t small[64];
	uint8_t *data; /* the data to move: small, or a part of disk */
	uint32_t len, moved;
} bot;

static void refuse(void)
{
	bot.status = 1;
	bot.sense = 5; /* ILLEGAL REQUEST */
}

static void answer(uint32_t len)
{
	bot.data = bot.small;
	bot.len = len;
}

static void answer_inquiry(const uint8_t *cdb)
{
	if (cdb[1] & 1) {
		refuse();
		return;
	}
	bot.small[1] = 0x80; /* removable */
	bot.small[2] = 5;
	bot.small[3] = 2;
	bot.small[4] = 31;
	memcpy(bot.small + 8, "USBVFIOD", 8);
	memcpy(bot.small + 16, "RAM disk        ", 16);
	memcpy(bot.small + 32, "1   ", 4);
	answer(36);
}

static void read_write(const uint8_t *cdb)
{
	uint32_t first = get_be32(cdb + 2);
	uint32_t count = get_be16(cdb + 7);

	if (first > blocks || count > blocks - first) {
		refuse();
		return;
	}
	bot.data = disk + (size_t)first * BLOCK_BYTES;
	bot.len = count * BLOCK_BYTES;
}

static void execute(const uint8_t *cdb)
{
	memset(bot.small, 0, sizeof(bot.small));
	switch (cdb[0]) {
	case SCSI_TEST_UNIT_READY:
	case SCSI_START_STOP:
	case SCSI_PREVENT:
	case SCSI_SYNCHRONIZE:
		break;
	case SCSI_REQUEST_SENSE:
		bot.small[0] = 0x70;
		bot.small[2] = bot.sense;
		bot.small[7] = 10;
		bot.small[12] = bot.sense ? 0x20 : 0; /* INVALID COMMAND OPERATION CODE */
		bot.sense = 0;
		answer(18);
		break;
	case SCSI_INQUIRY:
		answer_inquiry(cdb);
		break;
	case SCSI_MODE_SENSE_6:
		bot.small[0] = 3;
		answer(4);
		break;
	case SCSI_READ_CAPACITY:
		put_be32(bot.small, blocks - 1);
		put_be32(bot.small + 4, BLOCK_BYTES);
		answer(8);
		break;
	case SCSI_READ_10:
	case SCSI_WRITE_10:
		read_write(cdb);
		break;
	default:
		refuse();
	}
}

static bool take_command(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->out[2]);
	bool in;

	if (!urb)
		return false;
	if (urb->len != CBW_BYTES || memcmp(urb->data, "USBC", 4) != 0) {
		device_halt(dev, &dev->out[2]);
		device_halt(dev, &dev->in[1]);
		return false;
	}
	commands++;
	bot.tag = get_le32(urb->data + 4);
	bot.wanted = get_le32(urb->data + 8);
	bot.len = bot.moved = 0;
	bot.status = 0;
	in = urb->data[12] & 0x80;
	execute(urb->data + 15);
	bot.phase = !bot.wanted ? PHASE_STATUS : in ? PHASE_DATA_IN : PHASE_DATA_OUT;
	device_complete(dev, urb, 0, CBW_BYTES);
	return true;
}

static bool take_data(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->out[2]);
	uint32_t kept;

	if (!urb)
		return false;
	kept = bot.moved < bot.len ? MIN_OF(urb->len, bot.len - bot.moved) : 0;
	if (kept)
		memcpy(bot.data + bot.moved, urb->data, kept);
	bot.moved += urb->len;
	if (bot.moved >= bot.wanted)
		bot.phase = PHASE_STATUS;
	device_complete(dev, urb, 0, urb->len);
	return true;
}

static bool give_data(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->in[1]);
	uint32_t len;

	if (!urb)
		return false;
	len = MIN_OF(urb->len, MIN_OF(bot.len, bot.wanted) - bot.moved);
	if (len)
		memcpy(urb->data, bot.data + bot.moved, len);
	bot.moved += len;
	if (len < urb->len || bot.moved >= bot.wanted)
		bot.phase = PHASE_STATUS;
	device_complete(dev, urb, 0, len);
	return true;
}

static bool give_status(struct device *dev)
{
	struct urb *urb = endpoint_first(&dev->in[1]);
	uint32_t done = MIN_OF(bot.moved, bot.len);

	if (!urb || urb->len < CSW_BYTES)
		return false;
	memcpy(urb->data, "USBS", 4);
	put_le32(urb->data + 4, bot.tag);
	put_le32(urb->data + 8, bot.wanted - MIN_OF(done, bot.wanted));
	urb->data[12] = bot.status;
	bot.phase = PHASE_COMMAND;
	device_complete(dev, urb, 0, CSW_BYTES);
	return true;
}

static bool step(struct device *dev)
{
	switch (bot.phase) {
	case PHASE_COMMAND:
		return take_command(dev);
	case PHASE_DATA_OUT:
		return take_data(dev);
	case PHASE_DATA_IN:
		return give_data(dev);
	case PHASE_STATUS:
		return give_status(dev);
	}
	return false;
}

static void kick(struct device *dev, struct endpoint *ep)
{
	(void)ep;
	if (dev->alternate[0] == 1) {
		uas_transfers++;
		return;
	}
	while (step(dev))
		;
}

static void changed(struct device *dev)
{
	bool halted = dev->in[1].halted || dev->out[2].halted;

	if (!halted && dev->configuration == 0)
		bot.phase = PHASE_COMMAND;
}

static enum control_answer control(struct device *dev, struct urb *urb)
{
	static const uint8_t max_lun;

	if (urb->setup[0] == 0xa1 && urb->setup[1] == 0xfe) {
		control_reply(dev, urb, &max_lun, 1);
		return CONTROL_DONE;
	}
	if (urb->setup[0] == 0x21 && urb->setup[1] == 0xff) {
		bot.phase = PHASE_COMMAND;
		device_complete(dev, urb, 0, 0);
		return CONTROL_DONE;
	}
	return CONTROL_STANDARD;
}

static void stats(struct device *dev, FILE *out)
{
	(void)dev;
	(void)fprintf(out, " commands=%u uas_transfers=%u", commands, uas_transfers);
}

/* The four pipes, each with its Pipe Usage descriptor; all but the first have 16 streams. */
static void uas_endpoints(struct descr_set *set)
{
	static const uint8_t addresses[4] = {0x04, 0x83, 0x81, 0x02};

	for (uint8_t i = 0; i < 4; i++) {
		uint8_t usage[4] = {4, 0x24, (uint8_t)(i + 1), 0};

		descr_endpoint(
			set,
			(struct descr_ep){
				.addr = addresses[i],
				.type = EP_BULK,
				.mult = i == 0 ? 0 : 4, /* MaxStreams: 2 to the 4th */
			});
		descr_raw(set, usage, sizeof(usage));
	}
}

static int init(struct device *dev)
{
	static const uint8_t bot_class[3] = {8, 6, 0x50}, uas_class[3] = {8, 6, 0x62};
	struct descr_set *set = &dev->descr;

	if (dev->speed == USB_SPEED_LOW)
		return -EINVAL;
	blocks = (uint32_t)option_number(dev, "mib", 8) * 2048;
	disk = calloc(blocks, BLOCK_BYTES);
	if (!disk)
		return -ENOMEM;
	for (uint32_t i = 0; i < blocks; i++)
		put_le32(disk + (size_t)i * BLOCK_BYTES, i);
	descr_begin(set, dev->speed, 0x1209, 0xd15c);
	set->strings[2] = "RAM disk";
	set->strings[3] = "000000000001";
	(void)descr_config(set, 1);
	descr_interface(set, 0, 0, bot_class);
	descr_endpoint(set, (struct descr_ep){.addr = 0x81, .type = EP_BULK});
	descr_endpoint(set, (struct descr_ep){.addr = 0x02, .type = EP_BULK});
	if (dev->speed >= USB_SPEED_SUPER && !option_text(dev, "no-uas")) {
		descr_interface(set, 0, 1, uas_class);
		uas_endpoints(set);
	}
	return 0;
}

const struct kind kind_storage = {
	.name = "storage",
	.summary = "1209:d15c RAM disk with BOT and, at super speed, UAS that needs "
		   "streams; options "
		   "mib= no-uas",
	.init = init,
	.control = control,
	.kick = kick,
	.changed = changed,
	.stats = stats,
};
