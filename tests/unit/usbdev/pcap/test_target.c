/* SPDX-License-Identifier: MIT
 * test_target.c - tests of src/usbdev/pcap/target.c: what a capture may overwrite
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "usbdev/pcap/record.h"
#include "usbdev/pcap/target.h"
#include "usbdev/stick/image.h"
#include "util/fds.h"

static char dir[64];
static char path[128];
static char other[128];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test-target-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

static void make(const void *bytes, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
}

static void refused(int r, int code, const struct err *err, const char *why)
{
	assert_int_equal(r, -code);
	assert_int_equal(err->code, code);
	if (!strstr(err->text, why))
		fail_msg("\"%s\" does not say \"%s\"", err->text, why);
}

static void refuse(int code, const char *why)
{
	struct target target;
	struct err err = {0};

	refused(target_open(&target, path, &err), code, &err, why);
	assert_int_equal(target.fd, -1);
}

static void refuse_fd(int flags, int code, const char *why)
{
	int fd = open(path, flags | O_CLOEXEC);
	struct target target;
	struct err err = {0};

	assert_true(fd >= 0);
	refused(target_adopt(&target, fd, "it", &err), code, &err, why);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void accept_it(void)
{
	struct target target;
	struct err err = {0};
	struct stat st;

	if (target_open(&target, path, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fstat(target.fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fcntl(target.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(target_close(&target), 0);
}

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

static void test_new_file(void **state)
{
	struct stat st;

	(void)state;
	accept_it();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* an empty one */
	accept_it();
	/* folders are made */
	(void)snprintf(path, sizeof(path), "%s/a//b/c.d/usb.pcap", dir);
	accept_it();
	(void)snprintf(path, sizeof(path), "/proc/no/usb.pcap");
	refuse(ENOENT, "cannot make the directory");
}

/* Every kind of capture may be overwritten, and nothing that looks a bit like one. */
static void test_only_captures(void **state)
{
	static const struct {
		uint8_t head[12];
		bool is_capture;
	} cases[] = {
		{{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0}, true},
		{{0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0}, true},
		{{0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4}, true},
		{{0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4}, true},
		{{0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a}, true},
		{{0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d}, true},
		{{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 5, 0}, false},
		{{0xa1, 0xb2, 0xc3, 0xd4, 2, 0, 4, 0}, false},
		{{0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0, 0, 0, 0}, false},
		{{0xeb, 0x3c, 0x90}, false},
		{{0}, false},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t bytes[64] = {0};

		memcpy(bytes, cases[i].head, sizeof(cases[i].head));
		make(bytes, sizeof(bytes));
		if (cases[i].is_capture) {
			accept_it();
		} else {
			refuse(EEXIST, "no capture");
			refuse_fd(O_RDWR, EEXIST, "no capture");
			assert_int_equal(size_of(path), sizeof(bytes));
		}
		assert_int_equal(unlink(path), 0);
	}
	/* less than the head of one */
	make("abc", 3);
	refuse(EEXIST, "no capture");
	assert_int_equal(size_of(path), 3);
}

/* What we write is a capture to us. */
static void test_own_capture(void **state)
{
	uint8_t header[RECORD_FILE_HEADER_BYTES];

	(void)state;
	record_put_file_header(header);
	make(header, sizeof(header));
	accept_it();
}

static void test_several_names(void **state)
{
	(void)state;
	make("", 0);
	assert_int_equal(link(path, other), 0);
	refuse(EEXIST, "2 names");
	refuse_fd(O_RDWR, EEXIST, "2 names");
}

static void test_locked(void **state)
{
	struct flock request = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd;

	(void)state;
	make("", 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &request), 0);
	refuse(EBUSY, "locked");
	refuse_fd(O_RDWR, EBUSY, "locked");
	request.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &request), 0);
	accept_it();
	assert_int_equal(flock(fd, LOCK_SH), 0);
	refuse(EBUSY, "locked");
	close(fd);
	accept_it();
}

/* The image of a stick here and a capture: neither gets what the other has. The image begins
 * as a capture would, so that nothing else speaks against it. */
static void test_images(void **state)
{
	struct image image;
	struct target target;
	uint8_t bytes[4096] = {0};
	struct err err = {0};

	(void)state;
	record_put_file_header(bytes);
	make(bytes, sizeof(bytes));
	for (unsigned readonly = 0; readonly < 2; readonly++) {
		assert_int_equal(image_open(&image, path, readonly == 1, &err), 0);
		refuse(EBUSY, "in use here, as the image of a stick");
		refuse_fd(O_RDWR, EBUSY, "in use here, as the image of a stick");
		assert_int_equal(symlink(path, other), 0);
		refused(target_open(&target, other, &err), EBUSY, &err, "image");
		assert_int_equal(unlink(other), 0);
		image_close(&image);
	}
	assert_int_equal(size_of(path), sizeof(bytes));

	assert_int_equal(target_open(&target, path, &err), 0);
	assert_int_equal(ftruncate(target.fd, 4096), 0);
	refused(image_open(&image, path, false, &err), EBUSY, &err, "as a capture");
	refused(image_open(&image, path, true, &err), EBUSY, &err, "as a capture");
	/* the lock says so to other processes */
	{
		struct flock request = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
		int fd = open(path, O_RDWR | O_CLOEXEC);

		assert_int_equal(fcntl(fd, F_OFD_SETLK, &request), -1);
		close(fd);
	}
	assert_int_equal(target_close(&target), 0);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	image_close(&image);
}

static void test_kinds(void **state)
{
	struct target target;
	struct err err = {0};
	int reader;

	(void)state;
	refused(target_open(&target, "", &err), EINVAL, &err, "name of a file");
	refused(target_open(&target, dir, &err), EISDIR, &err, dir);
	refused(target_open(&target, "/dev/zero", &err), EINVAL, &err, "character");
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse(ENXIO, "start the reader first");
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(target_open(&target, path, &err), 0);
	assert_int_equal(fcntl(target.fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_int_equal(target_close(&target), 0);
	close(reader);
	assert_int_equal(unlink(path), 0);
	/* the check cannot read it */
	make("x", 1);
	refuse_fd(O_WRONLY, EEXIST, "open it for reading, too");
	refuse_fd(O_RDONLY, EBADF, "for writing");
	refused(target_adopt(&target, 999, "it", &err), EBADF, &err, "it");
}

static bool is_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("# not tested: only root can be two users\n");
	return false;
}

/* In a folder for all: links of others, files of others. */
static void test_other_users(void **state)
{
	char victim[160];
	int fd;

	(void)state;
	if (!is_root())
		return;
	assert_int_equal(chmod(dir, 01777), 0);
	(void)snprintf(victim, sizeof(victim), "%s/victim", dir);
	fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(symlink(victim, path), 0);
	accept_it(); /* ours */
	assert_int_equal(lchown(path, 65534, 65534), 0);
	refuse(EPERM, "of user 65534");
	assert_int_equal(unlink(path), 0);
	/* empty, but who made it can read what we write */
	make("", 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	refuse(EPERM, "of user 65534");
	/* unless the folder is his: then he can do anything */
	assert_int_equal(chown(dir, 65534, 65534), 0);
	accept_it();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_file),      T(test_only_captures), T(test_own_capture),
		T(test_several_names), T(test_locked),        T(test_images),
		T(test_kinds),         T(test_other_users),
	};

	return cmocka_run_group_tests_name("pcap_target", tests, NULL, NULL);
}
