/* SPDX-License-Identifier: MIT
 * test_node.c - tests of src/daemon/attach/node.c, as far as they need no USB
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/attach/node.h"

#define NOBODY 65534

static char folder[64];
static char path[128];
static struct node node;
static struct err err;
static char hint[NODE_HINT_BYTES];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/usbvfiod-test-node-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/node", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void refuse(const char *which, int error, const char *why, const char *remedy)
{
	memset(&node, 0xff, sizeof(node));
	memset(&err, 0, sizeof(err));
	memset(hint, 'x', sizeof(hint));
	assert_int_equal(node_open(which, &node, &err, hint), -error);
	assert_int_equal(err.code, error);
	assert_non_null(strstr(err.text, which));
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	if (!strstr(hint, remedy))
		fail_msg("\"%s\" does not say \"%s\"", hint, remedy);
	assert_int_equal(node.fd, -1); /* 0xff...: untouched */
}

static void test_not_there(void **state)
{
	(void)state;
	refuse(path, ENOENT, "there is no", "lsusb");
	assert_int_equal(symlink("/nonexistent", path), 0);
	refuse(path, ENOENT, "there is no", "lsusb");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(path, path), 0);
	refuse(path, ELOOP, "cannot open", "");
}

static void test_other_things(void **state)
{
	int fd;

	(void)state;
	refuse("/dev/null", EINVAL, "is some other device", "/dev/bus/usb/BBB/DDD");
	refuse(folder, EINVAL, "is a folder", "/dev/bus/usb/BBB/DDD");
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	refuse(path, EINVAL, "is an ordinary file", "stick:file=");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	refuse(path, EINVAL, "is some other device", "");
	assert_int_equal(unlink(path), 0);
	/* and does not wait for somebody to write */
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse(path, EINVAL, "is something else", "");
}

/* A node as usbfs has them, of a device that cannot be there: bus 500. */
static bool make_node(mode_t mode, gid_t group)
{
	if (mknod(path, S_IFCHR | mode, makedev(189, 499 * 128 + 2)) < 0 ||
	    chmod(path, mode) < 0 || chown(path, 0, group) < 0) {
		print_message("cannot make a node here: %s\n", strerror(errno));
		return false;
	}
	return true;
}

static void test_device_gone(void **state)
{
	int r;

	(void)state;
	if (!make_node(0600, 0))
		return;
	r = node_open(path, &node, &err, hint);
	if (r == -EPERM)
		refuse(path, EPERM, "may not be opened", "DeviceAllow=char-usb_device");
	else
		refuse(path, -r, "has gone", "lsusb");
}

static void test_no_permission(void **state)
{
	(void)state;
	if (!make_node(0600, 12345))
		return;
	assert_int_equal(seteuid(NOBODY), 0);
	refuse(path, EACCES, "may not be opened for writing",
	       "MODE=\"0660\" - or let a program that may open the node hand it over: "
	       "--device host:fd=N");
	assert_null(strstr(hint, "12345"));
	assert_non_null(strstr(hint, "SUBSYSTEM==\"usb\""));
	assert_int_equal(seteuid(0), 0);
	/* a group that has what we want */
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	refuse(path, EACCES, "may not be opened", "member of group 12345");
	assert_int_equal(seteuid(0), 0);
}

static void test_adopt(void **state)
{
	int fd;

	(void)state;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(node_adopt(fd, &node, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not the node of a USB device"));
	assert_true(fcntl(fd, F_GETFD) >= 0); /* not ours to close */
	(void)close(fd);
	assert_int_equal(node_adopt(fd, &node, &err), -EBADF);
	assert_non_null(strstr(err.text, "is not open"));
	if (!make_node(0600, 0))
		return;
	/* opened without its driver, which is as near as we come */
	fd = open(path, O_PATH | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(node_adopt(fd, &node, &err), -EBADF);
	assert_non_null(strstr(err.text, "for reading and writing"));
	(void)close(fd);
}

/* Of a node it takes a real one; here is how it handles others. */
static void test_copy(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	node.fd = -1;
	assert_int_equal(node_copy(&node, fd, &err), -EINVAL);
	(void)close(fd);
	assert_int_equal(node_copy(&node, fd, &err), -EBADF);
	assert_non_null(strstr(err.text, "cannot be used any more"));
	assert_int_equal(node.fd, -1);
}

static void test_place(void **state)
{
	char text[NODE_PATH_BYTES];
	unsigned bus, number;

	(void)state;
	assert_int_equal(node_at("/devices/nowhere/1-2", &bus, &number), -ENOENT);
	assert_int_equal(node_at("/devices", &bus, &number), -ENOENT);
	node_path(1, 27, text);
	assert_string_equal(text, "/dev/bus/usb/001/027");
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_not_there),     T(test_other_things), T(test_device_gone),
		T(test_no_permission), T(test_adopt),        T(test_copy),
		T(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
