/* SPDX-License-Identifier: MIT
 * devices.c - from the text form of a device to the device
 */
#include "daemon/devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/spec.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/stick/stick.h"
#include "usbdev/usbdev.h"

/* What a spec may say, of whichever kind; the strings are the spec's. */
union device_options {
	struct stick_options stick;
	struct keyboard_options keyboard;
};

/* One kind of device. */
struct kind {
	const char *name;
	int (*parse)(const struct spec *spec, union device_options *options,
		     struct err *err);
	struct usbdev *(*create)(struct loop *loop, const union device_options *options,
				 struct err *err);
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
	struct stick_options *stick = &options->stick;

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

static struct usbdev *create_stick(struct loop *loop, const union device_options *options,
				   struct err *err)
{
	return stick_create(loop, &options->stick, err);
}

static int parse_keyboard(const struct spec *spec, union device_options *options,
			  struct err *err)
{
	static const char *const keys[] = {"input", "speed", NULL};
	static const enum usbdev_speed speeds[] = {USBDEV_SPEED_LOW, USBDEV_SPEED_FULL,
						   USBDEV_SPEED_HIGH};
	struct keyboard_options *keyboard = &options->keyboard;

	if (spec_check_keys(spec, keys, err) < 0 ||
	    spec_string(spec, "input", &keyboard->input, err) < 0 ||
	    take_speed(spec, speeds, ARRAY_SIZE(speeds), &keyboard->speed, err) < 0)
		return -EINVAL;
	return 0;
}

static struct usbdev *create_keyboard(struct loop *loop,
				      const union device_options *options,
				      struct err *err)
{
	return keyboard_create(loop, &options->keyboard, err);
}

static const struct kind kinds[] = {
	{"stick", parse_stick, create_stick},
	{"keyboard", parse_keyboard, create_keyboard},
};

/* Kinds that are part of the design but not of this version. */
static bool is_later(const char *name)
{
	return name[0] == '/' || strcmp(name, "usb") == 0 || strcmp(name, "zero") == 0;
}

static int parse(const char *text, struct spec *spec, const struct kind **ret_kind,
		 union device_options *options, struct err *err)
{
	int r = spec_parse(spec, text, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(spec->name, kinds[i].name) == 0) {
			*ret_kind = &kinds[i];
			return kinds[i].parse(spec, options, err);
		}
	}
	if (is_later(spec->name))
		return err_set(
			err, ENOTSUP,
			"%s: such devices are not available in this version; there "
			"are stick and keyboard",
			spec->name);
	return err_set(err, EINVAL,
		       "%s: no such kind of device; there are stick and keyboard",
		       spec->name);
}

int device_check(const char *text, struct err *err)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;

	return parse(text, &spec, &kind, &options, err);
}

int device_create(struct loop *loop, const char *text, struct usbdev **ret_dev,
		  struct err *err)
{
	const struct kind *kind;
	union device_options options;
	struct spec spec;
	int r = parse(text, &spec, &kind, &options, err);

	if (r < 0)
		return r;
	*ret_dev = kind->create(loop, &options, err);
	return *ret_dev ? 0 : -err->code;
}
