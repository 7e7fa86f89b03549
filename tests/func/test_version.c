/* SPDX-License-Identifier: MIT
 * test_version.c - the handshake that begins each connection
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/func/func.h"
#include "util/bytes.h"

static void open_connection(struct func *f)
{
	int fd = daemon_connect(&f->daemon);

	assert_true(fd >= 0);
	vfu_adopt(&f->vmm.client, fd, VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++)
		f->vmm.irq_fds[i] = -1;
	f->connected = true;
}

/* Sends VERSION with @json (with @json_bytes bytes) on a fresh connection. */
static int propose(struct func *f, uint16_t major, uint16_t minor, const char *json,
		   size_t json_bytes, struct vfu_reply *ret_reply)
{
	uint8_t payload[4096];

	open_connection(f);
	put_le16(payload, major);
	put_le16(payload + 2, minor);
	memcpy(payload + 4, json, json_bytes);
	return vfu_call(&f->vmm.client, VFU_VERSION, payload, 4 + json_bytes, NULL, 0,
			ret_reply);
}

static void accepts(struct func *f, uint16_t minor, const char *json, size_t json_bytes)
{
	struct vfu_reply reply;
	struct vfu_device_info info;

	assert_ok(propose(f, 0, minor, json, json_bytes, &reply));
	/* test_reply_is_within_the_limits_of_qemu checks QEMU's limit */
	assert_in_range(reply.payload_bytes, 4, VFU_DATA_MAX);
	assert_int_equal(get_le16(reply.payload), 0);
	assert_in_range(get_le16(reply.payload + 2), 0, minor);
	if (reply.payload_bytes > 4)
		assert_int_equal(reply.payload[reply.payload_bytes - 1], 0);
	vfu_reply_finish(&reply);
	assert_ok(vfu_device_info(&f->vmm.client, &info));
	func_disconnect(f);
}

/* An error reply, then the daemon closes: a client that ignores errors must not hang. */
static void refuses(struct func *f, uint16_t major, const char *json, size_t json_bytes)
{
	assert_int_equal(propose(f, major, 0, json, json_bytes, NULL), -EINVAL);
	assert_ok(vfu_wait_closed(&f->vmm.client));
	func_disconnect(f);
}

#define ACCEPTS(f, json) accepts(f, 0, json, sizeof(json))
#define REFUSES(f, json) refuses(f, 0, json, sizeof(json))

static void test_both_clients_agree(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_CH);
	assert_alive(f);
}

/* QEMU's limits on the server's answer; beyond them it refuses the device. */
static void test_reply_is_within_the_limits_of_qemu(void **state)
{
	struct func *f = *state;
	char json[194]; /* QEMU's message of 214 bytes */
	struct vfu_reply reply;
	const char *text;
	const char *at;

	(void)snprintf(json, sizeof(json), "%-192s}",
		       "{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}");
	func_start(f, NULL, NULL);
	assert_ok(propose(f, 0, 0, json, sizeof(json), &reply));
	text = (const char *)reply.payload + 4;
	assert_in_range(reply.payload_bytes + VFU_HEADER_BYTES, 20, 214);
	assert_non_null(strstr(text, "\"capabilities\""));
	at = strstr(text, "\"max_msg_fds\"");
	assert_non_null(at);
	assert_in_range(strtoul(strchr(at, ':') + 1, NULL, 10), 1, 16);
	at = strstr(text, "\"write_multiple\"");
	assert_non_null(at);
	assert_non_null(strstr(at, "true"));
	assert_null(strstr(text, "twin_socket"));
	vfu_reply_finish(&reply);
}

static void test_proposals_that_are_fine(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	accepts(f, 1, "", 0); /* SPDK: no JSON at all */
	ACCEPTS(f, "{}");
	ACCEPTS(f, "{\"capabilities\":{}}");
	ACCEPTS(f, "{\"capabilities\":{\"max_msg_fds\":1,\"something_new\":[1,2]}}");
	accepts(f, 7, "{}", 3);
}

static void test_proposals_that_are_refused(void **state)
{
	struct func *f = *state;
	char deep[2048];

	func_start(f, NULL, NULL);
	refuses(f, 999, "{}", 3);
	refuses(f, 0, "{}", 2); /* no NUL */
	REFUSES(f, "{");
	REFUSES(f, "\"");
	REFUSES(f, "{\"capabilities\":7}");
	REFUSES(f, "{\"capabilities\":{\"max_msg_fds\":\"many\"}}");
	REFUSES(f, "{\"capabilities\":{\"max_msg_fds\":-1}}");
	REFUSES(f, "{\"capabilities\":{\"max_data_xfer_size\":{}}}");
	REFUSES(f, "{\"capabilities\":{\"migration\":3}}");
	REFUSES(f, "{\"capabilities\":{\"migration\":{\"pgsize\":\"x\"}}}");
	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	refuses(f, 0, deep, sizeof(deep));
	assert_true(daemon_running(&f->daemon));
}

static void test_short_version_is_refused(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	for (size_t bytes = 0; bytes < 4; bytes++) {
		open_connection(f);
		assert_int_equal(vfu_call(&f->vmm.client, VFU_VERSION, "\0\0\0", bytes,
					  NULL, 0, NULL),
				 -EINVAL);
		assert_ok(vfu_wait_closed(&f->vmm.client));
		func_disconnect(f);
	}
}

static void test_version_must_come_first(void **state)
{
	struct func *f = *state;
	uint32_t info[4] = {16};

	func_start(f, NULL, NULL);
	open_connection(f);
	assert_int_equal(vfu_call(&f->vmm.client, VFU_DEVICE_GET_INFO, info, sizeof(info),
				  NULL, 0, NULL),
			 -EINVAL);
	assert_ok(vfu_wait_closed(&f->vmm.client));
}

static void test_version_with_fds_is_refused(void **state)
{
	struct func *f = *state;
	int fd;

	func_start(f, NULL, NULL);
	open_connection(f);
	fd = f->ram.fd;
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_VERSION, "\0\0\0\0{}", 7, &fd, 1, NULL),
		-EINVAL);
	assert_ok(vfu_wait_closed(&f->vmm.client));
}

static void test_second_version_is_an_error(void **state)
{
	struct func *f = *state;

	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_VERSION, "\0\0\0\0{}", 7, NULL, 0, NULL),
		-EINVAL);
	assert_alive(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_both_clients_agree),
		FUNC_TEST(test_reply_is_within_the_limits_of_qemu),
		FUNC_TEST(test_proposals_that_are_fine),
		FUNC_TEST(test_proposals_that_are_refused),
		FUNC_TEST(test_short_version_is_refused),
		FUNC_TEST(test_version_must_come_first),
		FUNC_TEST(test_version_with_fds_is_refused),
		FUNC_TEST(test_second_version_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
