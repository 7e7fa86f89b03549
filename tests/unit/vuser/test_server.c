/* SPDX-License-Identifier: MIT
 * test_server.c - connections: the first, the next, too many, and their ends
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vuser/server.h"

static struct reply reply;

/* Connects and becomes the client. */
static void come(struct served *s, enum who who)
{
	s->client = served_connect(s);
	send_version(s->client, who);
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY);
}

static void map_page(struct served *s)
{
	struct vuser_dma_map map = {.argsz = 32, .flags = 3, .iova = 0, .size = 4096};

	ask(s, VUSER_CMD_DMA_MAP, &map, sizeof(map), 0, NULL);
}

static void set_vector_0(struct served *s, int fd)
{
	struct vuser_irq_set set = {20, VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER,
				    IRQ_MSIX, 0, 1};

	send_msg_fds(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, &set, sizeof(set), &fd, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, NULL);
}

static void one_after_the_other(void **state)
{
	struct served *s = *state;
	int idle = served_count_fds();

	for (unsigned i = 1; i <= 20; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		uint64_t n;

		come(s, i % 2 ? WHO_CH : WHO_QEMU);
		assert_int_equal(s->nclient_up, i);
		map_page(s);
		set_vector_0(s, fd);
		served_hang_up(s);
		assert_int_equal(s->nclient_down, i);
		assert_int_equal(guest_mem_count(s->mem), 0);
		vuser_irq_raise(s->server, IRQ_MSIX, 0);
		assert_int_equal(read(fd, &n, sizeof(n)), -1);
		close(fd);
		assert_int_equal(served_count_fds(), idle);
	}
	assert_true(vuser_server_listening(s->server));
}

/* The next client gets no pending signal of the last one. */
static void pending_ends_with_the_client(void **state)
{
	struct served *s = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t n;

	come(s, WHO_QEMU);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	served_hang_up(s);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	come(s, WHO_QEMU);
	set_vector_0(s, fd);
	assert_int_equal(read(fd, &n, sizeof(n)), -1);
	close(fd);
}

static void second_is_refused(void **state)
{
	struct served *s = *state;
	int second;

	come(s, WHO_CH);
	map_page(s);
	for (unsigned i = 0; i < 20; i++) {
		second = served_connect(s);
		send_version(second, i % 2 ? WHO_CH : WHO_QEMU);
		served_run(s);
		expect_error(second, VUSER_CMD_VERSION, EBUSY);
		expect_closed(second);
		close(second);
	}
	assert_int_equal(s->nclient_up, 1);
	assert_int_equal(s->nclient_down, 0);
	assert_int_equal(guest_mem_count(s->mem), 1);
	expect_alive(s, s->client);
}

/* A VMM that starts its guest again: the old connection's end and the new one
 * are both there before we look. */
static void both_events_at_once(void **state)
{
	struct served *s = *state;
	struct vuser_irq_set set = {20, VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_TRIGGER,
				    IRQ_MSIX, 0, 0};

	come(s, WHO_CH);
	map_page(s);
	for (unsigned i = 2; i < 10; i++) {
		send_msg(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, &set, sizeof(set));
		close(s->client);
		come(s, WHO_CH);
		assert_int_equal(s->nclient_up, i);
		assert_int_equal(s->nclient_down, i - 1);
		map_page(s);
	}
}

/* The new one's VERSION is seen while the old one still has much to say. */
static void old_one_is_heard_out(void **state)
{
	struct served *s = *state;
	static uint8_t writes[1500][36];
	struct vuser_header header = {.cmd = VUSER_CMD_REGION_WRITE,
				      .size = sizeof(writes[0]),
				      .flags = VUSER_FLAG_NO_REPLY};
	uint32_t value = 7;
	int first;

	come(s, WHO_QEMU);
	first = s->client;
	s->client = served_connect(s);
	served_run(s);                                      /* accepted, silent */
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) { /* more than one turn's */
		memcpy(writes[i], &header, sizeof(header));
		make_region_write(writes[i] + sizeof(header), REGION_BAR0, 0, &value, 4);
	}
	send_bytes(first, writes, sizeof(writes), NULL, 0);
	close(first);
	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	assert_int_equal(reply.header.flags, VUSER_FLAG_TYPE_REPLY);
	assert_int_equal(s->nwrites, ARRAY_SIZE(writes));
	assert_int_equal(s->nclient_up, 2);
	assert_int_equal(s->nclient_down, 1);
}

static void silent_connections(void **state)
{
	struct served *s = *state;
	int silent[3 * VUSER_CONNS_MAX];
	int idle = served_count_fds();

	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = served_connect(s);
	served_run(s);
	/* the server holds a few of them, and the next client is served */
	assert_in_range(served_count_fds(), idle + (int)ARRAY_SIZE(silent) + 1,
			idle + (int)(ARRAY_SIZE(silent) + VUSER_CONNS_MAX));
	expect_closed(silent[0]);
	come(s, WHO_CH);
	/* a late one gets an error */
	send_version(silent[ARRAY_SIZE(silent) - 1], WHO_QEMU);
	served_run(s);
	expect_error(silent[ARRAY_SIZE(silent) - 1], VUSER_CMD_VERSION, EBUSY);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
	expect_alive(s, s->client);
	assert_int_equal(s->nclient_up, 1);
	assert_int_equal(s->nclient_down, 0);
}

/* Newcomers push out each other, never the client. */
static void client_is_not_pushed_out(void **state)
{
	struct served *s = *state;
	int silent[40];

	come(s, WHO_QEMU);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++) {
		silent[i] = served_connect(s);
		served_run(s);
	}
	expect_alive(s, s->client);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
}

static void candidate_may_wait(void **state)
{
	struct served *s = *state;
	int next;

	come(s, WHO_QEMU);
	next = served_connect(s);
	served_run(s);
	served_hang_up(s);
	s->client = next;
	send_version(next, WHO_QEMU);
	served_run(s);
	take_reply(next, &reply);
	assert_int_equal(s->nclient_up, 2);
}

static void bad_candidate_is_no_client(void **state)
{
	struct served *s = *state;

	s->client = served_connect(s);
	send_msg(s->client, VUSER_CMD_DEVICE_RESET, 0, NULL, 0);
	served_run(s);
	expect_error(s->client, VUSER_CMD_DEVICE_RESET, EINVAL);
	expect_closed(s->client);
	close(s->client);
	assert_int_equal(s->nclient_up + s->nclient_down + s->nresets, 0);
	come(s, WHO_QEMU);
}

/* No fd for another connection: it is turned away, not left in the queue where it
 * would keep the loop busy. */
static void no_fd_for_a_connection(void **state)
{
	struct served *s = *state;
	struct rlimit limit, low;
	int first = served_connect(s);
	int second = served_connect(s);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)second + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	served_run(s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_closed(first);
	expect_closed(second);
	close(first);
	close(second);
	come(s, WHO_QEMU);
	expect_alive(s, s->client);
}

static void connected_socket_ends(void **state)
{
	struct served *s = *state;

	assert_false(vuser_server_listening(s->server));
	map_page(s);
	served_hang_up(s);
	assert_int_equal(s->nclient_down, 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	served_run(s);
	assert_int_equal(s->nclient_down, 1);
}

static void connected_socket_ends_unagreed(void **state)
{
	struct served *s = *state;

	served_hang_up(s);
	assert_int_equal(s->nclient_up, 0);
	assert_int_equal(s->nclient_down, 1);
}

/* The owner may destroy us while a client is there, with memory and eventfds. */
static void destroyed_under_a_client(void **state)
{
	struct served *s = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	map_page(s);
	set_vector_0(s, fd);
	send_msg(s->client, VUSER_CMD_DEVICE_RESET, 0, NULL, 0);
	close(fd);
	vuser_server_destroy(s->server);
	s->server = NULL;
	served_run(s);
	assert_int_equal(s->nresets, 0);
	expect_closed(s->client);
}

static void refused_fds(void **state)
{
	struct served *s;
	struct err err = {0};
	int pipe_fds[2];
	int fd, before;

	served_setup_listening(state);
	s = *state;
	before = served_count_fds();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	close(pipe_fds[1]);
	assert_null(vuser_server_create(s->loop, pipe_fds[0], &s->device, s->mem, &err));
	assert_true(err.code > 0);
	assert_true(strlen(err.text) > 10);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_null(vuser_server_create(s->loop, fd, &s->device, s->mem, NULL));
	assert_null(vuser_server_create(s->loop, -1, &s->device, s->mem, NULL));
	assert_int_equal(served_count_fds(), before);
	served_teardown(state);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_listening, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(pending_ends_with_the_client),
		TEST(second_is_refused),
		TEST(both_events_at_once),
		TEST(old_one_is_heard_out),
		TEST(silent_connections),
		TEST(client_is_not_pushed_out),
		TEST(candidate_may_wait),
		TEST(bad_candidate_is_no_client),
		TEST(no_fd_for_a_connection),
		cmocka_unit_test_setup_teardown(connected_socket_ends, served_setup_qemu,
						served_teardown),
		cmocka_unit_test_setup_teardown(connected_socket_ends_unagreed,
						served_setup_pair, served_teardown),
		cmocka_unit_test_setup_teardown(destroyed_under_a_client,
						served_setup_qemu, served_teardown),
		cmocka_unit_test(refused_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
