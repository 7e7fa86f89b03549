/* SPDX-License-Identifier: MIT
 * scsi_reply.c - commands that describe the disk
 */
#include "usbdev/stick/scsi_reply.h"

#include <stdio.h>
#include <string.h>

#include "util/bytes.h"

/* INQUIRY has room for 8, 16 and 4 characters, padded with spaces */
#define VENDOR   "usbvfiod"
#define PRODUCT  "USB Stick       "
#define REVISION "0.1 "

#define VERSION_SPC3         0x05u
#define QUALIFIER_NO_LUN     0x7fu
#define NAA_LOCALLY_ASSIGNED 0x3u
#define NON_ROTATING         0x0001u
#define PROVISIONING_THIN    2u
#define FORMATTED_MEDIA      2u
/* UNMAP in whole pages: the file system cannot free smaller ranges */
#define UNMAP_GRANULARITY 8u

enum vpd_page {
	VPD_PAGE_PAGES = 0x00,
	VPD_PAGE_SERIAL = 0x80,
	VPD_PAGE_IDENTIFICATION = 0x83,
	VPD_PAGE_BLOCK_LIMITS = 0xb0,
	VPD_PAGE_CHARACTERISTICS = 0xb1,
	VPD_PAGE_PROVISIONING = 0xb2,
};

/* A designation descriptor of page 83h (SPC-4 7.8.6). Returns its bytes. */
static uint32_t put_designator(uint8_t *d, uint8_t code_set, uint8_t type,
			       const void *value, uint8_t len)
{
	d[0] = code_set;
	d[1] = type;
	d[2] = 0;
	d[3] = len;
	memcpy(d + 4, value, len);
	return 4u + len;
}

static uint32_t put_identification(const struct scsi_disk *disk, uint8_t *d)
{
	char t10[64];
	uint8_t naa[8];
	uint32_t len;
	int n = snprintf(t10, sizeof(t10), "%s%s%s", VENDOR, PRODUCT, disk->serial);

	put_be64(naa, (uint64_t)NAA_LOCALLY_ASSIGNED << 60 | disk->id >> 4);
	len = put_designator(d, 2, 1, t10, (uint8_t)n);
	return len + put_designator(d + len, 1, 3, naa, sizeof(naa));
}

/* Fills @d behind the 4 bytes of the header. Returns bytes, or -1 if unknown. */
static int put_vpd(const struct scsi_disk *disk, uint8_t page, uint8_t *d)
{
	static const uint8_t pages[] = {VPD_PAGE_PAGES,           VPD_PAGE_SERIAL,
					VPD_PAGE_IDENTIFICATION,  VPD_PAGE_BLOCK_LIMITS,
					VPD_PAGE_CHARACTERISTICS, VPD_PAGE_PROVISIONING};

	switch (page) {
	case VPD_PAGE_PAGES:
		memcpy(d, pages, sizeof(pages));
		return sizeof(pages);
	case VPD_PAGE_SERIAL:
		memcpy(d, disk->serial, strlen(disk->serial));
		return (int)strlen(disk->serial);
	case VPD_PAGE_IDENTIFICATION:
		return (int)put_identification(disk, d);
	case VPD_PAGE_BLOCK_LIMITS: /* SBC-3 6.5.3; offsets less the header */
		if (!disk->readonly) {
			put_be32(d + 16, UINT32_MAX);
			put_be32(d + 20, SCSI_UNMAP_MAX);
			put_be32(d + 24, UNMAP_GRANULARITY);
		}
		return 0x3c;
	case VPD_PAGE_CHARACTERISTICS:
		put_be16(d, NON_ROTATING);
		return 0x3c;
	case VPD_PAGE_PROVISIONING:
		if (!disk->readonly) {
			d[1] = 0x80; /* LBPU */
			d[2] = PROVISIONING_THIN;
		}
		return 4;
	default:
		return -1;
	}
}

static bool inquiry_vpd(struct scsi_disk *disk, uint32_t wanted,
			struct scsi_command *command)
{
	int len = put_vpd(disk, disk->cdb[2], disk->data + 4);

	if (len < 0)
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	disk->data[1] = disk->cdb[2];
	put_be16(disk->data + 2, (uint16_t)len);
	return scsi_reply(command, 4u + (uint32_t)len, wanted);
}

bool scsi_inquiry(struct scsi_disk *disk, bool lun_exists, struct scsi_command *command)
{
	uint32_t wanted = get_be16(disk->cdb + 3);
	uint8_t *d = disk->data;

	memset(d, 0, 256);
	if ((disk->cdb[1] & 1) && lun_exists)
		return inquiry_vpd(disk, wanted, command);
	if (disk->cdb[1] & 1 || disk->cdb[2] != 0)
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	/* Not "removable" (RMB): guests poll removable media for a change every two
	 * seconds, for ever. */
	d[0] = lun_exists ? 0 : QUALIFIER_NO_LUN;
	d[2] = VERSION_SPC3;
	d[3] = 2; /* RESPONSE DATA FORMAT */
	d[4] = 36 - 5;
	memcpy(d + 8, VENDOR, 8);
	memcpy(d + 16, PRODUCT, 16);
	memcpy(d + 32, REVISION, 4);
	return scsi_reply(command, 36, wanted);
}

bool scsi_request_sense(struct scsi_disk *disk, struct scsi_command *command)
{
	uint8_t *d = disk->data;
	uint32_t sense = disk->sense;
	uint32_t len;

	memset(d, 0, 18);
	if (disk->cdb[1] & 1) { /* DESC: descriptor format */
		d[0] = 0x72;
		d[1] = (uint8_t)(sense >> 16);
		d[2] = (uint8_t)(sense >> 8);
		d[3] = (uint8_t)sense;
		len = 8;
	} else {
		d[0] = 0x70;
		d[2] = (uint8_t)(sense >> 16);
		d[7] = 18 - 8;
		d[12] = (uint8_t)(sense >> 8);
		d[13] = (uint8_t)sense;
		len = 18;
	}
	disk->sense = SCSI_SENSE_NONE;
	return scsi_reply(command, len, disk->cdb[4]);
}

bool scsi_read_capacity(struct scsi_disk *disk, struct scsi_command *command)
{
	uint64_t last = disk->blocks - 1;

	/* all ones: the host must use READ CAPACITY (16) */
	put_be32(disk->data, (uint32_t)MIN_OF(last, (uint64_t)UINT32_MAX));
	put_be32(disk->data + 4, SCSI_BLOCK_BYTES);
	return scsi_reply(command, 8, 8);
}

bool scsi_read_capacity16(struct scsi_disk *disk, struct scsi_command *command)
{
	uint8_t *d = disk->data;

	memset(d, 0, 32);
	put_be64(d, disk->blocks - 1);
	put_be32(d + 8, SCSI_BLOCK_BYTES);
	if (!disk->readonly)
		d[14] = 0x80; /* LBPME */
	return scsi_reply(command, 32, get_be32(disk->cdb + 10));
}

/* MMC-6 6.23; Windows asks for this size first. */
bool scsi_read_format_capacities(struct scsi_disk *disk, struct scsi_command *command)
{
	uint8_t *d = disk->data;

	memset(d, 0, 12);
	d[3] = 8;
	put_be32(d + 4, (uint32_t)MIN_OF(disk->blocks, (uint64_t)UINT32_MAX));
	put_be32(d + 8, FORMATTED_MEDIA << 24 | SCSI_BLOCK_BYTES);
	return scsi_reply(command, 12, get_be16(disk->cdb + 7));
}

bool scsi_report_luns(struct scsi_disk *disk, struct scsi_command *command)
{
	uint8_t select = disk->cdb[2];

	if (select > 2)
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	memset(disk->data, 0, 16);
	/* 1 asks for well-known logical units only: there is none */
	put_be32(disk->data, select == 1 ? 0 : 8);
	return scsi_reply(command, select == 1 ? 8 : 16, get_be32(disk->cdb + 6));
}
