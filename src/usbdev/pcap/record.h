/* SPDX-License-Identifier: MIT
 * record.h - the bytes of a capture: classic pcap with usbmon's 64-byte header
 *
 * The file: a header, then records. A record: the header of pcap (when, how many
 * bytes), the one of usbmon, for isochronous transfers a packet descriptor, then
 * data. Link type 220, LINKTYPE_USB_LINUX_MMAPPED; the layout of usbmon's parts
 * is that of struct usbmon_packet in Documentation/usb/usbmon.rst of Linux. All
 * in the byte order of the host, as the file's magic number tells readers.
 */
#ifndef USBDEV_PCAP_RECORD_H
#define USBDEV_PCAP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct usbdev;
struct usbdev_transfer;

/* The longest record, without pcap's own header: the file announces it to readers. */
#define RECORD_SNAPLEN_BYTES 65535u

#define RECORD_FILE_HEADER_BYTES 24u
#define RECORD_PCAP_HEADER_BYTES 16u
#define RECORD_USBMON_BYTES      64u
#define RECORD_ISO_DESCR_BYTES   16u
/* All headers before the data. */
#define RECORD_HEAD_MAX_BYTES \
	(RECORD_PCAP_HEADER_BYTES + RECORD_USBMON_BYTES + RECORD_ISO_DESCR_BYTES)

/**
 * struct record - one event of a transfer
 * @completed:	the transfer has completed; else it has been submitted
 * @unreachable: its data could not be read; then record_data_bytes() is not valid
 * @id:		the same for both events of a transfer, unique otherwise
 * @time:	CLOCK_REALTIME
 */
struct record {
	const struct usbdev *dev;
	const struct usbdev_transfer *transfer;
	bool completed;
	bool unreachable;
	uint64_t id;
	struct timespec time;
};

void record_put_file_header(uint8_t buf[RECORD_FILE_HEADER_BYTES]);
/* Bytes of the transfer's data, from its beginning, that the record holds: those of an
 * OUT transfer when it is submitted, of an IN transfer when it has completed. */
uint32_t record_data_bytes(const struct record *record);
/* Writes the headers before the data. */
void record_put_head(const struct record *record, uint8_t buf[RECORD_HEAD_MAX_BYTES]);
/* How many bytes these are. */
size_t record_head_bytes(const struct record *record);
/* The length of a record with all its parts, from its first RECORD_PCAP_HEADER_BYTES. */
size_t record_bytes(const uint8_t *pcap_header);

#endif /* USBDEV_PCAP_RECORD_H */
