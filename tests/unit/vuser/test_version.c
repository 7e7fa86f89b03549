/* SPDX-License-Identifier: MIT
 * test_version.c - VERSION: refusals, agreement, size of the reply
 */
#include "served.h"

#include <errno.h>
#include <json-c/json.h>
#include <unistd.h>

#include "vuser/version.h"

static struct reply reply;

static void refuse_json(struct served *s, unsigned major, unsigned minor,
			const char *json)
{
	send_version_json(s->client, major, minor, json);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
	assert_int_equal(s->nclient_up, 0);
}

/* The reply's JSON, which must be there. */
static struct json_object *reply_caps(struct json_object **ret_root)
{
	const char *json = (const char *)reply.payload + sizeof(struct vuser_version);
	struct json_object *caps;

	assert_int_equal(reply.payload[reply.len - 1], 0);
	*ret_root = json_tokener_parse(json);
	assert_true(json_object_object_get_ex(*ret_root, "capabilities", &caps));
	return caps;
}

static int64_t cap_int(struct json_object *caps, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(caps, key, &value));
	assert_true(json_object_is_type(value, json_type_int));
	return json_object_get_int64(value);
}

/* What QEMU and Cloud Hypervisor check in a reply. */
static void check_reply(size_t request_size, unsigned minor)
{
	struct json_object *root, *caps, *value;
	struct vuser_version version;

	memcpy(&version, reply.payload, sizeof(version));
	assert_int_equal(version.major, 0);
	assert_int_equal(version.minor, minor);
	assert_true(reply.header.size <= request_size);
	caps = reply_caps(&root);
	assert_in_range(cap_int(caps, "max_msg_fds"), 1, 16);
	assert_in_range(cap_int(caps, "max_data_xfer_size"), 1, 64 << 20);
	assert_in_range(cap_int(caps, "max_dma_maps"), 512, 65535);
	assert_int_equal(cap_int(caps, "pgsizes"), 4096);
	assert_true(json_object_object_get_ex(caps, "write_multiple", &value));
	assert_true(json_object_is_type(value, json_type_boolean));
	assert_true(json_object_get_boolean(value));
	json_object_put(root);
}

static void qemu(void **state)
{
	struct served *s = *state;

	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY);
	check_reply(214, 0);
	assert_int_equal(s->nclient_up, 1);
	expect_alive(s, s->client);
}

static void cloud_hypervisor(void **state)
{
	struct served *s = *state;

	send_version(s->client, WHO_CH);
	served_run(s);
	take_reply(s->client, &reply);
	check_reply(VUSER_MSG_MAX, 1);
	expect_alive(s, s->client);
}

static void spdk_without_json(void **state)
{
	struct served *s = *state;

	send_version(s->client, WHO_SPDK);
	served_run(s);
	take_reply(s->client, &reply);
	check_reply(4096, 1);
	expect_alive(s, s->client);
}

/* A 0.0 client takes the reply into its request: no longer than that. */
static void short_request_short_reply(void **state)
{
	struct served *s = *state;
	struct vuser_version version;

	send_version_json(s->client, 0, 0, "{}");
	served_run(s);
	expect_reply(s->client, VUSER_CMD_VERSION, sizeof(version), &reply);
	memcpy(&version, reply.payload, sizeof(version));
	assert_int_equal(version.major, 0);
	assert_int_equal(version.minor, 0);
	expect_alive(s, s->client);
}

static void empty_object(void **state)
{
	struct served *s = *state;

	send_version_json(s->client, 0, 1, "{}");
	served_run(s);
	take_reply(s->client, &reply);
	check_reply(VUSER_MSG_MAX, 1);
}

static void newer_minor_is_lowered(void **state)
{
	struct served *s = *state;

	send_version_json(s->client, 0, 77, "{\"capabilities\":{\"new_thing\":[1,{}]}}");
	served_run(s);
	take_reply(s->client, &reply);
	check_reply(VUSER_MSG_MAX, 1);
}

static void wrong_major(void **state)
{
	refuse_json(*state, 999, 1, "{}");
}

static void too_short(void **state)
{
	struct served *s = *state;

	send_msg(s->client, VUSER_CMD_VERSION, 0, "\0\0\1", 3);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

static void no_payload(void **state)
{
	struct served *s = *state;

	send_msg(s->client, VUSER_CMD_VERSION, 0, NULL, 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

static void json_without_nul(void **state)
{
	struct served *s = *state;

	send_msg(s->client, VUSER_CMD_VERSION, 0, "\0\0\1\0{}", 6);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

#define REFUSED(name, json)                      \
	static void name(void **state)           \
	{                                        \
		refuse_json(*state, 0, 1, json); \
	}

#define CAPS(text) "{\"capabilities\":{" text "}}"

REFUSED(json_brace, "{")
REFUSED(json_quote, "\"")
REFUSED(json_empty, "")
REFUSED(json_number, "1")
REFUSED(json_array, "[]")
REFUSED(json_trailing, "{} x")
REFUSED(json_unended_number, "{\"capabilities\":{\"max_msg_fds\":1")
REFUSED(caps_no_object, "{\"capabilities\":\"42\"}")
REFUSED(fds_string, CAPS("\"max_msg_fds\":\"1\""))
REFUSED(fds_negative, CAPS("\"max_msg_fds\":-1"))
REFUSED(fds_too_many, CAPS("\"max_msg_fds\":1025"))
REFUSED(xfer_string, CAPS("\"max_data_xfer_size\":\"1\""))
REFUSED(migration_no_object, CAPS("\"migration\":5"))
REFUSED(pgsize_string, CAPS("\"migration\":{\"pgsize\":\"4096\"}"))
REFUSED(pgsize_odd, CAPS("\"migration\":{\"pgsize\":4095}"))
REFUSED(pgsizes_zero, CAPS("\"pgsizes\":0"))
REFUSED(multi_no_bool, CAPS("\"write_multiple\":1"))
REFUSED(twin_no_object, CAPS("\"twin_socket\":true"))

static void json_too_deep(void **state)
{
	char json[2 * 1000 + 32];
	size_t at = 0;

	at += (size_t)sprintf(json, "{\"other\":");
	memset(json + at, '[', 1000);
	memset(json + at + 1000, ']', 1000);
	strcpy(json + at + 2000, "}");
	refuse_json(*state, 0, 1, json);
}

/* The message would need more than a candidate gets: refused by its header alone. */
static void too_large(void **state)
{
	struct served *s = *state;
	struct vuser_header header = {.id = 0x4711,
				      .cmd = VUSER_CMD_VERSION,
				      .size = VUSER_VERSION_MSG_MAX + 1};

	send_bytes(s->client, &header, sizeof(header), NULL, 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

static void with_an_fd(void **state)
{
	struct served *s = *state;
	int fds[1] = {0};

	send_msg_fds(s->client, VUSER_CMD_VERSION, 0, "\0\0\1\0{}", 7, fds, 1);
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

static void other_command_first(void **state)
{
	struct served *s = *state;
	struct vuser_device_info info = {.argsz = sizeof(info)};

	send_msg(s->client, VUSER_CMD_DEVICE_GET_INFO, 0, &info, sizeof(info));
	served_run(s);
	expect_error(s->client, VUSER_CMD_DEVICE_GET_INFO, EINVAL);
	expect_closed(s->client);
	/* a connected socket has no next client: its owner hears of the end */
	assert_int_equal(s->nclient_down, 1);
}

static void posted_command_first(void **state)
{
	struct served *s = *state;

	send_msg(s->client, VUSER_CMD_DEVICE_RESET, VUSER_FLAG_NO_REPLY, NULL, 0);
	served_run(s);
	expect_closed(s->client);
	assert_int_equal(s->nresets, 0);
}

static void posted_version(void **state)
{
	struct served *s = *state;

	send_msg(s->client, VUSER_CMD_VERSION, VUSER_FLAG_NO_REPLY, "\0\0\1\0{}", 7);
	served_run(s);
	expect_closed(s->client);
	assert_int_equal(s->nclient_up, 0);
}

static void second_version(void **state)
{
	struct served *s = *state;

	send_version(s->client, WHO_QEMU);
	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	check_reply(214, 0);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	assert_int_equal(s->nclient_up, 1);
	expect_alive(s, s->client);
}

/* The server ignores everything behind a refused VERSION. */
static void nothing_after_refusal(void **state)
{
	struct served *s = *state;
	struct vuser_device_info info = {.argsz = sizeof(info)};

	send_version_json(s->client, 9, 0, "{}");
	send_msg(s->client, VUSER_CMD_DEVICE_GET_INFO, 0, &info, sizeof(info));
	served_run(s);
	expect_error(s->client, VUSER_CMD_VERSION, EINVAL);
	expect_closed(s->client);
}

static void told_apart(void **state)
{
	uint8_t out[VUSER_VERSION_MSG_MAX];
	enum vuser_client client;
	size_t len;

	(void)state;
#define TELL(bytes)                                                                   \
	assert_int_equal(vuser_version_agree((const uint8_t *)(bytes), sizeof(bytes), \
					     out, &len, &client),                     \
			 0)
	TELL("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8}}");
	assert_int_equal(client, VUSER_CLIENT_QEMU);
	TELL("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":1}}");
	assert_int_equal(client, VUSER_CLIENT_CLOUD_HYPERVISOR);
	TELL("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}");
	assert_int_equal(client, VUSER_CLIENT_OTHER);
	TELL("\0\0\1"); /* its NUL is the version's last byte: no JSON */
	assert_int_equal(client, VUSER_CLIENT_SPDK);
#undef TELL
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_pair, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(qemu),
		TEST(cloud_hypervisor),
		TEST(spdk_without_json),
		TEST(short_request_short_reply),
		TEST(empty_object),
		TEST(newer_minor_is_lowered),
		TEST(wrong_major),
		TEST(too_short),
		TEST(no_payload),
		TEST(json_without_nul),
		TEST(json_brace),
		TEST(json_quote),
		TEST(json_empty),
		TEST(json_number),
		TEST(json_array),
		TEST(json_trailing),
		TEST(json_unended_number),
		TEST(caps_no_object),
		TEST(fds_string),
		TEST(fds_negative),
		TEST(fds_too_many),
		TEST(xfer_string),
		TEST(migration_no_object),
		TEST(pgsize_string),
		TEST(pgsize_odd),
		TEST(pgsizes_zero),
		TEST(multi_no_bool),
		TEST(twin_no_object),
		TEST(json_too_deep),
		TEST(too_large),
		TEST(with_an_fd),
		TEST(other_command_first),
		TEST(posted_command_first),
		TEST(posted_version),
		TEST(second_version),
		TEST(nothing_after_refusal),
		cmocka_unit_test(told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
