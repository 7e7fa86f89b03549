/* SPDX-License-Identifier: MIT
 * scsi_disk.h - the disk that commands are for, and how a command ends
 */
#ifndef USBDEV_STICK_SCSI_DISK_H
#define USBDEV_STICK_SCSI_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define SCSI_BLOCK_BYTES 512u
#define SCSI_CDB_BYTES   16u
/* Room for answers and parameter lists; the longest is that of UNMAP. */
#define SCSI_DATA_BYTES 4096u
#define SCSI_UNMAP_MAX  255u

enum scsi_kind {
	SCSI_KIND_NONE,    /* no data */
	SCSI_KIND_REPLY,   /* IN: length_bytes of disk->data */
	SCSI_KIND_PARAMS,  /* OUT: a parameter list to disk->data, then scsi_params() */
	SCSI_KIND_READ,    /* IN: from the medium */
	SCSI_KIND_WRITE,   /* OUT: to the medium */
	SCSI_KIND_COMPARE, /* OUT: to be the same as on the medium */
};

/* Work without data of the host's. */
enum scsi_work {
	SCSI_WORK_NONE,
	SCSI_WORK_SYNC,    /* all written so far to stable storage */
	SCSI_WORK_VERIFY,  /* read the blocks and see */
	SCSI_WORK_DISCARD, /* scsi_unmap_range() for each, until it says no more */
};

/**
 * struct scsi_command - a decoded command
 * @length_bytes: of the data; for SCSI_WORK_VERIFY of the blocks
 * @before, @after: work before and after the data
 */
struct scsi_command {
	enum scsi_kind kind;
	enum scsi_work before;
	enum scsi_work after;
	uint64_t offset_bytes;
	uint64_t length_bytes;
	uint64_t verify_bytes;
};

/* Sense key << 16 | additional sense code << 8 | its qualifier (SPC-4 annex D). */
enum scsi_sense {
	SCSI_SENSE_NONE = 0,
	SCSI_SENSE_WRITE_ERROR = 0x030c00,
	SCSI_SENSE_READ_ERROR = 0x031100,
	SCSI_SENSE_LIST_LENGTH = 0x051a00,
	SCSI_SENSE_OPCODE = 0x052000,
	SCSI_SENSE_RANGE = 0x052100,
	SCSI_SENSE_FIELD = 0x052400,
	SCSI_SENSE_LUN = 0x052500,
	SCSI_SENSE_LIST_FIELD = 0x052600,
	SCSI_SENSE_NO_SAVING = 0x053900,
	SCSI_SENSE_WRITE_PROTECTED = 0x072700,
	SCSI_SENSE_NO_SPACE = 0x072707,
	SCSI_SENSE_MISCOMPARE = 0x0e1d00,
};

/**
 * struct scsi_disk - one logical unit
 * @write_cache: WCE: a write may be acknowledged before it is on stable storage
 * @sense:	of the last command, for REQUEST SENSE
 * @data:	the answer or parameter list of the command under way
 */
struct scsi_disk {
	uint64_t blocks;
	bool readonly;
	bool write_cache;
	uint64_t id;
	const char *serial;
	uint32_t sense;
	uint8_t cdb[SCSI_CDB_BYTES];
	uint8_t data[SCSI_DATA_BYTES];
};

/* Operation codes. */
enum scsi_opcode {
	SCSI_OPCODE_TEST_UNIT_READY = 0x00,
	SCSI_OPCODE_REQUEST_SENSE = 0x03,
	SCSI_OPCODE_READ_6 = 0x08,
	SCSI_OPCODE_WRITE_6 = 0x0a,
	SCSI_OPCODE_INQUIRY = 0x12,
	SCSI_OPCODE_MODE_SELECT_6 = 0x15,
	SCSI_OPCODE_MODE_SENSE_6 = 0x1a,
	SCSI_OPCODE_START_STOP_UNIT = 0x1b,
	SCSI_OPCODE_PREVENT_ALLOW = 0x1e,
	SCSI_OPCODE_READ_FORMAT_CAPACITIES = 0x23,
	SCSI_OPCODE_READ_CAPACITY_10 = 0x25,
	SCSI_OPCODE_READ_10 = 0x28,
	SCSI_OPCODE_WRITE_10 = 0x2a,
	SCSI_OPCODE_VERIFY_10 = 0x2f,
	SCSI_OPCODE_SYNCHRONIZE_CACHE_10 = 0x35,
	SCSI_OPCODE_UNMAP = 0x42,
	SCSI_OPCODE_MODE_SELECT_10 = 0x55,
	SCSI_OPCODE_MODE_SENSE_10 = 0x5a,
	SCSI_OPCODE_READ_16 = 0x88,
	SCSI_OPCODE_WRITE_16 = 0x8a,
	SCSI_OPCODE_VERIFY_16 = 0x8f,
	SCSI_OPCODE_SYNCHRONIZE_CACHE_16 = 0x91,
	SCSI_OPCODE_SERVICE_ACTION_IN_16 = 0x9e,
	SCSI_OPCODE_REPORT_LUNS = 0xa0,
	SCSI_OPCODE_READ_12 = 0xa8,
	SCSI_OPCODE_WRITE_12 = 0xaa,
};

/* @serial: borrowed. @id: a number of its own for designators. */
void scsi_init(struct scsi_disk *disk, uint64_t size_bytes, bool readonly, uint64_t id,
	       const char *serial);

/* CHECK CONDITION with @sense. Returns false, for the callers' convenience. */
bool scsi_fail(struct scsi_disk *disk, enum scsi_sense sense);
/* Sets the sense for I/O that ended with @code (-errno). -EILSEQ: COMPARE differs. */
void scsi_io_error(struct scsi_disk *disk, bool write, int code);
/* The answer is @len bytes of disk->data, of which the host wants @wanted. */
bool scsi_reply(struct scsi_command *command, uint32_t len, uint32_t wanted);

#endif /* USBDEV_STICK_SCSI_DISK_H */
