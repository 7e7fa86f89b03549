/* SPDX-License-Identifier: MIT
 * version.h - agreeing on version and capabilities, and telling clients apart
 *
 * Pure functions: no connection, no state.
 */
#ifndef VUSER_VERSION_H
#define VUSER_VERSION_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

/* Largest VERSION message: the JSON of known clients is below 200 bytes. */
#define VUSER_VERSION_MSG_MAX 4096u

/**
 * enum vuser_client - the client, whose habits we know
 *
 * We identify it by its VERSION request alone: QEMU proposes 0.0; Cloud Hypervisor
 * (the vfio_user crate) is the one that takes a single fd per message; the
 * host library of SPDK sends no JSON.
 */
enum vuser_client {
	VUSER_CLIENT_OTHER,
	VUSER_CLIENT_QEMU,
	VUSER_CLIENT_CLOUD_HYPERVISOR,
	VUSER_CLIENT_SPDK,
};

const char *vuser_client_name(enum vuser_client client);

/**
 * vuser_version_agree() - check a VERSION request, make the reply's payload
 * @payload:	of the request, @len bytes
 * @reply:	room for VUSER_VERSION_MSG_MAX bytes
 * @ret_len:	bytes of the reply's payload
 * @ret_client:	which client it looks like
 *
 * QEMU receives the reply into its request's buffer, so a reply to a 0.0 client that
 * would be longer than the request has no JSON. Return: 0 or -EINVAL.
 */
MUST_USE int vuser_version_agree(const uint8_t *payload, size_t len, uint8_t *reply,
				 size_t *ret_len, enum vuser_client *ret_client);

#endif /* VUSER_VERSION_H */
