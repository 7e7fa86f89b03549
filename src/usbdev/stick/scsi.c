/* SPDX-License-Identifier: MIT
 * scsi.c - decode commands; the commands that move blocks
 */
#include "usbdev/stick/scsi.h"

#include <string.h>

#include "usbdev/stick/scsi_mode.h"
#include "usbdev/stick/scsi_reply.h"
#include "util/bytes.h"

#define FLAG_FUA            0x08u /* byte 1 of READ and WRITE */
#define FLAG_PROTECT        0xe0u /* RDPROTECT, WRPROTECT, VRPROTECT */
#define SERVICE_CAPACITY_16 0x10u
#define UNMAP_HEADER_BYTES  8u
#define UNMAP_RANGE_BYTES   16u

/* Length of a CDB by the group code of its operation code (SPC-4 4.2.5.1). */
static unsigned cdb_bytes(uint8_t opcode)
{
	static const uint8_t by_group[8] = {6, 10, 10, 6, 16, 12, 6, 6};

	return by_group[opcode >> 5];
}

/* LBA and number of blocks of any CDB. */
static void get_range(const uint8_t *cdb, uint64_t *ret_lba, uint32_t *ret_blocks)
{
	switch (cdb_bytes(cdb[0])) {
	case 6:
		*ret_lba = get_be32(cdb) & 0x1fffff;
		*ret_blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		*ret_lba = get_be32(cdb + 2);
		*ret_blocks = get_be16(cdb + 7);
		break;
	case 12:
		*ret_lba = get_be32(cdb + 2);
		*ret_blocks = get_be32(cdb + 6);
		break;
	default:
		*ret_lba = get_be64(cdb + 2);
		*ret_blocks = get_be32(cdb + 10);
		break;
	}
}

/* Checks the range against the capacity and converts it to bytes. */
static bool set_range(struct scsi_disk *disk, uint64_t lba, uint64_t blocks,
		      uint64_t *ret_offset, uint64_t *ret_len)
{
	if (lba > disk->blocks || blocks > disk->blocks - lba)
		return scsi_fail(disk, SCSI_SENSE_RANGE);
	*ret_offset = lba * SCSI_BLOCK_BYTES;
	*ret_len = blocks * SCSI_BLOCK_BYTES;
	return true;
}

static bool read_write(struct scsi_disk *disk, bool write, struct scsi_command *command)
{
	bool six = cdb_bytes(disk->cdb[0]) == 6;
	bool fua = !six && (disk->cdb[1] & FLAG_FUA);
	uint64_t lba;
	uint32_t blocks;

	if (!six && (disk->cdb[1] & FLAG_PROTECT))
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	get_range(disk->cdb, &lba, &blocks);
	if (write && disk->readonly)
		return scsi_fail(disk, SCSI_SENSE_WRITE_PROTECTED);
	if (!set_range(disk, lba, blocks, &command->offset_bytes, &command->length_bytes))
		return false;
	if (blocks == 0)
		return true;
	command->kind = write ? SCSI_KIND_WRITE : SCSI_KIND_READ;
	if (write && (fua || !disk->write_cache))
		command->after = SCSI_WORK_SYNC;
	if (!write && fua && !disk->readonly)
		command->before = SCSI_WORK_SYNC; /* read data must be on the medium */
	return true;
}

static bool verify(struct scsi_disk *disk, struct scsi_command *command)
{
	uint64_t lba;
	uint32_t blocks;
	uint64_t len = 0; /* gcc does not see that set_range() sets it */

	if (disk->cdb[1] & FLAG_PROTECT)
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	get_range(disk->cdb, &lba, &blocks);
	if (!set_range(disk, lba, blocks, &command->offset_bytes, &len))
		return false;
	if (blocks == 0)
		return true;
	switch ((disk->cdb[1] >> 1) & 3) { /* BYTCHK */
	case 0:
		command->before = SCSI_WORK_VERIFY;
		command->verify_bytes = len;
		return true;
	case 1:
		command->kind = SCSI_KIND_COMPARE;
		command->length_bytes = len;
		return true;
	default:
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	}
}

static bool synchronize(struct scsi_disk *disk, struct scsi_command *command)
{
	uint64_t lba;
	uint32_t blocks;
	uint64_t unused;

	get_range(disk->cdb, &lba, &blocks);
	if (!set_range(disk, lba, blocks, &unused, &unused))
		return false;
	/* SBC-3 allows to sync more than the range, and IMMED only permits an early answer. */
	if (!disk->readonly)
		command->before = SCSI_WORK_SYNC;
	return true;
}

/* A stick cannot spin down or eject itself, but its data should be safe before somebody pulls
 * it. */
static bool start_stop(struct scsi_disk *disk, struct scsi_command *command)
{
	bool start = disk->cdb[4] & 1;

	if (!start && !disk->readonly)
		command->before = SCSI_WORK_SYNC;
	return true;
}

static bool unmap(struct scsi_disk *disk, struct scsi_command *command)
{
	uint32_t len = get_be16(disk->cdb + 7);

	if (disk->readonly)
		return scsi_fail(disk, SCSI_SENSE_WRITE_PROTECTED);
	if (disk->cdb[1] & 1) /* ANCHOR */
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	if (len == 0)
		return true;
	if (len < UNMAP_HEADER_BYTES || len > SCSI_DATA_BYTES)
		return scsi_fail(disk, SCSI_SENSE_LIST_LENGTH);
	command->kind = SCSI_KIND_PARAMS;
	command->length_bytes = len;
	return true;
}

static unsigned unmap_ranges(const struct scsi_disk *disk)
{
	return get_be16(disk->data + 2) / UNMAP_RANGE_BYTES;
}

bool scsi_unmap_range(const struct scsi_disk *disk, unsigned index, uint64_t *ret_offset,
		      uint64_t *ret_len)
{
	const uint8_t *range =
		disk->data + UNMAP_HEADER_BYTES + (size_t)index * UNMAP_RANGE_BYTES;

	if (index >= unmap_ranges(disk))
		return false;
	*ret_offset = get_be64(range) * SCSI_BLOCK_BYTES;
	*ret_len = (uint64_t)get_be32(range + 8) * SCSI_BLOCK_BYTES;
	return true;
}

static bool unmap_params(struct scsi_disk *disk, uint32_t len,
			 struct scsi_command *command)
{
	unsigned ranges = unmap_ranges(disk);
	uint64_t unused;

	if (ranges > SCSI_UNMAP_MAX ||
	    UNMAP_HEADER_BYTES + ranges * UNMAP_RANGE_BYTES > len)
		return scsi_fail(disk, SCSI_SENSE_LIST_FIELD);
	for (unsigned i = 0; i < ranges; i++) {
		const uint8_t *range =
			disk->data + UNMAP_HEADER_BYTES + (size_t)i * UNMAP_RANGE_BYTES;

		if (!set_range(disk, get_be64(range), get_be32(range + 8), &unused,
			       &unused))
			return false;
	}
	command->after = SCSI_WORK_DISCARD;
	return true;
}

bool scsi_params(struct scsi_disk *disk, uint32_t len, struct scsi_command *command)
{
	if (disk->cdb[0] == SCSI_OPCODE_UNMAP)
		return unmap_params(disk, len, command);
	return scsi_mode_params(disk, len);
}

static bool dispatch(struct scsi_disk *disk, struct scsi_command *command)
{
	switch (disk->cdb[0]) {
	case SCSI_OPCODE_TEST_UNIT_READY:
	case SCSI_OPCODE_PREVENT_ALLOW:
		return true;
	case SCSI_OPCODE_REQUEST_SENSE:
		return scsi_request_sense(disk, command);
	case SCSI_OPCODE_INQUIRY:
		return scsi_inquiry(disk, true, command);
	case SCSI_OPCODE_MODE_SELECT_6:
	case SCSI_OPCODE_MODE_SELECT_10:
		return scsi_mode_select(disk, command);
	case SCSI_OPCODE_MODE_SENSE_6:
	case SCSI_OPCODE_MODE_SENSE_10:
		return scsi_mode_sense(disk, command);
	case SCSI_OPCODE_START_STOP_UNIT:
		return start_stop(disk, command);
	case SCSI_OPCODE_READ_FORMAT_CAPACITIES:
		return scsi_read_format_capacities(disk, command);
	case SCSI_OPCODE_READ_CAPACITY_10:
		return scsi_read_capacity(disk, command);
	case SCSI_OPCODE_SERVICE_ACTION_IN_16:
		if ((disk->cdb[1] & 0x1f) == SERVICE_CAPACITY_16)
			return scsi_read_capacity16(disk, command);
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	case SCSI_OPCODE_READ_6:
	case SCSI_OPCODE_READ_10:
	case SCSI_OPCODE_READ_12:
	case SCSI_OPCODE_READ_16:
		return read_write(disk, false, command);
	case SCSI_OPCODE_WRITE_6:
	case SCSI_OPCODE_WRITE_10:
	case SCSI_OPCODE_WRITE_12:
	case SCSI_OPCODE_WRITE_16:
		return read_write(disk, true, command);
	case SCSI_OPCODE_VERIFY_10:
	case SCSI_OPCODE_VERIFY_16:
		return verify(disk, command);
	case SCSI_OPCODE_SYNCHRONIZE_CACHE_10:
	case SCSI_OPCODE_SYNCHRONIZE_CACHE_16:
		return synchronize(disk, command);
	case SCSI_OPCODE_UNMAP:
		return unmap(disk, command);
	case SCSI_OPCODE_REPORT_LUNS:
		return scsi_report_luns(disk, command);
	default:
		return scsi_fail(disk, SCSI_SENSE_OPCODE);
	}
}

bool scsi_start(struct scsi_disk *disk, uint8_t lun, const uint8_t *cdb, unsigned cdb_len,
		struct scsi_command *command)
{
	uint8_t opcode = cdb[0];

	memset(command, 0, sizeof(*command));
	memset(disk->cdb, 0, sizeof(disk->cdb));
	memcpy(disk->cdb, cdb, cdb_len);
	/* the sense lives until the next command but REQUEST SENSE and the like */
	if (opcode != SCSI_OPCODE_REQUEST_SENSE)
		disk->sense = SCSI_SENSE_NONE;
	/* missing bytes count as 0, if they do not belong to the command */
	if (cdb_len < cdb_bytes(opcode))
		return scsi_fail(disk, SCSI_SENSE_FIELD);
	if (lun != 0) {
		if (opcode == SCSI_OPCODE_INQUIRY)
			return scsi_inquiry(disk, false, command);
		return scsi_fail(disk, SCSI_SENSE_LUN);
	}
	return dispatch(disk, command);
}
