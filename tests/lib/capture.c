/* SPDX-License-Identifier: MIT
 * capture.c - reads a capture of USB traffic
 */
#include "tests/lib/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/bytes.h"

#define FILE_HEADER 24u
#define PCAP_HEADER 16u
#define USBMON      64u
#define ISO_DESCR   16u
#define TYPE_ISO    0u

#define TSHARK_TEXT_MAX 65536u

static bool header_is_right(const uint8_t *p)
{
	return get_le32(p) == 0xa1b2c3d4 && get_le16(p + 4) == 2 &&
	       get_le16(p + 6) == 4 && get_le32(p + 8) == 0 && get_le32(p + 12) == 0 &&
	       get_le32(p + 16) == CAPTURE_SNAPLEN && get_le32(p + 20) == 220;
}

static void get_usbmon(struct capture_record *record, const uint8_t *p)
{
	record->id = get_le64(p);
	record->type = (char)p[8];
	record->transfer_type = p[9];
	record->endpoint = p[10];
	record->device = p[11];
	record->bus = get_le16(p + 12);
	record->setup_flag = (char)p[14];
	record->data_flag = (char)p[15];
	record->seconds = (int64_t)get_le64(p + 16);
	record->microseconds = (int32_t)get_le32(p + 24);
	record->status = (int32_t)get_le32(p + 28);
	record->urb_bytes = get_le32(p + 32);
	record->len_cap = get_le32(p + 36);
	memcpy(record->setup, p + 40, sizeof(record->setup));
	record->iso_errors = (int32_t)get_le32(p + 40);
	record->iso_count = (int32_t)get_le32(p + 44);
	record->interval = (int32_t)get_le32(p + 48);
	record->start_frame = (int32_t)get_le32(p + 52);
	record->flags = get_le32(p + 56);
	record->descriptors = get_le32(p + 60);
}

/* Return: bytes of the record, 0 if it is invalid. */
static size_t get_record(struct capture_record *record, const uint8_t *p, size_t len)
{
	size_t head = PCAP_HEADER + USBMON;

	if (len < head)
		return 0;
	record->pcap_seconds = get_le32(p);
	record->pcap_microseconds = get_le32(p + 4);
	record->captured = get_le32(p + 8);
	record->original = get_le32(p + 12);
	if (record->captured > CAPTURE_SNAPLEN || record->captured < USBMON ||
	    record->original < record->captured || record->captured > len - PCAP_HEADER)
		return 0;
	get_usbmon(record, p + PCAP_HEADER);
	if (record->len_cap != record->captured - USBMON ||
	    record->descriptors != (record->transfer_type == TYPE_ISO ? 1 : 0))
		return 0;
	if (record->descriptors > 0) {
		if (record->len_cap < ISO_DESCR || get_le32(p + head + 12) != 0)
			return 0;
		record->iso_status = (int32_t)get_le32(p + head);
		record->iso_offset = get_le32(p + head + 4);
		record->iso_length = get_le32(p + head + 8);
		head += ISO_DESCR;
	}
	record->data = p + head;
	record->data_bytes = (uint32_t)(PCAP_HEADER + record->captured - head);
	return PCAP_HEADER + record->captured;
}

int capture_parse(struct capture *capture, uint8_t *bytes, size_t len)
{
	size_t at = FILE_HEADER;

	*capture = (struct capture){.bytes = bytes, .len = len};
	/* a record has at least 80 bytes */
	capture->records =
		calloc(len / (PCAP_HEADER + USBMON) + 1, sizeof(*capture->records));
	if (!capture->records || len < FILE_HEADER || !header_is_right(bytes)) {
		capture_finish(capture);
		return -EINVAL;
	}
	while (at < len) {
		size_t n = get_record(&capture->records[capture->count], bytes + at,
				      len - at);

		if (n == 0) {
			capture_finish(capture);
			return -EINVAL;
		}
		capture->count++;
		at += n;
	}
	return 0;
}

int capture_read(struct capture *capture, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	*capture = (struct capture){.count = 0};
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	if (read(fd, bytes, (size_t)st.st_size) != st.st_size) {
		free(bytes);
		return -EIO;
	}
	return capture_parse(capture, bytes, (size_t)st.st_size);
}

void capture_finish(struct capture *capture)
{
	free(capture->bytes);
	free(capture->records);
	*capture = (struct capture){.count = 0};
}

/* Turns "a b" into " -e a -e b". Return: false if the result is too long. */
static bool field_options(const char *fields, char *options, size_t max)
{
	size_t len = 0;

	options[0] = '\0';
	while (*fields != '\0') {
		size_t word = strcspn(fields, " ");

		len += (size_t)snprintf(options + len, max - len, " -e %.*s", (int)word,
					fields);
		if (len >= max)
			return false;
		fields += word;
		fields += strspn(fields, " ");
	}
	return true;
}

int capture_tshark(const char *path, const char *filter, const char *fields,
		   char **ret_text)
{
	char options[512], command[1024];
	char *text;
	size_t len;
	FILE *pipe;
	bool failed;

	*ret_text = NULL;
	if (system("command -v tshark >/dev/null") != 0)
		return -ENOENT;
	if (!field_options(fields, options, sizeof(options)) ||
	    (size_t)snprintf(
		    command, sizeof(command),
		    "tshark -n -r '%s' -Y '%s' -T fields -E 'separator=|'%s 2>/dev/null",
		    path, filter, options) >= sizeof(command))
		return -EIO;
	pipe = popen(command, "r");
	text = calloc(1, TSHARK_TEXT_MAX);
	if (!pipe || !text) {
		free(text);
		if (pipe)
			(void)pclose(pipe);
		return -EIO;
	}
	len = fread(text, 1, TSHARK_TEXT_MAX - 1, pipe);
	failed = len == TSHARK_TEXT_MAX - 1 || ferror(pipe);
	if (pclose(pipe) != 0)
		failed = true;
	*ret_text = text;
	return failed ? -EIO : 0;
}
