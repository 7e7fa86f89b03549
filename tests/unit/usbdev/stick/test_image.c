/* SPDX-License-Identifier: MIT
 * test_image.c - opening an image: refusals with reasons, locks, size, identity
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

#include "../host.h"
#include "usbdev/stick/image.h"
#include "usbdev/stick/stick.h"
#include "util/loop.h"

static char dir[] = "/tmp/usbvfiod-test-image-XXXXXX";
static char path[64];
static char link_path[64];

static void make(off_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void refused(const char *name, bool readonly, int code, const char *reason)
{
	struct image image;
	struct err err = {0};

	assert_int_equal(image_open(&image, name, readonly, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, reason) || !strstr(err.text, name))
		fail_msg("'%s' does not tell of %s, %s", err.text, name, reason);
	image_close(&image);
}

static void test_refusals(void **state)
{
	char fifo[64];

	(void)state;
	refused("/nonexistent", false, ENOENT, "truncate");
	refused(dir, false, EINVAL, "neither");
	refused("/dev/null", false, EINVAL, "neither");
	make(511);
	refused(path, false, EINVAL, "512");
	make(0);
	refused(path, true, EINVAL, "512");
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refused(fifo, false, EINVAL, "neither");
	assert_int_equal(unlink(fifo), 0);
}

static void test_size(void **state)
{
	struct image image;
	struct err err;

	(void)state;
	make(3 * 512 + 511);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	assert_int_equal(image.size_bytes, 3 * 512);
	assert_int_equal(fcntl(image.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	image_close(&image);
	make((off_t)3 << 40);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	assert_true(image.size_bytes == (uint64_t)3 << 40);
	image_close(&image);
	image_close(&image);
}

static void test_locks(void **state)
{
	struct image image;
	struct image second;
	struct err err;

	(void)state;
	make(4096);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	refused(path, false, EBUSY, "already, as the image of a stick; two could share");
	refused(path, true, EBUSY, "already, as the image of a stick");
	image_close(&image);
	assert_int_equal(image_open(&image, path, true, &err), 0);
	assert_int_equal(image_open(&second, path, true, &err), 0);
	refused(path, false, EBUSY, "already");
	image_close(&image);
	image_close(&second);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	image_close(&image);
}

static void test_identity(void **state)
{
	struct image image;
	struct image through_link;
	struct err err;

	(void)state;
	make(4096);
	(void)unlink(link_path);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(image_open(&image, path, true, &err), 0);
	assert_int_equal(image_open(&through_link, link_path, true, &err), 0);
	assert_string_equal(image.name, "disk.img");
	assert_string_equal(image.serial, through_link.serial);
	image_close(&through_link);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(link(path, link_path), 0);
	assert_int_equal(image_open(&through_link, link_path, true, &err), 0);
	assert_string_not_equal(image.serial, through_link.serial);
	image_close(&through_link);
	image_close(&image);
	assert_int_equal(unlink(link_path), 0);
}

static void test_readonly_cannot_write(void **state)
{
	struct image image;
	struct err err;

	(void)state;
	make(4096);
	assert_int_equal(image_open(&image, path, true, &err), 0);
	assert_int_equal(image_write(&image, "x", 1, 0), -EBADF);
	image_close(&image);
}

static void test_io(void **state)
{
	struct image image;
	struct err err;
	char buf[16];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};

	(void)state;
	make(1024);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	assert_int_equal(image_write(&image, "0123456789abcdef", 16, 1000), 0);
	assert_int_equal(image_sync(&image), 0);
	assert_int_equal(image_read(&image, buf, 16, 1000), 0);
	assert_memory_equal(buf, "0123456789abcdef", 16);
	assert_int_equal(image_read(&image, buf, 16, 1010), -EIO);
	image.read_direct = IMAGE_DIRECT_PLAIN;
	image.write_direct = IMAGE_DIRECT_PLAIN;
	assert_int_equal(image_read_now(&image, &iov, 1, 1020), 4);
	assert_int_equal(image_read_now(&image, &iov, 1, 1024), -EIO);
	assert_int_equal(image_write_now(&image, &iov, 1, 100), 16);
#ifndef DMA_CHECK /* where such pointers are faults */
	iov.iov_base = (void *)16;
	assert_int_equal(image_read_now(&image, &iov, 1, 0), -EFAULT);
#endif
	image.read_direct = IMAGE_DIRECT_NEVER;
	assert_int_equal(image_read_now(&image, &iov, 1, 0), -EAGAIN);
	image_close(&image);
}

/* Locked by another process: another VMM, or another of us. */
static void test_locked_elsewhere(void **state)
{
	struct flock request = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct image image;
	struct err err;
	int fd;

	(void)state;
	make(4096);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &request), 0);
	refused(path, false, EBUSY, "fuser");
	refused(path, true, EBUSY, "locked");
	close(fd);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	image_close(&image);
}

static void adopt_refused(int fd, bool readonly, int code, const char *reason)
{
	struct image image;
	struct err err = {0};

	assert_int_equal(image_adopt(&image, fd, path, readonly, &err), -code);
	if (!strstr(err.text, reason))
		fail_msg("'%s' does not say %s", err.text, reason);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
}

static void test_handed_over(void **state)
{
	struct image image;
	struct image by_name;
	struct err err;
	int fd;

	(void)state;
	make(4096);
	assert_int_equal(image_open(&by_name, path, true, &err), 0);
	adopt_refused(open(path, O_RDWR | O_CLOEXEC), false, EBUSY, "already");
	image_close(&by_name);
	adopt_refused(open(path, O_RDONLY | O_CLOEXEC), false, EBADF, "writing");
	adopt_refused(open(path, O_WRONLY | O_CLOEXEC), true, EBADF, "reading");
	adopt_refused(open("/dev/null", O_RDWR | O_CLOEXEC), false, EINVAL, "neither");

	fd = open(path, O_RDWR | O_CLOEXEC | O_APPEND | O_NONBLOCK);
	assert_int_equal(image_adopt(&image, fd, "other/name.img", false, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
	assert_int_equal(image.size_bytes, 4096);
	assert_string_equal(image.name, "name.img");
	assert_int_equal(image_open(&by_name, path, false, &err), -EBUSY);
	image_close(&image);
	/* a guest sees the same stick either way */
	assert_int_equal(image_open(&by_name, path, true, &err), 0);
	assert_string_equal(by_name.serial, image.serial);
	image_close(&by_name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(image_adopt(&image, fd, path, true, &err), 0);
	image_close(&image);
}

static void test_stick_options(void **state)
{
	struct image image;
	struct stick_options options = {.image = &image, .speed = USBDEV_SPEED_LOW};
	struct loop *loop = loop_create();
	struct usbdev *dev;
	struct host host;
	struct err err = {0};

	(void)state;
	make(4096);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	assert_null(stick_create(loop, &options, &err));
	assert_non_null(strstr(err.text, "speed"));
	assert_true(image.fd >= 0);
	options.speed = USBDEV_SPEED_UNKNOWN;
	dev = stick_create(loop, &options, &err);
	assert_non_null(dev);
	assert_int_equal(image.fd, -1); /* taken */
	assert_int_equal(dev->speed, USBDEV_SPEED_SUPER);
	assert_string_equal(dev->label, "stick:disk.img");
	assert_int_equal(image_open(&image, path, false, &err), -EBUSY);
	host_init(&host, loop, dev);
	host_finish(&host);
	assert_int_equal(image_open(&image, path, false, &err), 0);
	image_close(&image);
}

static int setup_dir(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/disk.img", dir);
	(void)snprintf(link_path, sizeof(link_path), "%s/link.img", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_readonly_cannot_write),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_locked_elsewhere),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_stick_options),
	};

	return cmocka_run_group_tests_name("image", tests, setup_dir, remove_dir);
}
