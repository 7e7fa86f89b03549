/* SPDX-License-Identifier: MIT
 * scsi_mode.c - MODE SENSE and MODE SELECT (SPC-4 6.9 to 6.12, SBC-3 6.4)
 *
 * Two pages: caching, of which the host can change WCE, with effect, and control,
 * of which it can change nothing.
 */
#include "usbdev/stick/scsi_mode.h"

#include <string.h>

#include "util/bytes.h"

#define PAGE_CACHING  0x08u
#define PAGE_CONTROL  0x0au
#define PAGE_ALL      0x3fu
#define SUBPAGE_ALL   0xffu
#define CACHING_BYTES 20u
#define CONTROL_BYTES 12u
#define CACHING_WCE   0x04u

#define DEVICE_WP     0x80u
#define DEVICE_DPOFUA 0x10u
#define MODE_DBD      0x08u
#define SELECT_SP     0x01u

#define BLOCK_DESCR_BYTES 8u

enum page_control {
	PAGE_CONTROL_CURRENT,
	PAGE_CONTROL_CHANGEABLE,
	PAGE_CONTROL_DEFAULT,
	PAGE_CONTROL_SAVED,
};

static bool is_6(const struct scsi_disk *disk)
{
	return disk->cdb[0] == SCSI_OPCODE_MODE_SENSE_6 ||
	       disk->cdb[0] == SCSI_OPCODE_MODE_SELECT_6;
}

static uint32_t header_bytes(const struct scsi_disk *disk)
{
	return is_6(disk) ? 4 : 8;
}

static uint32_t put_caching(const struct scsi_disk *disk, enum page_control pc,
			    uint8_t *d)
{
	bool wce = pc == PAGE_CONTROL_CURRENT ? disk->write_cache : true;

	memset(d, 0, CACHING_BYTES);
	d[0] = PAGE_CACHING;
	d[1] = CACHING_BYTES - 2;
	d[2] = wce && !disk->readonly ? CACHING_WCE : 0;
	return CACHING_BYTES;
}

static uint32_t put_control(uint8_t *d)
{
	memset(d, 0, CONTROL_BYTES);
	d[0] = PAGE_CONTROL;
	d[1] = CONTROL_BYTES - 2;
	return CONTROL_BYTES;
}

static uint32_t put_block_descr(const struct scsi_disk *disk, uint8_t *d)
{
	put_be32(d, (uint32_t)MIN_OF(disk->blocks, (uint64_t)UINT32_MAX));
	put_be32(d + 4, SCSI_BLOCK_BYTES);
	return BLOCK_DESCR_BYTES;
}

bool scsi_mode_sense(struct scsi_disk *disk, struct scsi_command *command)
{
	enum page_control pc = disk->cdb[2] >> 6;
	uint8_t page = disk->cdb[2] & 0x3f;
	uint8_t device = DEVICE_DPOFUA | (disk->readonly ? DEVICE_WP : 0);
	uint8_t *d = disk->data;
	uint32_t len = header_bytes(disk);
	uint8_t descr = 0;

	if (pc == PAGE_CONTROL_SAVED)
		return scsi_fail(disk, SCSI_SENSE_NO_SAVING);
	if ((page != PAGE_CACHING && page != PAGE_CONTROL && page != PAGE_ALL) ||
	    (disk->cdb[3] != 0 && !(page == PAGE_ALL && disk->cdb[3] == SUBPAGE_ALL)))
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	if (!(disk->cdb[1] & MODE_DBD)) {
		descr = BLOCK_DESCR_BYTES;
		len += put_block_descr(disk, d + len);
	}
	if (page == PAGE_CACHING || page == PAGE_ALL)
		len += put_caching(disk, pc, d + len);
	if (page == PAGE_CONTROL || page == PAGE_ALL)
		len += put_control(d + len);
	memset(d, 0, header_bytes(disk));
	if (is_6(disk)) {
		d[0] = (uint8_t)(len - 1);
		d[2] = device;
		d[3] = descr;
		return scsi_reply(command, len, disk->cdb[4]);
	}
	put_be16(d, (uint16_t)(len - 2));
	d[3] = device;
	put_be16(d + 6, descr);
	return scsi_reply(command, len, get_be16(disk->cdb + 7));
}

bool scsi_mode_select(struct scsi_disk *disk, struct scsi_command *command)
{
	uint32_t len = is_6(disk) ? disk->cdb[4] : get_be16(disk->cdb + 7);

	if (disk->cdb[1] & SELECT_SP)
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	if (len == 0)
		return true;
	if (len > SCSI_DATA_BYTES)
		return scsi_fail(disk, SCSI_SENSE_LIST_LENGTH);
	command->kind = SCSI_KIND_PARAMS;
	command->length_bytes = len;
	return true;
}

/* One complete page of the list. Ignores bits other than WCE: hosts send back the page that
 * they have read. */
static bool select_page(struct scsi_disk *disk, const uint8_t *page, uint32_t len,
			bool apply)
{
	switch (page[0] & 0x3f) {
	case PAGE_CACHING:
		if (len != CACHING_BYTES)
			return scsi_fail(disk, SCSI_SENSE_LIST_FIELD);
		if (apply)
			disk->write_cache = (page[2] & CACHING_WCE) != 0;
		return true;
	case PAGE_CONTROL:
		if (len != CONTROL_BYTES)
			return scsi_fail(disk, SCSI_SENSE_LIST_FIELD);
		return true;
	default:
		return scsi_fail(disk, SCSI_SENSE_LIST_FIELD);
	}
}

/* All pages in order; accepts a whole list or nothing of it. */
static bool select_pages(struct scsi_disk *disk, uint32_t len, uint32_t at, bool apply)
{
	while (at < len) {
		const uint8_t *page = disk->data + at;
		uint32_t page_bytes;

		if (len - at < 2 || len - at < 2u + page[1])
			return scsi_fail(disk, SCSI_SENSE_LIST_LENGTH);
		page_bytes = 2u + page[1];
		if (!select_page(disk, page, page_bytes, apply))
			return false;
		at += page_bytes;
	}
	return true;
}

bool scsi_mode_params(struct scsi_disk *disk, uint32_t len)
{
	uint32_t at = header_bytes(disk);

	if (len < at)
		return scsi_fail(disk, SCSI_SENSE_LIST_LENGTH);
	at += is_6(disk) ? disk->data[3] : get_be16(disk->data + 6);
	if (at > len)
		return scsi_fail(disk, SCSI_SENSE_LIST_LENGTH);
	return select_pages(disk, len, at, false) && select_pages(disk, len, at, true);
}
