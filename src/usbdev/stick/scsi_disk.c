/* SPDX-License-Identifier: MIT
 * scsi_disk.c - the disk that commands are for, and how a command ends
 */
#include "usbdev/stick/scsi_disk.h"

#include <errno.h>

#include "util/compiler.h"

void scsi_init(struct scsi_disk *disk, uint64_t size_bytes, bool readonly, uint64_t id,
	       const char *serial)
{
	disk->blocks = size_bytes / SCSI_BLOCK_BYTES;
	disk->readonly = readonly;
	disk->write_cache = true;
	disk->id = id;
	disk->serial = serial;
	disk->sense = SCSI_SENSE_NONE;
}

bool scsi_fail(struct scsi_disk *disk, enum scsi_sense sense)
{
	disk->sense = sense;
	return false;
}

void scsi_io_error(struct scsi_disk *disk, bool write, int code)
{
	if (code == -EILSEQ)
		disk->sense = SCSI_SENSE_MISCOMPARE;
	else if (!write)
		disk->sense = SCSI_SENSE_READ_ERROR;
	else if (code == -ENOSPC || code == -EDQUOT)
		disk->sense = SCSI_SENSE_NO_SPACE;
	else
		disk->sense = SCSI_SENSE_WRITE_ERROR;
}

bool scsi_reply(struct scsi_command *command, uint32_t len, uint32_t wanted)
{
	command->kind = SCSI_KIND_REPLY;
	command->length_bytes = MIN_OF(len, wanted);
	return true;
}
