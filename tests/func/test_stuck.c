/* SPDX-License-Identifier: MIT
 * test_stuck.c - descriptors on which close() and other calls block
 *
 * The file system is one that stops answering; a monitor can mount one. Without
 * /dev/fuse, its tests say so and do nothing; with it, they must be able to mount. The
 * tests with a socket need no FUSE.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "tests/lib/lingering.h"
#include "tests/lib/stuck_fs.h"
#include "util/bytes.h"
#include "util/fds.h"
#include "util/loop.h"

/* Longest time to an answer while a call blocks. */
#define ANSWER_MAX_NS UINT64_C(1000000000)
#define END_MAX_NS    UINT64_C(10000000000)

static struct stuck_fs fs;

static bool have_stuck_file(void)
{
	int r = stuck_fs_start(&fs);

	if (r == -ENOENT) {
		print_message("# no /dev/fuse here, not tested\n");
		return false;
	}
	assert_ok(r);
	return true;
}

static void expect_prompt(struct func *f)
{
	uint64_t begun_ns = clock_now_ns();

	assert_alive(f);
	assert_true(clock_now_ns() - begun_ns < ANSWER_MAX_NS);
}

static void start(struct func *f)
{
	func_start(f, "zero", NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

/* The daemon ends on SIGTERM, although calls still block. */
static void expect_end(struct func *f)
{
	uint64_t begun_ns = clock_now_ns();

	func_disconnect(f);
	assert_int_equal(daemon_stop(&f->daemon), 0);
	assert_true(clock_now_ns() - begun_ns < END_MAX_NS);
	stuck_fs_stop(&fs);
}

static int set_irqs(struct func *f, int fd)
{
	return vfu_set_irqs(&f->vmm.client, 0x24, 2, 0, 1, &fd, 1);
}

static void test_stuck_eventfd(void **state)
{
	struct func *f = *state;

	start(f);
	if (!have_stuck_file())
		return;
	stuck_fs_mute(&fs);
	assert_int_equal(set_irqs(f, fs.fd), -EINVAL);
	expect_prompt(f);
	expect_end(f);
}

static void test_stuck_memory(void **state)
{
	struct func *f = *state;

	start(f);
	if (!have_stuck_file())
		return;
	stuck_fs_mute(&fs);
	assert_int_equal(vfu_dma_map(&f->vmm.client, 0x100000, 0x1000, fs.fd, 0, 3),
			 -EPERM);
	expect_prompt(f);
	expect_end(f);
}

/* A client sends more stuck descriptors than the closing worker takes: the daemon drops
 * the client and lets no other in until the descriptors are closed. Then everything works
 * as before. */
static void test_stuck_descriptors_are_bounded(void **state)
{
	struct func *f = *state;
	uint32_t info[4] = {16};
	int fds[16], before, r = 0;

	start(f);
	before = daemon_fd_count(&f->daemon);
	if (!have_stuck_file())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = fs.fd;
	stuck_fs_mute(&fs);
	for (unsigned i = 0; i < 1000 && r == 0; i++) {
		uint64_t begun_ns = clock_now_ns();

		r = vfu_call(&f->vmm.client, 4, info, sizeof(info), fds, ARRAY_SIZE(fds),
			     NULL);
		assert_true(clock_now_ns() - begun_ns < ANSWER_MAX_NS);
	}
	assert_true(r < 0);
	assert_in_range(daemon_fd_count(&f->daemon), before, before + 1100);
	func_disconnect(f);
	assert_ok(daemon_await_stderr(&f->daemon, "wait for being closed", 5000));
	stuck_fs_stop(&fs);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before - 1), before - 1);
	func_connect(f, VFU_DIALECT_QEMU);
	expect_prompt(f);
}

/* A socket's close() can block too. */
static void test_lingering_socket(void **state)
{
	struct func *f = *state;
	int peer, fd;

	start(f);
	fd = lingering_open(60, &peer);
	if (fd < 0) {
		print_message("# no loopback network here, not tested\n");
		return;
	}
	assert_ok(daemon_signal(&f->daemon, SIGSTOP));
	assert_ok(vfu_send(&f->vmm.client, VFU_DEVICE_RESET, VFU_FLAG_NO_REPLY, NULL, 0,
			   &fd, 1));
	close_fd(&fd); /* the only copy is in flight */
	assert_ok(daemon_signal(&f->daemon, SIGCONT));
	expect_prompt(f);
	close_fd(&peer);
}

/* Descriptors that the daemon never receives go with the connection. */
static void test_lingering_socket_not_received(void **state)
{
	struct func *f = *state;
	int before, peer, fd;

	start(f);
	before = daemon_fd_count(&f->daemon);
	fd = lingering_open(60, &peer);
	if (fd < 0)
		return;
	/* send a message that ends the connection, and another one, before the daemon
	 * reads either */
	assert_ok(daemon_signal(&f->daemon, SIGSTOP));
	assert_ok(vfu_send_bytes(&f->vmm.client, (const uint8_t[16]){0}, 16, &f->ram.fd,
				 1));
	assert_ok(vfu_send_bytes(&f->vmm.client, (const uint8_t[16]){0}, 16, &fd, 1));
	close_fd(&fd); /* the only copy is in flight */
	assert_ok(daemon_signal(&f->daemon, SIGCONT));
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	expect_prompt(f);
	close_fd(&peer);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before), before);
}

/* The daemon closes a connection without any message, and one whose message stays
 * incomplete. */
static void test_silence_has_an_end(void **state)
{
	struct func *f = *state;
	uint64_t begun_ns = clock_now_ns();
	struct pollfd ends[2];
	int before;

	start(f);
	before = daemon_fd_count(&f->daemon);
	ends[0] = (struct pollfd){.fd = daemon_connect(&f->daemon), .events = POLLIN};
	ends[1] = (struct pollfd){.fd = f->vmm.client.fd, .events = POLLIN};
	assert_ok(vfu_send_bytes(&f->vmm.client, "12345678", 8, &f->ram.fd, 1));
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		char byte;

		assert_int_equal(poll(&ends[i], 1, 20000), 1);
		assert_true(read(ends[i].fd, &byte, 1) <= 0);
		assert_in_range(clock_now_ns() - begun_ns, UINT64_C(4500000000),
				UINT64_C(20000000000));
	}
	(void)close(ends[0].fd);
	func_disconnect(f);
	assert_ok(daemon_await_stderr(&f->daemon, "no VERSION for 5 s", 5000));
	assert_ok(
		daemon_await_stderr(&f->daemon, "no more of its message for 5 s", 5000));
	func_connect(f, VFU_DIALECT_QEMU);
	assert_int_equal(daemon_fd_count_wait(&f->daemon, before), before);
	assert_alive(f);
}

/* The daemon raises its limit to the most that all clients may send, whatever the limit
 * was. */
static void test_limit_on_descriptors(void **state)
{
	struct func *f = *state;
	struct rlimit before, low, daemons;

	assert_ok(getrlimit(RLIMIT_NOFILE, &before));
	low = (struct rlimit){.rlim_cur = 256, .rlim_max = before.rlim_max};
	assert_ok(setrlimit(RLIMIT_NOFILE, &low));
	start(f);
	assert_ok(setrlimit(RLIMIT_NOFILE, &before));
	assert_ok(prlimit(f->daemon.pid, RLIMIT_NOFILE, NULL, &daemons));
	assert_int_equal(daemons.rlim_cur, MIN_OF(before.rlim_max, 4096));
}

static int tear_down(void **state)
{
	int r = func_teardown(state);

	stuck_fs_stop(&fs);
	return r;
}

#define STUCK_TEST(f) cmocka_unit_test_setup_teardown(f, func_setup, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		STUCK_TEST(test_stuck_eventfd),
		STUCK_TEST(test_stuck_memory),
		STUCK_TEST(test_stuck_descriptors_are_bounded),
		STUCK_TEST(test_lingering_socket),
		STUCK_TEST(test_lingering_socket_not_received),
		STUCK_TEST(test_silence_has_an_end),
		STUCK_TEST(test_limit_on_descriptors),
	};

	fs = (struct stuck_fs){.server = -1, .mute_fd = -1, .fd = -1};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
