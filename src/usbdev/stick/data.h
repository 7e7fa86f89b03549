/* SPDX-License-Identifier: MIT
 * data.h - the stick's data between guest memory and the image
 */
#ifndef USBDEV_STICK_DATA_H
#define USBDEV_STICK_DATA_H

#include "usbdev/stick/device.h"

/* One step of the data of READ, and of WRITE and COMPARE. */
enum stick_step stick_read_step(struct stick *stick, struct usbdev_transfer *transfer);
enum stick_step stick_write_step(struct stick *stick, struct usbdev_transfer *transfer);
/* One piece of VERIFY, SYNC or DISCARD. */
void stick_work_start(struct stick *stick, enum scsi_work work);
/* struct stick_pieces.on_back */
void stick_on_piece_back(struct stick_pieces *pieces, struct stick_piece *piece);

#endif /* USBDEV_STICK_DATA_H */
