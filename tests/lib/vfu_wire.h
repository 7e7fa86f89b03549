/* SPDX-License-Identifier: MIT
 * vfu_wire.h - internals shared by the files of the vfio-user test client
 */
#ifndef TESTS_LIB_VFU_WIRE_H
#define TESTS_LIB_VFU_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/compiler.h"

struct vfu_client;

/* Receives exactly @len bytes; appends received fds to @fds. @at_once: -EPROTO if one
 * recvmsg() does not return all bytes, as real clients expect of a header. */
MUST_USE int vfu_recv_bytes(struct vfu_client *client, void *buf, size_t len,
			    bool at_once, int *fds, unsigned *fd_count);

#endif /* TESTS_LIB_VFU_WIRE_H */
