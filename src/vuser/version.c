/* SPDX-License-Identifier: MIT
 * version.c - agreeing on version and capabilities, and telling clients apart
 */
#include "vuser/version.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "mem/guest_mem.h"
#include "util/compiler.h"
#include "vuser/wire.h"

#define MINOR_MAX      1
#define JSON_DEPTH_MAX 8
/* What a client may claim as max_msg_fds. */
#define CLIENT_FDS_MAX 1024

/* The parts of a request that we use. */
struct proposal {
	bool has_json;
	int64_t max_msg_fds; /* -1 = none given */
};

const char *vuser_client_name(enum vuser_client client)
{
	switch (client) {
	case VUSER_CLIENT_QEMU:
		return "QEMU";
	case VUSER_CLIENT_CLOUD_HYPERVISOR:
		return "Cloud Hypervisor";
	case VUSER_CLIENT_SPDK:
		return "SPDK";
	case VUSER_CLIENT_OTHER:
		break;
	}
	return "unknown client";
}

/* Reads an integer member within [@min, @max]; absent is fine and leaves @ret alone. */
static int get_int(struct json_object *obj, const char *key, int64_t min, int64_t max,
		   int64_t *ret)
{
	struct json_object *value;
	int64_t n;

	if (!json_object_object_get_ex(obj, key, &value))
		return 0;
	if (!json_object_is_type(value, json_type_int))
		return -EINVAL;
	n = json_object_get_int64(value);
	if (n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* A page size: a power of two of at least 4096, or several of them or-ed. */
static int check_page_sizes(struct json_object *obj, const char *key)
{
	int64_t sizes = VUSER_PAGE_SIZE;
	int r = get_int(obj, key, 1, INT64_MAX, &sizes);

	if (r < 0)
		return r;
	return (sizes & (VUSER_PAGE_SIZE - 1)) ? -EINVAL : 0;
}

static int check_type(struct json_object *obj, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value))
		return 0;
	return json_object_is_type(value, type) ? 0 : -EINVAL;
}

static int read_capabilities(struct json_object *root, struct proposal *proposal)
{
	struct json_object *caps, *migration;
	int64_t ignored;

	if (!json_object_is_type(root, json_type_object))
		return -EINVAL;
	if (!json_object_object_get_ex(root, "capabilities", &caps))
		return 0;
	if (!json_object_is_type(caps, json_type_object))
		return -EINVAL;

	if (get_int(caps, "max_msg_fds", 0, CLIENT_FDS_MAX, &proposal->max_msg_fds) < 0 ||
	    get_int(caps, "max_data_xfer_size", 0, INT64_MAX, &ignored) < 0 ||
	    get_int(caps, "max_dma_maps", 0, INT64_MAX, &ignored) < 0 ||
	    check_page_sizes(caps, "pgsizes") < 0 ||
	    check_type(caps, "write_multiple", json_type_boolean) < 0 ||
	    check_type(caps, "twin_socket", json_type_object) < 0 ||
	    check_type(caps, "migration", json_type_object) < 0)
		return -EINVAL;
	if (json_object_object_get_ex(caps, "migration", &migration) &&
	    check_page_sizes(migration, "pgsize") < 0)
		return -EINVAL;
	return 0;
}

/* @json: @len bytes that must be one JSON object and a NUL. */
static int read_json(const char *json, size_t len, struct proposal *proposal)
{
	struct json_tokener *tokener;
	struct json_object *root;
	int r = -EINVAL;

	if (json[len - 1] != '\0' || len > VUSER_VERSION_MSG_MAX)
		return -EINVAL;
	tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with the NUL, which ends a number that could otherwise go on */
	root = json_tokener_parse_ex(tokener, json, (int)strlen(json) + 1);
	if (root && json_tokener_get_error(tokener) == json_tokener_success)
		r = read_capabilities(root, proposal);
	json_object_put(root);
	json_tokener_free(tokener);
	return r;
}

static enum vuser_client identify_client(uint16_t minor, const struct proposal *proposal)
{
	if (!proposal->has_json)
		return VUSER_CLIENT_SPDK;
	if (minor == 0)
		return VUSER_CLIENT_QEMU;
	if (proposal->max_msg_fds == 1)
		return VUSER_CLIENT_CLOUD_HYPERVISOR;
	return VUSER_CLIENT_OTHER;
}

int vuser_version_agree(const uint8_t *payload, size_t len, uint8_t *reply,
			size_t *ret_len, enum vuser_client *ret_client)
{
	struct proposal proposal = {.max_msg_fds = -1};
	struct vuser_version version;
	char json[256];
	size_t json_len;
	int r;

	if (len < sizeof(version))
		return -EINVAL;
	memcpy(&version, payload, sizeof(version));
	if (version.major != 0)
		return -EINVAL;
	if (len > sizeof(version)) {
		proposal.has_json = true;
		r = read_json((const char *)payload + sizeof(version),
			      len - sizeof(version), &proposal);
		if (r < 0)
			return r;
	}
	*ret_client = identify_client(version.minor, &proposal);

	r = snprintf(json, sizeof(json),
		     "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u,"
		     "\"pgsizes\":%u,\"max_dma_maps\":%u,\"write_multiple\":true}}",
		     VUSER_MSG_FDS, VUSER_DATA_MAX, VUSER_PAGE_SIZE, GUEST_MEM_MAPS_MAX);
	assert(r > 0 && (size_t)r < sizeof(json));
	json_len = (size_t)r + 1;
	if (version.minor == 0 && sizeof(version) + json_len > len)
		json_len = 0;

	version.minor = (uint16_t)MIN_OF(version.minor, MINOR_MAX);
	memcpy(reply, &version, sizeof(version));
	memcpy(reply + sizeof(version), json, json_len);
	*ret_len = sizeof(version) + json_len;
	return 0;
}
