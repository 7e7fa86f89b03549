/* SPDX-License-Identifier: MIT
 * test_fds_race.c - processes that fight for one socket path
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "socket_dir.h"
#include "util/fds.h"

/* Many start at once over a stale file: one wins, and it can be reached. */
static void test_one_winner(void **state)
{
	enum { CHILDREN = 6 };

	(void)state;
	for (int round = 0; round < 20; round++) {
		int go[2], results[2], finish[2], won = 0, client;

		close(foreign_socket(SOCK_STREAM, -1)); /* stale */
		assert_int_equal(pipe(go), 0);
		assert_int_equal(pipe(results), 0);
		assert_int_equal(pipe(finish), 0);
		for (int i = 0; i < CHILDREN; i++) {
			if (fork() == 0) {
				char byte;
				int fd;

				close(go[1]);
				close(finish[1]);
				(void)!read(go[0], &byte, 1); /* all start together */
				fd = listen_unix(path, NULL);
				(void)!write(results[1], &fd, sizeof(fd));
				(void)!read(finish[0], &byte, 1);
				_exit(0);
			}
		}
		close(go[0]);
		close(go[1]);
		for (int i = 0; i < CHILDREN; i++) {
			int r;

			assert_int_equal(read(results[0], &r, sizeof(r)), sizeof(r));
			if (r >= 0)
				won++;
			else
				assert_int_equal(r, -EADDRINUSE);
		}
		client = connect_path();
		assert_true(client >= 0);
		close(client);
		close(finish[0]);
		close(finish[1]);
		while (wait(NULL) > 0)
			;
		assert_int_equal(won, 1);
		close(results[0]);
		close(results[1]);
		(void)remove_files(NULL);
	}
}

/* Come and go as fast as possible: at no time are there two. */
static void churn(atomic_int *present, atomic_int *served)
{
	for (int i = 0; i < 3000; i++) {
		int fd = listen_unix(path, NULL), client;

		if (fd < 0) {
			if (fd != -EADDRINUSE)
				_exit(1);
			continue;
		}
		if (atomic_fetch_add(present, 1) != 0)
			_exit(2);
		client = connect_path();
		if (client < 0)
			_exit(3);
		close(client);
		client = accept(fd, NULL, NULL); /* it was us who answered */
		if (client < 0)
			_exit(4);
		close(client);
		atomic_fetch_add(served, 1);
		atomic_fetch_sub(present, 1);
		if (i % 2)
			unlink_unix(path, fd);
		close(fd);
	}
	_exit(0);
}

static void test_never_two(void **state)
{
	atomic_int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	(void)state;
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			churn(&shared[0], &shared[1]);
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	assert_true(shared[1] > 0);
	munmap(shared, 4096);
}

#define FDS_TEST(f) cmocka_unit_test_teardown(f, remove_files)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FDS_TEST(test_one_winner),
		FDS_TEST(test_never_two),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
