/* SPDX-License-Identifier: MIT
 * test_conn_flow.c - clients that do not read, or never stop; messages before work
 */
#include "served.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vuser/conn.h"

#define PAGE SERVED_PAGE

static struct reply reply;
static uint8_t big[2 * VUSER_MSG_MAX];

/* The client asks and asks and does not take the answers: what we hold stays
 * bounded, nothing is lost, the order is kept. */
static void client_does_not_read(void **state)
{
	struct served *s = *state;
	struct vuser_region_access access = {0, REGION_BAR0, SERVED_BAR0_BYTES};
	unsigned sent = 0;

	for (;;) {
		size_t len =
			put_msg(big, VUSER_CMD_REGION_READ, 0, &access, sizeof(access));

		if (send(s->client, big, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)len)
			break;
		sent++;
		if (sent % 8 == 0)
			served_run(s);
	}
	served_run(s);
	/* it stopped long before it had answered all */
	assert_in_range(s->nreads, 1, sent / 2);
	assert_int_equal(s->nclient_down, 0);
	for (unsigned i = 0; i < sent; i++) {
		size_t got = 0;

		/* a reply is larger than what the socket holds: take it in parts */
		while (got < 32 + SERVED_BAR0_BYTES) {
			ssize_t n = recv(s->client, big + got,
					 32 + SERVED_BAR0_BYTES - got, MSG_DONTWAIT);

			if (n > 0)
				got += (size_t)n;
			assert_true(n > 0 || errno == EAGAIN);
			served_run(s);
		}
		memcpy(&reply.header, big, sizeof(reply.header));
		assert_int_equal(reply.header.size, 32 + SERVED_BAR0_BYTES);
		assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY);
	}
	assert_int_equal(s->nreads, sent);
	expect_alive(s, s->client);
}

/* ... and then goes away. */
static void client_goes_without_reading(void **state)
{
	struct served *s = *state;
	struct vuser_region_access access = {0, REGION_BAR0, SERVED_BAR0_BYTES};

	for (unsigned i = 0; i < 50; i++)
		send_msg(s->client, VUSER_CMD_REGION_READ, 0, &access, sizeof(access));
	served_run(s);
	assert_in_range(s->nreads, 1, 49);
	served_hang_up(s);
	assert_int_equal(s->nclient_down, 1);
}

struct seen {
	struct served *s;
	unsigned writes_at_first_task;
};

static void on_deferred(void *ctx)
{
	struct seen *seen = ctx;

	if (!seen->writes_at_first_task)
		seen->writes_at_first_task = seen->s->nwrites;
}

/* All that can be read is handled before the work that it causes begins. */
static void work_comes_after_messages(void **state)
{
	struct served *s = *state;
	struct seen seen = {.s = s};
	struct loop_task task = {.cb = on_deferred, .ctx = &seen};
	int a = make_memory_page("aaaa");
	size_t len;

	s->defer_on_write = &task;
	for (uint64_t i = 0; i < 20; i++) {
		len = put_posted_write(big, 1);
		send_bytes(s->client, big, len, NULL, 0);
		len = put_map(big, i * PAGE);
		send_bytes(s->client, big, len, &a, 1);
	}
	send_bytes(s->client, big, put_posted_write(big, 1), NULL, 0);
	assert_int_equal(loop_turn(s->loop, false), 0);
	assert_int_equal(seen.writes_at_first_task, 21);
	for (unsigned i = 0; i < 20; i++)
		expect_reply(s->client, VUSER_CMD_DMA_MAP, 0, NULL);
	close(a);
}

/* ... but a client that never stops cannot keep that work off. */
static void messages_have_their_turn(void **state)
{
	struct served *s = *state;
	struct seen seen = {.s = s};
	struct loop_task task = {.cb = on_deferred, .ctx = &seen};
	size_t len = put_posted_write(big, 1);
	unsigned most = VUSER_RUN_MESSAGES + VUSER_BATCH_BYTES / (unsigned)len + 1;
	unsigned sent = 0;

	s->defer_on_write = &task;
	for (; sent < 3 * most; sent++)
		memcpy(big + sent * len, big, len);
	send_bytes(s->client, big, sent * len, NULL, 0);
	assert_int_equal(loop_turn(s->loop, false), 0);
	assert_in_range(seen.writes_at_first_task, VUSER_RUN_MESSAGES, most);
	served_run(s);
	assert_int_equal(s->nwrites, sent);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(client_does_not_read),
		TEST(client_goes_without_reading),
		TEST(work_comes_after_messages),
		TEST(messages_have_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
