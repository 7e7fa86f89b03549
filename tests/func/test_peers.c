/* SPDX-License-Identifier: MIT
 * test_peers.c - which users may be the VMM, a client of the control socket, or its
 * reader
 *
 * Each peer is a process of another user, which only root can create.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/func/func.h"
#include "util/fds.h"

#define READER   1000u
#define OPERATOR 1001u
#define VMM      3000u /* a group */
#define NOBODY   65534u

static char control[DAEMON_PATH_MAX];

static bool begin(struct func *f)
{
	const char *args[] = {"--hotplug-socket-path",
			      control,
			      "--control-readers",
			      "1000",
			      "--control-peers",
			      "@1001",
			      "--vmm-peers",
			      "@3000",
			      NULL};

	if (geteuid() != 0) {
		print_message("# not tested: only root can be another user\n");
		return false;
	}
	assert_ok(chmod(f->daemon.dir, 0755));
	daemon_path(&f->daemon, "control", control);
	func_start_args(f, args);
	assert_ok(daemon_wait_listening(&f->daemon, control));
	return true;
}

static void become(uid_t uid, gid_t group)
{
	if (setgroups(1, &group) < 0 || setgid(NOBODY) < 0 || setuid(uid) < 0)
		_exit(99);
	(void)alarm(10);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		_exit(98);
	return fd;
}

/* @answer: the daemon's answer to a process of user @uid in @group. */
static void ask(uid_t uid, gid_t group, const void *request, size_t len,
		char answer[4096])
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_ok(pipe(fds));
	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char buf[4096];
		int fd;

		become(uid, group);
		fd = connect_to(control);
		/* the daemon refuses some peers before it reads their request */
		(void)!send(fd, request, len, MSG_NOSIGNAL);
		n = recv(fd, buf, sizeof(buf), 0);
		_exit(n > 0 && write(fds[1], buf, (size_t)n) == n ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = read(fds[0], answer, 4095);
	assert_true(n > 0);
	answer[n] = '\0';
	close(fds[0]);
	close(fds[1]);
}

static void expect(uid_t uid, gid_t group, const char *request, const char *part)
{
	char answer[4096];

	ask(uid, group, request, strlen(request), answer);
	if (!strstr(answer, part))
		fail_msg("user %u, %s: \"%s\" without \"%s\"", (unsigned)uid, request,
			 answer, part);
}

#define OK         "{\"ok\":true"
#define NOT_YOURS  "\"code\":\"not-allowed\""
#define VERB(verb) "{\"verb\":\"" verb "\"}\n"

static void test_readers(void **state)
{
	static const char *const changes[] = {
		"{\"verb\":\"attach\",\"spec\":\"zero\"}\n",
		"{\"verb\":\"detach\",\"device\":\"1\"}\n",
		"{\"verb\":\"reset\",\"device\":\"1\"}\n",
		"{\"verb\":\"capture\",\"action\":\"start\",\"path\":\"/x\"}\n",
		"{\"verb\":\"capture\",\"action\":\"status\"}\n",
		"{\"verb\":\"log\",\"level\":\"debug\"}\n",
		"{\"verb\":\"rules\",\"action\":\"list\"}\n",
	};
	struct func *f = *state;
	char answer[4096];

	if (!begin(f))
		return;
	expect(READER, NOBODY, VERB("list"), OK);
	expect(READER, NOBODY, VERB("list"), "\"sandbox\":{\"mode\":");
	expect(READER, NOBODY, VERB("stats"), OK);
	expect(READER, NOBODY, VERB("watch"), OK);
	expect(READER, NOBODY, VERB("hello"), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(changes); i++)
		expect(READER, NOBODY, changes[i], NOT_YOURS);
	/* the old dialect has the same rules */
	ask(READER, NOBODY, "\2\0\0", 3, answer);
	assert_int_equal(answer[0], 1);
	ask(READER, NOBODY, "\1\1\1", 3, answer);
	assert_int_equal(answer[0], 4);
	assert_ok(daemon_await_stderr(&f->daemon, "of user 1000 may not use \"attach\"",
				      DRV_TIMEOUT_MS));
}

static void test_operators(void **state)
{
	if (!begin(*state))
		return;
	expect(OPERATOR, OPERATOR, "{\"verb\":\"attach\",\"spec\":\"zero\"}\n", OK);
	expect(0, 0, "{\"verb\":\"attach\",\"spec\":\"zero\"}\n", OK);
	/* the list has the group, but not the user alone */
	expect(OPERATOR, NOBODY, VERB("list"), NOT_YOURS);
}

static void test_others(void **state)
{
	struct func *f = *state;

	if (!begin(f))
		return;
	for (unsigned i = 0; i < 100; i++)
		expect(NOBODY, NOBODY, VERB("list"), NOT_YOURS);
	assert_ok(daemon_await_stderr(&f->daemon,
				      "of user 65534 may not use the control socket",
				      DRV_TIMEOUT_MS));
	/* they have not used up the connections */
	expect(READER, NOBODY, VERB("list"), OK);
	assert_log_bounded(f);
}

/* Return: vfu_version() in a process of @group. */
static int try_vmm(struct func *f, gid_t group)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct vfu_client client;

		become(NOBODY, group);
		vfu_adopt(&client, connect_to(f->daemon.socket), VFU_DIALECT_QEMU);
		_exit(-vfu_version(&client));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void test_vmm(void **state)
{
	struct func *f = *state;

	if (!begin(f))
		return;
	assert_int_equal(try_vmm(f, NOBODY), -EACCES);
	assert_ok(daemon_await_stderr(&f->daemon,
				      "of user 65534 may not be the VMM: see --vmm-peers",
				      DRV_TIMEOUT_MS));
	assert_int_equal(try_vmm(f, VMM), 0);
	func_boot(f, VFU_DIALECT_QEMU);
	assert_alive(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_readers),
		FUNC_TEST(test_operators),
		FUNC_TEST(test_others),
		FUNC_TEST(test_vmm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
