/* SPDX-License-Identifier: MIT
 * record.c - the bytes of a capture: classic pcap with usbmon's 64-byte header
 */
#include "usbdev/pcap/record.h"

#include <errno.h>
#include <string.h>

#include "usbdev/usbdev.h"
#include "util/compiler.h"

#define PCAP_MAGIC_US              0xa1b2c3d4u /* times in microseconds */
#define PCAP_VERSION_MAJOR         2u
#define PCAP_VERSION_MINOR         4u
#define LINKTYPE_USB_LINUX_MMAPPED 220u

/* urb->transfer_flags of Linux, as usbmon shows them */
#define URB_ISO_ASAP 0x0002u
#define URB_DIR_IN   0x0200u

#define BUS_USB2 2u
#define BUS_USB3 3u

struct pcap_file_header {
	uint32_t magic;
	uint16_t version_major;
	uint16_t version_minor;
	int32_t zone;
	uint32_t sigfigs;
	uint32_t snaplen;
	uint32_t linktype;
};
_Static_assert(sizeof(struct pcap_file_header) == RECORD_FILE_HEADER_BYTES, "as in pcap");

struct pcap_header {
	uint32_t seconds;
	uint32_t microseconds;
	uint32_t captured_bytes;
	uint32_t original_bytes;
};
_Static_assert(sizeof(struct pcap_header) == RECORD_PCAP_HEADER_BYTES, "as in pcap");

struct usbmon_header {
	uint64_t id;
	uint8_t type; /* 'S' or 'C' */
	uint8_t transfer_type;
	uint8_t endpoint;
	uint8_t device;
	uint16_t bus;
	uint8_t setup_flag; /* 0: setup is there */
	uint8_t data_flag;  /* 0: data are there, if any */
	int64_t seconds;
	int32_t microseconds;
	int32_t status;
	uint32_t urb_bytes;
	uint32_t captured_bytes; /* descriptors and data in this record */
	union {
		uint8_t setup[8];
		struct {
			int32_t error_count;
			int32_t descriptor_count;
		} iso;
	};
	int32_t interval;
	int32_t start_frame;
	uint32_t transfer_flags;
	uint32_t descriptor_count; /* of those in this record */
};
_Static_assert(sizeof(struct usbmon_header) == RECORD_USBMON_BYTES, "as in usbmon");

struct usbmon_iso_descriptor {
	int32_t status;
	uint32_t offset;
	uint32_t length;
	uint32_t padding;
};
_Static_assert(sizeof(struct usbmon_iso_descriptor) == RECORD_ISO_DESCR_BYTES,
	       "as in usbmon");

static bool is_isochronous(const struct record *record)
{
	return record->transfer->type == USBDEV_TYPE_ISOCHRONOUS;
}

static uint32_t iso_bytes(const struct record *record)
{
	return is_isochronous(record) ? RECORD_ISO_DESCR_BYTES : 0;
}

/* Length of the URB: the requested bytes, then the moved bytes. */
static uint32_t urb_bytes(const struct record *record)
{
	return record->completed ? record->transfer->actual_bytes
				 : record->transfer->length_bytes;
}

/* There are IN data on completion, OUT data on submission. */
static bool has_data(const struct record *record)
{
	return usbdev_transfer_is_in(record->transfer) == record->completed &&
	       !record->unreachable;
}

uint32_t record_data_bytes(const struct record *record)
{
	uint32_t max = RECORD_SNAPLEN_BYTES - RECORD_USBMON_BYTES - iso_bytes(record);

	return has_data(record) ? MIN_OF(urb_bytes(record), max) : 0;
}

size_t record_head_bytes(const struct record *record)
{
	return RECORD_PCAP_HEADER_BYTES + RECORD_USBMON_BYTES + iso_bytes(record);
}

size_t record_bytes(const uint8_t *pcap_header)
{
	struct pcap_header header;

	memcpy(&header, pcap_header, sizeof(header));
	return sizeof(header) + header.captured_bytes;
}

void record_put_file_header(uint8_t buf[RECORD_FILE_HEADER_BYTES])
{
	const struct pcap_file_header header = {
		.magic = PCAP_MAGIC_US,
		.version_major = PCAP_VERSION_MAJOR,
		.version_minor = PCAP_VERSION_MINOR,
		.snaplen = RECORD_SNAPLEN_BYTES,
		.linktype = LINKTYPE_USB_LINUX_MMAPPED,
	};

	memcpy(buf, &header, sizeof(header));
}

static uint8_t transfer_type(enum usbdev_type type)
{
	switch (type) {
	case USBDEV_TYPE_ISOCHRONOUS:
		return 0;
	case USBDEV_TYPE_INTERRUPT:
		return 1;
	case USBDEV_TYPE_CONTROL:
		return 2;
	case USBDEV_TYPE_BULK:
	default:
		return 3;
	}
}

/* The errors of Linux' host controller drivers (Documentation/driver-api/usb/error-codes.rst). */
static int32_t status_errno(enum usbdev_status status)
{
	switch (status) {
	case USBDEV_STATUS_OK:
		return 0;
	case USBDEV_STATUS_STALL:
		return -EPIPE;
	case USBDEV_STATUS_BABBLE:
		return -EOVERFLOW;
	case USBDEV_STATUS_CANCELLED:
		return -ENOENT;
	case USBDEV_STATUS_GONE:
		return -ESHUTDOWN;
	case USBDEV_STATUS_MISSED:
		return -EXDEV;
	case USBDEV_STATUS_MEMORY:
		return -EFAULT;
	case USBDEV_STATUS_ERROR:
	default:
		return -EPROTO;
	}
}

/* The transfer never had its turn on the bus. */
static bool was_dropped(const struct usbdev_transfer *transfer)
{
	return transfer->status == USBDEV_STATUS_CANCELLED ||
	       transfer->status == USBDEV_STATUS_GONE;
}

static int32_t urb_status(const struct record *record)
{
	if (!record->completed)
		return -EINPROGRESS;
	/* an isochronous URB as such does not fail: its packet does */
	if (is_isochronous(record) && !was_dropped(record->transfer))
		return 0;
	return status_errno(record->transfer->status);
}

/* A packet begins with -EXDEV, "not served". */
static int32_t packet_status(const struct record *record)
{
	if (!record->completed || was_dropped(record->transfer))
		return -EXDEV;
	return status_errno(record->transfer->status);
}

static uint8_t data_flag(const struct record *record)
{
	if (record->unreachable)
		return 'D';
	if (!has_data(record))
		return record->completed ? '>' : '<';
	return 0;
}

static uint8_t endpoint(const struct usbdev_transfer *transfer)
{
	if (transfer->type == USBDEV_TYPE_CONTROL && usbdev_transfer_is_in(transfer))
		return transfer->ep_addr | USBDEV_DIR_IN;
	return transfer->ep_addr;
}

/* The bytes as they are on the wire, which is little-endian. */
static void put_setup(uint8_t buf[8], const struct usbdev_setup *setup)
{
	buf[0] = setup->request_type;
	buf[1] = setup->request;
	buf[2] = (uint8_t)setup->value;
	buf[3] = (uint8_t)(setup->value >> 8);
	buf[4] = (uint8_t)setup->index;
	buf[5] = (uint8_t)(setup->index >> 8);
	buf[6] = (uint8_t)setup->length;
	buf[7] = (uint8_t)(setup->length >> 8);
}

static void fill_usbmon(struct usbmon_header *header, const struct record *record)
{
	const struct usbdev_transfer *transfer = record->transfer;

	*header = (struct usbmon_header){
		.id = record->id,
		.type = record->completed ? 'C' : 'S',
		.transfer_type = transfer_type(transfer->type),
		.endpoint = endpoint(transfer),
		.device = record->dev->address,
		.bus = usbdev_speed_is_usb3(record->dev->speed) ? BUS_USB3 : BUS_USB2,
		.setup_flag = '-',
		.data_flag = data_flag(record),
		.seconds = record->time.tv_sec,
		.microseconds = (int32_t)(record->time.tv_nsec / 1000),
		.status = urb_status(record),
		.urb_bytes = urb_bytes(record),
		.captured_bytes = iso_bytes(record) + record_data_bytes(record),
		.transfer_flags = usbdev_transfer_is_in(transfer) ? URB_DIR_IN : 0,
	};
	if (transfer->type == USBDEV_TYPE_CONTROL && !record->completed) {
		header->setup_flag = 0;
		put_setup(header->setup, &transfer->setup);
	}
	if (is_isochronous(record)) {
		header->transfer_flags |= URB_ISO_ASAP;
		header->descriptor_count = 1;
		header->iso.descriptor_count = 1;
		header->iso.error_count = record->completed && packet_status(record) != 0;
	}
}

void record_put_head(const struct record *record, uint8_t buf[RECORD_HEAD_MAX_BYTES])
{
	uint32_t rest = RECORD_USBMON_BYTES + iso_bytes(record);
	struct pcap_header header = {
		.seconds = (uint32_t)record->time.tv_sec,
		.microseconds = (uint32_t)(record->time.tv_nsec / 1000),
		.captured_bytes = rest + record_data_bytes(record),
		.original_bytes = rest + (has_data(record) ? urb_bytes(record) : 0),
	};
	const struct usbmon_iso_descriptor packet = {
		.status = packet_status(record),
		.length = urb_bytes(record),
	};
	struct usbmon_header usbmon;

	fill_usbmon(&usbmon, record);
	memcpy(buf, &header, sizeof(header));
	memcpy(buf + sizeof(header), &usbmon, sizeof(usbmon));
	if (is_isochronous(record))
		memcpy(buf + sizeof(header) + sizeof(usbmon), &packet, sizeof(packet));
}
