/* SPDX-License-Identifier: MIT
 * test_safe_path.c - tests of src/util/safe_path.c
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fds.h"
#include "util/safe_path.h"

#define SOMEBODY 65534u

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test-safe-path-XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void make(const char *name)
{
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
}

static void refuse(const char *path, bool anyone, int code, const char *why)
{
	struct safe_path sp;
	struct err err = {0};

	assert_int_equal(safe_path_find(&sp, path, anyone, &err), -code);
	safe_path_finish(&sp);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

/* What is opened by @path holds @content. */
static void expect(const char *path, bool anyone, const char *content)
{
	struct safe_path sp;
	struct err err = {0};
	char text[64] = "";
	int fd;

	if (safe_path_find(&sp, path, anyone, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(sp.exists);
	fd = safe_path_open(&sp, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, content);
	close(fd);
	safe_path_finish(&sp);
}

static void test_paths(void **state)
{
	char absolute[128];
	char chain[16];

	(void)state;
	make("file");
	assert_int_equal(mkdir("folder", 0700), 0);
	make("folder/inner");
	expect("file", false, "file");
	expect("./folder//inner", false, "folder/inner");
	(void)snprintf(absolute, sizeof(absolute), "%s/folder/inner", dir);
	expect(absolute, false, "folder/inner");
	/* links: relative to where they are, absolute, of links, of folders */
	assert_int_equal(symlink("../file", "folder/up"), 0);
	assert_int_equal(symlink(absolute, "far"), 0);
	assert_int_equal(symlink("far", "farther"), 0);
	assert_int_equal(symlink("folder", "door"), 0);
	expect("folder/up", false, "file");
	expect("farther", false, "folder/inner");
	expect("door/up", false, "file");
	/* ends */
	assert_int_equal(symlink("loop", "loop"), 0);
	refuse("loop", false, ELOOP, "loop");
	refuse("nowhere/file", false, ENOENT, "folder of nowhere/file");
	refuse("file/file", false, ENOTDIR, "folder of file/file");
	assert_int_equal(symlink("file", "link00"), 0);
	for (unsigned i = 1; i < 45; i++) {
		char before[16];

		(void)snprintf(before, sizeof(before), "link%02u", i - 1);
		(void)snprintf(chain, sizeof(chain), "link%02u", i);
		assert_int_equal(symlink(before, chain), 0);
	}
	expect("link39", false, "file");
	refuse("link44", false, ELOOP, "link44");
}

static void test_made(void **state)
{
	struct safe_path sp;
	struct err err = {0};
	struct stat st;
	int fd;

	(void)state;
	/* through a link, too */
	assert_int_equal(symlink("new", "to-new"), 0);
	assert_int_equal(safe_path_find(&sp, "to-new", false, &err), 0);
	assert_false(sp.exists);
	assert_int_equal(safe_path_open(&sp, O_RDWR, 0600), -ENOENT);
	fd = safe_path_open(&sp, O_RDWR | O_CREAT, 0640);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode & 07777 & ~0640u, 0);
	/* another was quicker */
	assert_int_equal(safe_path_open(&sp, O_RDWR | O_CREAT, 0600), -EEXIST);
	safe_path_finish(&sp);
}

/* What was looked at is what is opened. */
static void test_changed_meanwhile(void **state)
{
	struct safe_path sp;
	struct err err = {0};

	(void)state;
	make("file");
	make("victim");
	assert_int_equal(safe_path_find(&sp, "file", false, &err), 0);
	assert_int_equal(rename("victim", "file"), 0);
	assert_int_equal(safe_path_open(&sp, O_RDWR, 0), -EAGAIN);
	assert_int_equal(unlink("file"), 0);
	make("victim");
	assert_int_equal(symlink("victim", "file"), 0);
	assert_int_equal(safe_path_open(&sp, O_RDWR, 0), -ELOOP);
	safe_path_finish(&sp);
}

/* "/dev/stdout" and the like. */
static void test_procfs(void **state)
{
	char path[64];
	int fd;

	(void)state;
	make("file");
	fd = open("file", O_RDWR | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect(path, false, "file");
	assert_int_equal(unlink("file"), 0);
	expect(path, false, "file");
	close(fd);
}

static void test_owners(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# not tested: only root can be two users\n");
		return;
	}
	assert_int_equal(chmod(".", 01777), 0);
	make("file");
	assert_int_equal(symlink("file", "link"), 0);
	expect("link", false, "file");
	/* of another: never followed, neither where the kernel's rule would */
	assert_int_equal(lchown("link", SOMEBODY, SOMEBODY), 0);
	refuse("link", false, EPERM, "user 65534");
	refuse("link", true, EPERM, "user 65534");
	assert_int_equal(chmod(".", 0777), 0);
	refuse("link", false, EPERM, "user 65534");
	/* the second of a chain */
	assert_int_equal(symlink("link", "ours"), 0);
	refuse("ours", false, EPERM, "user 65534");
	assert_int_equal(chown("file", SOMEBODY, SOMEBODY), 0);
	refuse("file", false, EPERM, "a file of user 65534");
	expect("file", true, "file");
	/* in his own folder he can do anything */
	assert_int_equal(chown(".", SOMEBODY, SOMEBODY), 0);
	expect("link", false, "file");
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_paths),  T(test_made),   T(test_changed_meanwhile),
		T(test_procfs), T(test_owners),
	};

	return cmocka_run_group_tests_name("safe_path", tests, NULL, NULL);
}
