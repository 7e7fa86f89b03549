/* SPDX-License-Identifier: MIT
 * test_devices.c - tests of src/daemon/attach/devices.c
 *
 * The back ends' constructors are the fakes below: they note their arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/attach/devices.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/stick/stick.h"
#include "usbdev/zero/zero.h"

/* The last call of a fake; strings are copied, they end with the call. */
struct asked {
	const char *kind;
	char path[4096];
	int fd;
	bool has_file, readonly, anyone;
	enum usbdev_speed speed;
	enum zero_pattern pattern;
};

static struct asked asked;
static struct usbdev made;
static unsigned closed;

static int open_file(const char *path, int fd, struct err *err)
{
	(void)snprintf(asked.path, sizeof(asked.path), "%s", path);
	asked.fd = fd;
	return strcmp(path, "absent") == 0 ? err_set(err, ENOENT, "no such image") : 0;
}

int image_open(struct image *image, const char *path, bool readonly, struct err *err)
{
	image->readonly = readonly;
	return open_file(path, -1, err);
}

int image_adopt(struct image *image, int fd, const char *path, bool readonly,
		struct err *err)
{
	image->readonly = readonly;
	return open_file(path, fd, err);
}

void image_close(struct image *image)
{
	(void)image;
	closed++;
}

int keyboard_input_open(struct keyboard_input *input, const char *path, bool anyone,
			struct err *err)
{
	(void)input;
	asked.anyone = anyone;
	return open_file(path, -1, err);
}

bool keyboard_input_make(const char *path)
{
	(void)path;
	return false;
}

void keyboard_input_made(const char *path)
{
	(void)path;
}

int keyboard_input_adopt(struct keyboard_input *input, int fd, const char *path,
			 struct err *err)
{
	(void)input;
	return open_file(path, fd, err);
}

void keyboard_input_close(struct keyboard_input *input)
{
	(void)input;
	closed++;
}

static struct usbdev *ask(const char *kind, bool has_file, enum usbdev_speed speed)
{
	asked.kind = kind;
	asked.has_file = has_file;
	asked.speed = speed;
	return &made;
}

struct usbdev *stick_create(struct loop *loop, const struct stick_options *options,
			    struct err *err)
{
	(void)loop;
	(void)err;
	asked.readonly = options->image->readonly;
	return ask("stick", true, options->speed);
}

struct usbdev *keyboard_create(struct loop *loop, const struct keyboard_options *options,
			       struct err *err)
{
	(void)loop;
	(void)err;
	return ask("keyboard", options->input != NULL, options->speed);
}

struct usbdev *zero_create(struct loop *loop, const struct zero_options *options,
			   struct err *err)
{
	(void)loop;
	(void)err;
	(void)ask("zero", false, options->speed);
	asked.pattern = options->pattern;
	return &made;
}

static struct err err;

static void create_with(const char *text, int fd)
{
	struct usbdev *dev = NULL;
	struct device_file file;
	char path[PATH_MAX];

	memset(&asked, 0, sizeof(asked));
	device_file_init(&file);
	assert_int_equal(device_check(text, &err), 0);
	if (device_needs_file(text, path)) {
		assert_int_equal(device_file_open(text, fd, &file, &err), 0);
		assert_string_equal(path, asked.path);
		assert_int_equal(asked.fd, fd);
	}
	assert_int_equal(device_create(NULL, text, &file, &dev, &err), 0);
	assert_ptr_equal(dev, &made);
}

static void create(const char *text)
{
	create_with(text, -1);
}

/* Refused before anything is opened. */
static void refuse(const char *text, int error, const char *why)
{
	struct usbdev *dev = NULL;
	struct device_file file;
	char path[PATH_MAX];

	device_file_init(&file);
	asked.kind = NULL;
	memset(&err, 0, sizeof(err));
	assert_int_equal(device_check(text, &err), -error);
	if (!strstr(err.text, why))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, why);
	assert_int_equal(device_create(NULL, text, &file, &dev, &err), -error);
	assert_int_equal(device_file_open(text, -1, &file, &err), -error);
	assert_false(device_needs_file(text, path));
	assert_null(asked.kind);
}

static void test_stick(void **state)
{
	(void)state;
	create("stick:file=/a/b.img");
	assert_string_equal(asked.kind, "stick");
	assert_string_equal(asked.path, "/a/b.img");
	assert_false(asked.readonly);
	assert_int_equal(asked.speed, USBDEV_SPEED_UNKNOWN); /* the back end's choice */
	create("stick:speed=full,readonly,file=a\\,b");
	assert_string_equal(asked.path, "a,b");
	assert_true(asked.readonly);
	assert_int_equal(asked.speed, USBDEV_SPEED_FULL);
	create("stick:file=x,speed=high");
	assert_int_equal(asked.speed, USBDEV_SPEED_HIGH);
	create("stick:file=x,speed=super");
	assert_int_equal(asked.speed, USBDEV_SPEED_SUPER);
	create_with("stick:file=x,readonly", 7);
	assert_true(asked.readonly);
}

static void test_keyboard(void **state)
{
	(void)state;
	create("keyboard");
	assert_string_equal(asked.kind, "keyboard");
	assert_false(asked.has_file);
	assert_int_equal(asked.speed, USBDEV_SPEED_UNKNOWN);
	create("keyboard:input=/run/keys,speed=low");
	assert_true(asked.has_file);
	assert_false(asked.anyone);
	assert_string_equal(asked.path, "/run/keys");
	assert_int_equal(asked.speed, USBDEV_SPEED_LOW);
	create("keyboard:input=/run/keys,anyone");
	assert_true(asked.anyone);
	create_with("keyboard:input=/run/keys", 7);
}

static void test_zero(void **state)
{
	(void)state;
	create("zero");
	assert_string_equal(asked.kind, "zero");
	assert_int_equal(asked.speed, USBDEV_SPEED_UNKNOWN);
	assert_int_equal(asked.pattern, ZERO_PATTERN_ZEROS);
	create("zero:pattern=mod63,speed=high");
	assert_int_equal(asked.speed, USBDEV_SPEED_HIGH);
	assert_int_equal(asked.pattern, ZERO_PATTERN_MOD63);
	create("zero:pattern=zeros");
	assert_int_equal(asked.pattern, ZERO_PATTERN_ZEROS);
}

static void test_refused(void **state)
{
	(void)state;
	refuse("stick", EINVAL, "stick:file=IMAGE");
	refuse("stick:readonly", EINVAL, "stick:file=IMAGE");
	refuse("stick:file=", EINVAL, "file needs a value");
	refuse("stick:file=x,speed=fast", EINVAL, "possible are full high super");
	refuse("stick:file=x,speed=low", EINVAL, "possible are full high super");
	refuse("stick:file=x,readonly=yes", EINVAL, "takes no value");
	refuse("stick:file=x,color=red", EINVAL, "unknown setting \"color\"");
	/* as lsusb, QEMU and others write it */
	refuse("1d6b:0002", EINVAL, "usb:vid=1d6b,pid=0002");
	refuse("1d6b:000", EINVAL, "no such kind");
	refuse("1d6b:00022", EINVAL, "no such kind");
	refuse("1d6b:000g", EINVAL, "no such kind");
	refuse("keyboard:speed=super", EINVAL, "possible are low full high");
	refuse("keyboard:file=x", EINVAL, "unknown setting \"file\"");
	refuse("mouse", EINVAL, "no such kind");
	refuse("mouse", EINVAL, "stick keyboard");
	refuse("", EINVAL, "empty");
	refuse("zero:speed=low", EINVAL, "possible are full high super");
	refuse("zero:pattern=ones", EINVAL, "possible are zeros mod63");
}

static struct device_host host;

static void expect_host(const char *text, const char *path, int fd, enum host_reset reset)
{
	memset(&host, 0xff, sizeof(host));
	assert_int_equal(device_check(text, &err), 0);
	assert_int_equal(device_is_host(text, &host, &err), 1);
	assert_string_equal(host.path, path);
	assert_int_equal(host.fd, fd);
	assert_int_equal(host.reset, reset);
}

static void expect_force(const char *text, bool force)
{
	assert_int_equal(device_is_host(text, &host, &err), 1);
	assert_int_equal(host.force, force);
}

static void refuse_host(const char *text, const char *why)
{
	refuse(text, EINVAL, why);
	assert_int_equal(device_is_host(text, &host, &err), -EINVAL);
}

static void test_host(void **state)
{
	(void)state;
	expect_host("/dev/bus/usb/001/002", "/dev/bus/usb/001/002", -1,
		    HOST_RESET_ALWAYS);
	expect_host("/dev/my:stick,reset=never", "/dev/my:stick,reset=never", -1,
		    HOST_RESET_ALWAYS);
	expect_host("host:path=my\\,stick,reset=first", "my,stick", -1, HOST_RESET_FIRST);
	expect_host("host:reset=never,fd=7", "", 7, HOST_RESET_NEVER);
	expect_host("host:fd=2147483647,reset=always", "", 2147483647, HOST_RESET_ALWAYS);
	assert_int_equal(device_is_host("keyboard", &host, &err), 0);
	expect_force("host:path=/dev/x", false);
	expect_force("/dev/x", false);
	expect_force("host:path=/dev/x,force", true);
	expect_force("host:fd=3,reset=first,force", true);
	refuse_host("host:path=/dev/x,force=yes", "force takes no value");
	refuse_host("host", "host:fd=N");
	refuse_host("host:reset=never", "host:fd=N");
	refuse_host("host:fd=3,path=/dev/x", "Either");
	refuse_host("host:path", "path needs a value");
	refuse_host("host:path=", "path needs a value");
	refuse_host("host:fd=", "fd needs a value");
	refuse_host("host:fd=2", "at least 3");
	refuse_host("host:fd=-1", "at least 3");
	refuse_host("host:fd=3x", "at least 3");
	refuse_host("host:fd=2147483648", "at least 3");
	refuse_host("host:fd=99999999999999999999", "at least 3");
	refuse_host("host:fd=3,reset=maybe", "possible are always first never");
	refuse_host("host:fd=3,reset", "reset needs a value");
	refuse_host("host:fd=3,speed=high", "unknown setting \"speed\"");
}

static void test_host_path_length(void **state)
{
	char text[PATH_MAX + 16] = "host:path=";
	size_t from = strlen(text);

	(void)state;
	memset(text + from, 'x', PATH_MAX - 1);
	assert_int_equal(device_is_host(text, &host, &err), 1);
	assert_int_equal(strlen(host.path), PATH_MAX - 1);
	text[from + PATH_MAX - 1] = 'x';
	assert_int_equal(device_is_host(text, &host, &err), -ENAMETOOLONG);
}

static void test_cannot_be_had(void **state)
{
	struct device_file file;
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(device_check("stick:file=absent", &err), 0);
	assert_int_equal(device_file_open("stick:file=absent", -1, &file, &err), -ENOENT);
	assert_string_equal(err.text, "no such image");
	assert_false(device_needs_file("keyboard", path));
	assert_false(device_needs_file("zero", path));
	assert_false(device_needs_file("/dev/bus/usb/001/002", path));
	closed = 0;
	device_file_close(&file);
	assert_int_equal(closed, 2);
}

static void test_speed_names(void **state)
{
	(void)state;
	assert_string_equal(device_speed_name(USBDEV_SPEED_LOW), "low");
	assert_string_equal(device_speed_name(USBDEV_SPEED_SUPER_PLUS), "super-plus");
	assert_string_equal(device_speed_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stick),
		cmocka_unit_test(test_keyboard),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_host_path_length),
		cmocka_unit_test(test_cannot_be_had),
		cmocka_unit_test(test_speed_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
