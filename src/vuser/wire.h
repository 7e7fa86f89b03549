/* SPDX-License-Identifier: MIT
 * wire.h - vfio-user messages on the wire
 *
 * Byte order is the host's. Every message is a header and a payload; the
 * structs below are payloads (or their fixed first part). Copy them out of a
 * message before use, never cast onto it.
 */
#ifndef VUSER_WIRE_H
#define VUSER_WIRE_H

#include <assert.h>
#include <stdint.h>

enum vuser_cmd {
	VUSER_CMD_VERSION = 1,
	VUSER_CMD_DMA_MAP = 2,
	VUSER_CMD_DMA_UNMAP = 3,
	VUSER_CMD_DEVICE_GET_INFO = 4,
	VUSER_CMD_DEVICE_GET_REGION_INFO = 5,
	VUSER_CMD_DEVICE_GET_REGION_IO_FDS = 6,
	VUSER_CMD_DEVICE_GET_IRQ_INFO = 7,
	VUSER_CMD_DEVICE_SET_IRQS = 8,
	VUSER_CMD_REGION_READ = 9,
	VUSER_CMD_REGION_WRITE = 10,
	VUSER_CMD_DMA_READ = 11, /* server to client, never used here */
	VUSER_CMD_DMA_WRITE = 12,
	VUSER_CMD_DEVICE_RESET = 13,
	VUSER_CMD_DIRTY_PAGES = 14, /* gone from the specification */
	VUSER_CMD_REGION_WRITE_MULTI = 15,
	VUSER_CMD_DEVICE_FEATURE = 16,
	VUSER_CMD_MIG_DATA_READ = 17,
	VUSER_CMD_MIG_DATA_WRITE = 18,
};

/* Most data bytes of one region access or JSON text, as VERSION tells the client. */
#define VUSER_DATA_MAX (1u << 20)
/* Most writes in one REGION_WRITE_MULTI, which bounds the work of one message (QEMU sends up
 * to 200). */
#define VUSER_MULTI_MAX 1024u
/* Largest message in either direction: header, fixed part and data, with a page to spare. */
#define VUSER_MSG_MAX (VUSER_DATA_MAX + 4096u + 16u)
/* fds per message, as VERSION tells the client: QEMU refuses more than 16. The server closes
 * the connection of a client that sends more. */
#define VUSER_MSG_FDS   16u
#define VUSER_PAGE_SIZE 4096u

struct vuser_header {
	uint16_t id; /* the sender's, echoed in the reply; not unique */
	uint16_t cmd;
	uint32_t size; /* header included */
	uint32_t flags;
	uint32_t error; /* errno of a reply with VUSER_FLAG_ERROR */
};

#define VUSER_FLAG_TYPE_MASK    0xfu
#define VUSER_FLAG_TYPE_COMMAND 0u
#define VUSER_FLAG_TYPE_REPLY   1u
#define VUSER_FLAG_NO_REPLY     0x10u
#define VUSER_FLAG_ERROR        0x20u

struct vuser_version {
	uint16_t major;
	uint16_t minor;
	/* then JSON and a NUL, or nothing */
};

/* argsz: in a request the payload bytes the client can take; in a reply those
 * a complete answer has. */

struct vuser_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /* in the file that comes along */
	uint64_t iova;
	uint64_t size;
};

#define VUSER_DMA_FLAG_READ  1u
#define VUSER_DMA_FLAG_WRITE 2u

struct vuser_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
};

#define VUSER_UNMAP_FLAG_ALL 2u

struct vuser_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

#define VUSER_DEVICE_FLAG_RESET 1u
#define VUSER_DEVICE_FLAG_PCI   2u

struct vuser_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

#define VUSER_REGION_FLAG_READ  1u
#define VUSER_REGION_FLAG_WRITE 2u

struct vuser_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

struct vuser_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

#define VUSER_IRQ_FLAG_EVENTFD 1u

struct vuser_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
	/* then count bytes of 0 or 1 with VUSER_IRQ_SET_BOOL */
};

#define VUSER_IRQ_SET_NONE    0x01u
#define VUSER_IRQ_SET_BOOL    0x02u
#define VUSER_IRQ_SET_EVENTFD 0x04u
#define VUSER_IRQ_SET_MASK    0x08u
#define VUSER_IRQ_SET_UNMASK  0x10u
#define VUSER_IRQ_SET_TRIGGER 0x20u

struct vuser_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	/* then count bytes, in a write and in the reply to a read */
};

struct vuser_write_multi {
	uint64_t count;
	/* then count entries */
};

struct vuser_write_multi_entry {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[8];
};

#define VUSER_HEADER_SIZE sizeof(struct vuser_header)

static_assert(sizeof(struct vuser_header) == 16, "wire layout");
static_assert(sizeof(struct vuser_version) == 4, "wire layout");
static_assert(sizeof(struct vuser_dma_map) == 32, "wire layout");
static_assert(sizeof(struct vuser_dma_unmap) == 24, "wire layout");
static_assert(sizeof(struct vuser_device_info) == 16, "wire layout");
static_assert(sizeof(struct vuser_region_info) == 32, "wire layout");
static_assert(sizeof(struct vuser_region_io_fds) == 16, "wire layout");
static_assert(sizeof(struct vuser_irq_info) == 16, "wire layout");
static_assert(sizeof(struct vuser_irq_set) == 20, "wire layout");
static_assert(sizeof(struct vuser_region_access) == 16, "wire layout");
static_assert(sizeof(struct vuser_write_multi) == 8, "wire layout");
static_assert(sizeof(struct vuser_write_multi_entry) == 24, "wire layout");

#endif /* VUSER_WIRE_H */
