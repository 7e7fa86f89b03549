/* SPDX-License-Identifier: MIT
 * devices.c - from the text form of a device to the device
 */
#include "daemon/attach/devices.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sandbox/sandbox.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/stick/stick.h"
#include "usbdev/usbdev.h"
#include "usbdev/zero/zero.h"
#include "util/fds.h"
#include "util/spec.h"

struct stick_spec {
	const char *path;
	bool readonly;
	enum usbdev_speed speed;
};

/* @input: NULL = none */
struct keyboard_spec {
	const char *input;
	bool anyone;
	enum usbdev_speed speed;
};

/* The options of a spec, by kind; the strings are the spec's. */
union device_options {
	struct stick_spec stick;
	struct keyboard_spec keyboard;
	struct zero_options zero;
	struct device_host host;
};

/**
 * struct kind - one kind of device
 * @file:	the file it needs, or NULL; itself NULL for kinds without files
 * @open:	opens it by name, or takes @fd unless that is -1
 * @create:	NULL for real devices
 */
struct kind {
	const char *name;
	int (*parse)(const struct spec *spec, union device_options *options,
		     struct err *err);
	const char *(*file)(const union device_options *options);
	int (*open)(const union device_options *options, int fd, struct device_file *file,
		    struct err *err);
	struct usbdev *(*create)(struct loop *loop, const union device_options *options,
				 struct device_file *file, struct err *err);
};

const char *device_speed_name(unsigned speed)
{
	switch (speed) {
	case USBDEV_SPEED_FULL:
		return "full";
	case USBDEV_SPEED_LOW:
		return "low";
	case USBDEV_SPEED_HIGH:
		return "high";
	case USBDEV_SPEED_SUPER:
		return "super";
	case USBDEV_SPEED_SUPER_PLUS:
		return "super-plus";
	case USBDEV_SPEED_SUPER_PLUS_X2:
		return "super-plus-x2";
	default:
		return "unknown";
	}
}

/* Key "speed", one of the @count @possible: without it the back end chooses. */
static int take_speed(const struct spec *spec, const enum usbdev_speed *possible,
		      unsigned count, enum usbdev_speed *ret_speed, struct err *err)
{
	char names[64] = "";
	const char *name;
	int r = spec_string(spec, "speed", &name, err);

	*ret_speed = USBDEV_SPEED_UNKNOWN;
	if (r < 0 || !name)
		return r;
	for (unsigned i = 0; i < count; i++) {
		size_t used = strlen(names);

		if (strcmp(name, device_speed_name(possible[i])) == 0) {
			*ret_speed = possible[i];
			return 0;
		}
		(void)snprintf(names + used, sizeof(names) - used, " %s",
			       device_speed_name(possible[i]));
	}
	return err_set(err, EINVAL, "%s: speed=%s: possible are%s", spec->name, name,
		       names);
}

static int parse_stick(const struct spec *spec, union device_options *options,
		       struct err *err)
{
	static const char *const keys[] = {"file", "readonly", "speed", NULL};
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_FULL, USBDEV_SPEED_HIGH,
						   USBDEV_SPEED_SUPER};
	struct stick_spec *stick = &options->stick;

	if (spec_check_keys(spec, keys, err) < 0 ||
	    spec_string(spec, "file", &stick->path, err) < 0 ||
	    spec_flag(spec, "readonly", &stick->readonly, err) < 0 ||
	    take_speed(spec, speeds, ARRAY_SIZE(speeds), &stick->speed, err) < 0)
		return -EINVAL;
	if (!stick->path)
		return err_set(err, EINVAL,
			       "stick: the image is missing: stick:file=IMAGE");
	return 0;
}

static const char *stick_file(const union device_options *options)
{
	return options->stick.path;
}

static int open_stick(const union device_options *options, int fd,
		      struct device_file *file, struct err *err)
{
	const struct stick_spec *stick = &options->stick;

	if (fd < 0)
		return image_open(&file->image, stick->path, stick->readonly, err);
	return image_adopt(&file->image, fd, stick->path, stick->readonly, err);
}

static struct usbdev *create_stick(struct loop *loop, const union device_options *options,
				   struct device_file *file, struct err *err)
{
	const struct stick_options stick = {
		.image = &file->image,
		.speed = options->stick.speed,
	};

	return stick_create(loop, &stick, err);
}

static int parse_keyboard(const struct spec *spec, union device_options *options,
			  struct err *err)
{
	static const char *const keys[] = {"input", "anyone", "speed", NULL};
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_LOW, USBDEV_SPEED_FULL,
						   USBDEV_SPEED_HIGH};
	struct keyboard_spec *keyboard = &options->keyboard;

	if (spec_check_keys(spec, keys, err) < 0 ||
	    spec_string(spec, "input", &keyboard->input, err) < 0 ||
	    spec_flag(spec, "anyone", &keyboard->anyone, err) < 0 ||
	    take_speed(spec, speeds, ARRAY_SIZE(speeds), &keyboard->speed, err) < 0)
		return -EINVAL;
	return 0;
}

static const char *keyboard_file(const union device_options *options)
{
	return options->keyboard.input;
}

static int open_keyboard(const union device_options *options, int fd,
			 struct device_file *file, struct err *err)
{
	const struct keyboard_spec *keyboard = &options->keyboard;

	if (fd < 0)
		return keyboard_input_open(&file->input, keyboard->input,
					   keyboard->anyone, err);
	return keyboard_input_adopt(&file->input, fd, keyboard->input, err);
}

static struct usbdev *create_keyboard(struct loop *loop,
				      const union device_options *options,
				      struct device_file *file, struct err *err)
{
	const struct keyboard_options keyboard = {
		.speed = options->keyboard.speed,
		.input = options->keyboard.input ? &file->input : NULL,
	};

	return keyboard_create(loop, &keyboard, err);
}

static int parse_zero(const struct spec *spec, union device_options *options,
		      struct err *err)
{
	static const char *const keys[] = {"pattern", "speed", NULL};
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_FULL, USBDEV_SPEED_HIGH,
						   USBDEV_SPEED_SUPER};
	struct zero_options *zero = &options->zero;
	const char *pattern;

	if (spec_check_keys(spec, keys, err) < 0 ||
	    spec_string(spec, "pattern", &pattern, err) < 0 ||
	    take_speed(spec, speeds, ARRAY_SIZE(speeds), &zero->speed, err) < 0)
		return -EINVAL;
	zero->pattern = ZERO_PATTERN_ZEROS;
	if (!pattern || strcmp(pattern, "zeros") == 0)
		return 0;
	if (strcmp(pattern, "mod63") != 0)
		return err_set(err, EINVAL, "zero: pattern=%s: possible are zeros mod63",
			       pattern);
	zero->pattern = ZERO_PATTERN_MOD63;
	return 0;
}

static struct usbdev *create_zero(struct loop *loop, const union device_options *options,
				  struct device_file *file, struct err *err)
{
	(void)file;
	return zero_create(loop, &options->zero, err);
}

int device_reset_find(const char *name, enum host_reset *ret_reset)
{
	static const char *const names[] = {
		[HOST_RESET_ALWAYS] = "always",
		[HOST_RESET_FIRST] = "first",
		[HOST_RESET_NEVER] = "never",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_reset = (enum host_reset)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_reset(const struct spec *spec, enum host_reset *ret_reset,
		      struct err *err)
{
	const char *name;
	int r = spec_string(spec, "reset", &name, err);

	*ret_reset = HOST_RESET_ALWAYS;
	if (r < 0 || !name || device_reset_find(name, ret_reset) == 0)
		return r;
	return err_set(err, EINVAL, "%s: reset=%s: possible are always first never",
		       spec->name, name);
}

static int take_fd(const struct spec *spec, int *ret_fd, struct err *err)
{
	const char *text;
	char *end;
	long fd;
	int r = spec_string(spec, "fd", &text, err);

	*ret_fd = -1;
	if (r < 0 || !text)
		return r;
	errno = 0;
	fd = strtol(text, &end, 10);
	/* 0 to 2 are stdin, stdout and stderr */
	if (errno || end == text || *end != '\0' || fd < 3 || fd > INT_MAX)
		return err_set(err, EINVAL, "%s: fd=%s: a number of at least 3 is needed",
			       spec->name, text);
	*ret_fd = (int)fd;
	return 0;
}

static int parse_host(const struct spec *spec, union device_options *options,
		      struct err *err)
{
	static const char *const keys[] = {"path", "fd", "reset", "force", NULL};
	struct device_host *host = &options->host;
	const char *path;

	if (spec_check_keys(spec, keys, err) < 0 ||
	    spec_string(spec, "path", &path, err) < 0 ||
	    take_fd(spec, &host->fd, err) < 0 ||
	    take_reset(spec, &host->reset, err) < 0 ||
	    spec_flag(spec, "force", &host->force, err) < 0)
		return -EINVAL;
	if (!path == (host->fd < 0))
		return err_set(
			err, EINVAL,
			"host: which device? Either host:path=/dev/bus/usb/BBB/DDD "
			"or host:fd=N");
	if (path && strlen(path) >= sizeof(host->path))
		return err_set(err, ENAMETOOLONG, "host: path of more than %zu bytes",
			       sizeof(host->path) - 1);
	(void)snprintf(host->path, sizeof(host->path), "%s", path ? path : "");
	return 0;
}

static const struct kind kinds[] = {
	{"stick", parse_stick, stick_file, open_stick, create_stick},
	{"keyboard", parse_keyboard, keyboard_file, open_keyboard, create_keyboard},
	{"zero", parse_zero, NULL, NULL, create_zero},
	{"host", parse_host, NULL, NULL, NULL},
};

/* VVVV:PPPP, as lsusb, QEMU and others write it. */
static bool is_vid_pid(const char *text)
{
	for (unsigned i = 0; i < 9; i++) {
		if (i == 4 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[9] == '\0';
}

static int parse(const char *text, struct spec *spec, const struct kind **ret_kind,
		 union device_options *options, struct err *err)
{
	char names[128] = "";
	int r;

	if (is_vid_pid(text))
		return err_set(err, EINVAL,
			       "%s: to name a device by its numbers, use a rule: "
			       "usb:vid=%.4s,pid=%s",
			       text, text, text + 5);
	r = spec_parse(spec, text, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(names);

		if (strcmp(spec->name, kinds[i].name) == 0) {
			*ret_kind = &kinds[i];
			return kinds[i].parse(spec, options, err);
		}
		(void)snprintf(names + len, sizeof(names) - len, " %s", kinds[i].name);
	}
	return err_set(err, EINVAL, "%s: no such kind of device; there are%s", spec->name,
		       names);
}

int device_check(const char *text, struct err *err)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;

	return parse(text, &spec, &kind, &options, err);
}

int device_is_host(const char *text, struct device_host *ret_host, struct err *err)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	int r = parse(text, &spec, &kind, &options, err);

	if (r < 0)
		return r;
	if (kind->create)
		return 0;
	*ret_host = options.host;
	return 1;
}

bool device_needs_file(const char *text, char ret_path[PATH_MAX])
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	struct err err;
	const char *path = NULL;

	if (parse(text, &spec, &kind, &options, &err) == 0 && kind->file)
		path = kind->file(&options);
	if (path)
		(void)snprintf(ret_path, PATH_MAX, "%s",
			       strlen(path) < PATH_MAX ? path : "");
	return path != NULL;
}

int device_file_open(const char *text, int fd, struct device_file *ret_file,
		     struct err *err)
{
	_cleanup_close_ int taken = fd;
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	int r = parse(text, &spec, &kind, &options, err);

	device_file_init(ret_file);
	if (r < 0)
		return r;
	assert(kind->file && kind->file(&options));
	return kind->open(&options, steal_fd(&taken), ret_file, err);
}

void device_file_close(struct device_file *file)
{
	image_close(&file->image);
	keyboard_input_close(&file->input);
}

int device_allow(const char *text)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	int r = parse(text, &spec, &kind, &options, NULL);

	if (r < 0)
		return r;
	if (kind->parse == parse_host)
		return options.host.fd >= 0 ? 0
					    : sandbox_allow(options.host.path,
							    SANDBOX_READ | SANDBOX_WRITE);
	if (kind->parse == parse_stick)
		return sandbox_allow(options.stick.path,
				     options.stick.readonly
					     ? SANDBOX_READ
					     : SANDBOX_READ | SANDBOX_WRITE);
	if (kind->parse != parse_keyboard || !options.keyboard.input)
		return 0;
	r = sandbox_make(options.keyboard.input, keyboard_input_make,
			 keyboard_input_made);
	if (r == 0)
		r = sandbox_allow(options.keyboard.input, SANDBOX_READ | SANDBOX_WRITE);
	return r < 0 ? r
		     : sandbox_allow_folder_of(options.keyboard.input, SANDBOX_REMOVE);
}

int device_create(struct loop *loop, const char *text, struct device_file *file,
		  struct usbdev **ret_dev, struct err *err)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	int r = parse(text, &spec, &kind, &options, err);

	if (r < 0)
		return r;
	assert(kind->create);
	*ret_dev = kind->create(loop, &options, file, err);
	return *ret_dev ? 0 : -err->code;
}
