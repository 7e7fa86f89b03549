/* SPDX-License-Identifier: MIT
 * scsi.h - the disk's side of SCSI: what a command asks for
 *
 * Decodes a CDB into a struct scsi_command, which says what data moves and what
 * work goes before and after it; the transport does both. No I/O here. CDBs and
 * parameter lists are the guest's and may be anything. Terms: SPC-4, SBC-3.
 */
#ifndef USBDEV_STICK_SCSI_H
#define USBDEV_STICK_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/stick/scsi_disk.h"
#include "util/compiler.h"

/**
 * scsi_start() - decode a command
 * @cdb_len:	1..SCSI_CDB_BYTES
 *
 * Return: true with @command filled in; false: CHECK CONDITION, the sense is
 * set, and there is no data.
 */
MUST_USE bool scsi_start(struct scsi_disk *disk, uint8_t lun, const uint8_t *cdb,
			 unsigned cdb_len, struct scsi_command *command);
/* The @len bytes of a parameter list are in disk->data; sets command->after.
 * Return: as scsi_start(). */
MUST_USE bool scsi_params(struct scsi_disk *disk, uint32_t len,
			  struct scsi_command *command);
/* Range @index of an accepted UNMAP. False: there are no more. Worker thread too. */
MUST_USE bool scsi_unmap_range(const struct scsi_disk *disk, unsigned index,
			       uint64_t *ret_offset, uint64_t *ret_len);

#endif /* USBDEV_STICK_SCSI_H */
