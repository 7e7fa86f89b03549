/* SPDX-License-Identifier: MIT
 * capture.h - reads a capture of USB traffic: pcap, link type 220
 *
 * Independent of the sources under test: the offsets come from pcap-savefile(5) and from
 * struct usbmon_packet in Linux' Documentation/usb/usbmon.rst.
 */
#ifndef TESTS_LIB_CAPTURE_H
#define TESTS_LIB_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define CAPTURE_SNAPLEN 65535u

/* One record. @iso_*: isochronous only. @data points into capture->bytes. */
struct capture_record {
	uint32_t pcap_seconds, pcap_microseconds;
	uint32_t captured, original;
	uint64_t id;
	char type;
	uint8_t transfer_type;
	uint8_t endpoint;
	uint8_t device;
	uint16_t bus;
	char setup_flag, data_flag;
	int64_t seconds;
	int32_t microseconds;
	int32_t status;
	uint32_t urb_bytes;
	uint32_t len_cap;
	uint8_t setup[8];
	int32_t iso_errors, iso_count;
	int32_t interval, start_frame;
	uint32_t flags;
	uint32_t descriptors;
	int32_t iso_status;
	uint32_t iso_offset, iso_length;
	const uint8_t *data;
	uint32_t data_bytes;
};

struct capture {
	uint8_t *bytes;
	size_t len;
	struct capture_record *records;
	unsigned count;
};

/* Takes @bytes (malloc'd). Return: 0, or -EINVAL for another kind of file, for
 * contradictory lengths, or for a truncated record; then @capture is empty. */
MUST_USE int capture_parse(struct capture *capture, uint8_t *bytes, size_t len);
/* capture_parse() of the file @path. Return: also -errno if reading it fails. */
MUST_USE int capture_read(struct capture *capture, const char *path);
void capture_finish(struct capture *capture);

/**
 * capture_tshark() - decode a file with tshark
 * @filter:	display filter that selects packets
 * @fields:	names of fields, separated by spaces
 * @ret_text:	owned by the caller; a line for each packet, '|' between its fields
 *
 * Return: 0, -ENOENT tshark is not installed, -EIO it failed; @ret_text is then its
 * output, or NULL.
 */
MUST_USE int capture_tshark(const char *path, const char *filter, const char *fields,
			    char **ret_text);

#endif /* TESTS_LIB_CAPTURE_H */
