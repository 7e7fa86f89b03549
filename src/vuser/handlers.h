/* SPDX-License-Identifier: MIT
 * handlers.h - functions that carry out one command each
 */
#ifndef VUSER_HANDLERS_H
#define VUSER_HANDLERS_H

#include <stddef.h>
#include <stdint.h>

struct vuser_conn;
struct vuser_msg;

/**
 * vuser_handler - carries out one command
 * @msg:	its payload is at least as long as the command's fixed part
 * @reply:	room for the reply's payload
 * @ret_len:	payload bytes of a success reply; 0 on entry
 *
 * Return: 0 or -errno; the client gets it in the reply.
 */
typedef int vuser_handler(struct vuser_conn *conn, struct vuser_msg *msg, uint8_t *reply,
			  size_t *ret_len);

/* info.c */
vuser_handler vuser_handle_device_info;
vuser_handler vuser_handle_region_info;
vuser_handler vuser_handle_region_io_fds;
vuser_handler vuser_handle_irq_info;
/* dma.c */
vuser_handler vuser_handle_dma_map;
vuser_handler vuser_handle_dma_unmap;
/* region.c */
vuser_handler vuser_handle_region_read;
vuser_handler vuser_handle_region_write;
vuser_handler vuser_handle_region_write_multi;

#endif /* VUSER_HANDLERS_H */
