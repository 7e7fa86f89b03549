/* SPDX-License-Identifier: MIT
 * test_peers.c - tests of src/util/peers.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/peers.h"

static void refuse(const char *text, const char *why)
{
	struct peers peers = {0};
	struct err err = {0};

	assert_int_equal(peers_parse(&peers, text, &err), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, why);
}

static void test_lists(void **state)
{
	struct peers peers = {0};
	struct err err = {0};
	char text[256] = "1";

	(void)state;
	assert_false(peers_given(&peers));
	assert_int_equal(peers_parse(&peers, "root,1000,@2000,@root", &err), 0);
	assert_true(peers_given(&peers));
	assert_int_equal(peers.uid_count, 2);
	assert_int_equal(peers.uids[0], 0);
	assert_int_equal(peers.uids[1], 1000);
	assert_int_equal(peers.gid_count, 2);
	assert_int_equal(peers.gids[0], 2000);
	assert_int_equal(peers.gids[1], 0);
	refuse("", "is not a list of");
	refuse("1000,", "is not a list of");
	refuse(",1000", "is not a list of");
	refuse("no-such-user", "no user 'no-such-user'");
	refuse("@no-such-group", "no group 'no-such-group'");
	refuse("@", "no group ''");
	refuse("1000x", "no user '1000x'");
	refuse("-1", "no user '-1'");
	/* which setuid() would take for "leave it" */
	refuse("4294967295", "no user");
	for (unsigned i = 1; i < PEERS_MAX; i++)
		strcat(text, ",1");
	peers = (struct peers){0};
	assert_int_equal(peers_parse(&peers, text, &err), 0);
	strcat(text, ",1");
	refuse(text, "more than 32 users");
}

/* A socket that a process of @uid, @gid and @groups has connected. */
static int connected_by(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
	struct sockaddr sa = {.sa_family = AF_UNIX};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd, status;
	pid_t pid;

	/* a name of the kernel's choice */
	assert_int_equal(bind(listener, &sa, sizeof(sa.sa_family)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, &sa, &len), 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (setgroups(count, groups) < 0 || setgid(gid) < 0 || setuid(uid) < 0 ||
		    connect(fd, &sa, len) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	close(listener);
	return fd;
}

static bool has(const char *list, int fd)
{
	struct peers peers = {0};
	struct ucred peer;
	struct err err;

	assert_int_equal(peers_parse(&peers, list, &err), 0);
	assert_int_equal(peer_read(fd, &peer), 0);
	return peers_have(&peers, fd, &peer);
}

static void test_who_it_is(void **state)
{
	gid_t groups[200];
	struct ucred peer;
	int fd;

	(void)state;
	if (geteuid() != 0) {
		print_message("# not tested: only root can be another user\n");
		return;
	}
	for (unsigned i = 0; i < 200; i++)
		groups[i] = 5000 + i;
	fd = connected_by(1000, 1100, 2, groups);
	assert_true(has("1000", fd));
	assert_true(has("7,8,1000", fd));
	assert_false(has("1100", fd));
	assert_true(has("@1100", fd));
	assert_true(has("@5001", fd));
	assert_false(has("@5002,@1000,7", fd));
	assert_int_equal(peer_read(fd, &peer), 0);
	assert_false(peer_is_ours(&peer));
	close(fd);
	/* more groups than there is room for at first */
	fd = connected_by(1000, 1100, 200, groups);
	assert_true(has("@5199", fd));
	assert_false(has("@5200", fd));
	close(fd);
	fd = connected_by(0, 0, 0, groups);
	assert_int_equal(peer_read(fd, &peer), 0);
	assert_true(peer_is_ours(&peer));
	close(fd);
	assert_int_equal(peer_read(999, &peer), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_who_it_is),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
