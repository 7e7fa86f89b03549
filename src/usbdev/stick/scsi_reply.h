/* SPDX-License-Identifier: MIT
 * scsi_reply.h - commands that only ask
 */
#ifndef USBDEV_STICK_SCSI_REPLY_H
#define USBDEV_STICK_SCSI_REPLY_H

#include <stdbool.h>

#include "usbdev/stick/scsi_disk.h"
#include "util/compiler.h"

/* Return: as scsi_start(). */
MUST_USE bool scsi_inquiry(struct scsi_disk *disk, bool lun_exists,
			   struct scsi_command *command);
MUST_USE bool scsi_request_sense(struct scsi_disk *disk, struct scsi_command *command);
MUST_USE bool scsi_read_capacity(struct scsi_disk *disk, struct scsi_command *command);
MUST_USE bool scsi_read_capacity16(struct scsi_disk *disk, struct scsi_command *command);
MUST_USE bool scsi_read_format_capacities(struct scsi_disk *disk,
					  struct scsi_command *command);
MUST_USE bool scsi_report_luns(struct scsi_disk *disk, struct scsi_command *command);

#endif /* USBDEV_STICK_SCSI_REPLY_H */
