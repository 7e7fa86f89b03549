/* SPDX-License-Identifier: MIT
 * scsi_mode.h - MODE SENSE and MODE SELECT
 */
#ifndef USBDEV_STICK_SCSI_MODE_H
#define USBDEV_STICK_SCSI_MODE_H

#include <stdbool.h>
#include <stdint.h>

#include "usbdev/stick/scsi_disk.h"
#include "util/compiler.h"

/* Return: as scsi_start(). */
MUST_USE bool scsi_mode_sense(struct scsi_disk *disk, struct scsi_command *command);
MUST_USE bool scsi_mode_select(struct scsi_disk *disk, struct scsi_command *command);
MUST_USE bool scsi_mode_params(struct scsi_disk *disk, uint32_t len);

#endif /* USBDEV_STICK_SCSI_MODE_H */
