/* SPDX-License-Identifier: MIT
 * vfu_client.h - a vfio-user client for tests, in the dialect of a real VMM
 *
 * Blocking, one thread. Every wait has a timeout, so a silent server causes -ETIMEDOUT
 * and not a hung test. Two dialects:
 *  - QEMU checks every reply header, posts BAR writes (no_reply) and has no room for a
 *    reply longer than it asked for;
 *  - Cloud Hypervisor ignores headers: it reads a fixed number of bytes per command, and
 *    after a short reply waits for ever for the rest. Each of its writes waits for an
 *    answer.
 *
 * Functions return 0 or -errno: the error of the server's reply, -ETIMEDOUT (no answer,
 * or for Cloud Hypervisor a short one), -EPROTO (a reply that the real client would
 * refuse), -ECONNRESET (closed).
 */
#ifndef TESTS_LIB_VFU_CLIENT_H
#define TESTS_LIB_VFU_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define VFU_HEADER_BYTES 16u
#define VFU_DATA_MAX     (1024u * 1024u) /* of one region access */
#define VFU_FDS_MAX      64u
#define VFU_TIMEOUT_MS   10000 /* long, as valgrind and sanitizers are slow */

/* Numbers of the protocol (vfio-user specification, "Message types"). */
enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_DEVICE_GET_INFO = 4,
	VFU_DEVICE_GET_REGION_INFO = 5,
	VFU_DEVICE_GET_REGION_IO_FDS = 6,
	VFU_DEVICE_GET_IRQ_INFO = 7,
	VFU_DEVICE_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11,
	VFU_DMA_WRITE = 12,
	VFU_DEVICE_RESET = 13,
	VFU_DIRTY_PAGES = 14,
	VFU_REGION_WRITE_MULTI = 15,
	VFU_DEVICE_FEATURE = 16,
	VFU_MIG_DATA_READ = 17,
	VFU_MIG_DATA_WRITE = 18,
};

#define VFU_FLAG_REPLY    0x01u
#define VFU_FLAG_NO_REPLY 0x10u
#define VFU_FLAG_ERROR    0x20u

#define VFU_REGION_BAR0   0u
#define VFU_REGION_ROM    6u
#define VFU_REGION_CONFIG 7u

#define VFU_IRQ_INTX 0u
#define VFU_IRQ_MSI  1u
#define VFU_IRQ_MSIX 2u
#define VFU_IRQ_ERR  3u
#define VFU_IRQ_REQ  4u

/* SET_IRQS flags */
#define VFU_SET_DATA_NONE      0x01u
#define VFU_SET_DATA_BOOL      0x02u
#define VFU_SET_DATA_EVENTFD   0x04u
#define VFU_SET_ACTION_MASK    0x08u
#define VFU_SET_ACTION_UNMASK  0x10u
#define VFU_SET_ACTION_TRIGGER 0x20u

#define VFU_DMA_READ_FLAG  1u
#define VFU_DMA_WRITE_FLAG 2u

enum vfu_dialect {
	VFU_DIALECT_QEMU,
	VFU_DIALECT_CH,
};

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size_bytes; /* of the whole message */
	uint32_t flags;
	uint32_t error;
};

/**
 * struct vfu_client - one connection
 * @fd:		connected socket, -1 = none
 * @timeout_ms:	of each wait; VFU_TIMEOUT_MS at connect
 * @next_id:	of the next message
 * @sent:	messages sent, @received: messages received
 */
struct vfu_client {
	int fd;
	enum vfu_dialect dialect;
	int timeout_ms;
	uint16_t next_id;
	uint64_t sent;
	uint64_t received;
};

struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

struct vfu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

struct vfu_irq_info {
	uint32_t argsz, flags, index, count;
};

/* One write of a REGION_WRITE_MULTI message; @count at most 8. */
struct vfu_multi_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[8];
};

/* A received message: @payload is malloc'd (vfu_reply_finish()). */
struct vfu_reply {
	struct vfu_header header;
	uint8_t *payload;
	size_t payload_bytes;
	int fds[VFU_FDS_MAX];
	unsigned fd_count;
};

/* Initialises @client with the connected socket @fd (taken). */
void vfu_adopt(struct vfu_client *client, int fd, enum vfu_dialect dialect);
/* Connects to the socket at @path; sends no message. */
MUST_USE int vfu_connect(struct vfu_client *client, const char *path,
			 enum vfu_dialect dialect);
/* Closes the socket, as the end of a VMM does. */
void vfu_close(struct vfu_client *client);

/* The version handshake with the dialect's exact message. */
MUST_USE int vfu_version(struct vfu_client *client);
MUST_USE int vfu_device_info(struct vfu_client *client, struct vfu_device_info *ret_info);
MUST_USE int vfu_region_info(struct vfu_client *client, uint32_t index,
			     struct vfu_region_info *ret_info);
MUST_USE int vfu_irq_info(struct vfu_client *client, uint32_t index,
			  struct vfu_irq_info *ret_info);
/* @fds: @fd_count eventfds to send (borrowed). */
MUST_USE int vfu_set_irqs(struct vfu_client *client, uint32_t flags, uint32_t index,
			  uint32_t start, uint32_t count, const int *fds,
			  unsigned fd_count);
/* @fd -1: a range without a file. */
MUST_USE int vfu_dma_map(struct vfu_client *client, uint64_t iova, uint64_t size, int fd,
			 uint64_t fd_offset, uint32_t flags);
/* -ENOENT: nothing was mapped there, which the server answers with a size of 0. */
MUST_USE int vfu_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size);
/* Flag 2: every range (iova and size 0). */
MUST_USE int vfu_dma_unmap_all(struct vfu_client *client);
MUST_USE int vfu_device_reset(struct vfu_client *client);

/* Accesses with an answer, up to VFU_DATA_MAX bytes. */
MUST_USE int vfu_region_read(struct vfu_client *client, uint32_t region, uint64_t offset,
			     void *buf, uint32_t count);
MUST_USE int vfu_region_write(struct vfu_client *client, uint32_t region, uint64_t offset,
			      const void *buf, uint32_t count);
/* A write with no_reply. */
MUST_USE int vfu_region_post(struct vfu_client *client, uint32_t region, uint64_t offset,
			     const void *buf, uint32_t count);
/* Writes a memory BAR as the dialect's VMM does: posted (QEMU) or with an answer. */
MUST_USE int vfu_bar_write(struct vfu_client *client, uint64_t offset, const void *buf,
			   uint32_t count);
/* @posted: with no_reply, as QEMU sends it. */
MUST_USE int vfu_write_multi(struct vfu_client *client,
			     const struct vfu_multi_write *writes, unsigned count,
			     bool posted);

/* Raw access for malformed cases. */

/* Sends the bytes unchanged, with fds. */
MUST_USE int vfu_send_bytes(struct vfu_client *client, const void *buf, size_t len,
			    const int *fds, unsigned fd_count);
/* Sends a message; computes the size in the header. */
MUST_USE int vfu_send(struct vfu_client *client, uint16_t command, uint32_t flags,
		      const void *payload, size_t payload_bytes, const int *fds,
		      unsigned fd_count);
/* Receives one whole message. */
MUST_USE int vfu_recv(struct vfu_client *client, struct vfu_reply *ret_reply);
void vfu_reply_finish(struct vfu_reply *reply);
/* vfu_send() and vfu_recv(): 0, or -errno of the error reply. */
MUST_USE int vfu_call(struct vfu_client *client, uint16_t command, const void *payload,
		      size_t payload_bytes, const int *fds, unsigned fd_count,
		      struct vfu_reply *ret_reply);
/* 0 once the server closes the connection within the timeout, -EPROTO if it sends
 * something instead. */
MUST_USE int vfu_wait_closed(struct vfu_client *client);
/* True if there is nothing to read. */
bool vfu_silent(struct vfu_client *client);

#endif /* TESTS_LIB_VFU_CLIENT_H */
