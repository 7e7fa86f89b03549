/* SPDX-License-Identifier: MIT
 * fuzz_rules.c - rules, specs, patterns, messages of the kernel and files in sysfs
 *
 * The first byte chooses the meaning of the rest: a rules file, a rule, a spec, a pattern and a
 * text, a message of the kernel, or the files of a device in sysfs.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/file.h"
#include "rules/glob.h"
#include "rules/hostdev.h"
#include "rules/rule.h"
#include "rules/uevent.h"
#include "util/compiler.h"
#include "util/spec.h"

#define TEXT_MAX 4096u
#define PLACE    "/devices/pci/usb1/1-1"

static char root[] = "/tmp/usbvfiod-fuzz.XXXXXX";
static int folder = -1;

/* The next bytes of the input as a text, without zero bytes. Returns owned. */
static char *take_text(struct input *in, size_t most)
{
	const uint8_t *bytes;
	size_t len = take_bytes(in, most, &bytes), used = 0;
	char *text = malloc(len + 1);

	CHECK(text);
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			text[used++] = (char)bytes[i];
	text[used] = '\0';
	return text;
}

/* Demands that the text of a rule parses to the same rule. */
static void check_rule(const struct rule *rule)
{
	static char text[RULE_TEXT_BYTES], again[RULE_TEXT_BYTES];
	static struct rule same;
	struct err err = {0};

	rule_text(rule, text);
	CHECK(rule_is_rule(text));
	CHECK(rule_parse(&same, text, &err) == 0);
	CHECK(rule_is_same(rule, &same));
	rule_text(&same, again);
	CHECK(strcmp(text, again) == 0);
}

static void match(const struct rule *rule)
{
	static const struct hostdev dev = {
		.name = "1-2.3",
		.socket = "1-2.3",
		.vendor = 0x1050,
		.product_id = 0x407,
		.serial = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		.product = "YubiKey *|?[a]",
		.interface_count = 1,
		.classes = {1 << 8},
	};
	struct err err = {0};

	(void)rule_matches(rule, &dev);
	if (rule_check_denied(rule, &dev, &err) < 0)
		CHECK(err.text[0]);
}

static void try_rule(struct input *in)
{
	static struct rule rule;
	struct err err = {0};
	char *text = take_text(in, TEXT_MAX);

	if (rule_parse(&rule, text, &err) == 0) {
		check_rule(&rule);
		match(&rule);
	} else {
		CHECK(err.text[0]);
	}
	free(text);
}

static void try_file(struct input *in)
{
	struct rule_list list = {0};
	struct err err = {0};
	char *text = malloc(in->left + 1);

	CHECK(text);
	memcpy(text, in->at, in->left);
	text = realloc(text, in->left > 0 ? in->left : 1);
	if (rules_file_parse("rules", text, in->left, &list, &err) == 0) {
		CHECK(list.count <= RULES_FILE_RULES_MAX);
		for (unsigned i = 0; i < list.count; i++)
			check_rule(&list.rules[i]);
		rule_list_finish(&list);
	} else {
		CHECK(err.text[0]);
	}
	free(text);
}

static void try_spec(struct input *in)
{
	static struct spec spec;
	struct err err = {0};
	char *text = take_text(in, TEXT_MAX);
	const char *value = NULL;

	if (spec_parse(&spec, text, &err) == 0) {
		CHECK(spec.pair_count <= SPEC_KEYS_MAX);
		for (unsigned i = 0; i < spec.pair_count; i++)
			CHECK(spec.pairs[i].key);
		if (spec_string(&spec, "file", &value, &err) < 0)
			CHECK(err.text[0]);
	} else {
		CHECK(err.text[0]);
	}
	free(text);
}

/* A pattern without '*', '?', '[', '\' and '|' matches only itself. */
static void try_glob(struct input *in)
{
	char *pattern = take_text(in, in->left / 2);
	char *text = take_text(in, in->left);
	bool matches = glob_matches(pattern, text);

	if (!pattern[strcspn(pattern, "*?[\\|")])
		CHECK(matches == (strcmp(pattern, text) == 0));
	if (strcmp(pattern, "*") == 0)
		CHECK(matches);
	CHECK(glob_end(pattern) <= pattern + strlen(pattern));
	free(pattern);
	free(text);
}

static void try_uevent(struct input *in)
{
	struct uevent event;
	char *message = malloc(in->left + 1);
	int r;

	CHECK(message);
	memcpy(message, in->at, in->left);
	message = realloc(message, in->left > 0 ? in->left : 1);
	r = uevent_parse(message, in->left, &event);
	CHECK(r == 0 || r == -ENOMSG || r == -EBADMSG);
	if (r == 0) {
		CHECK(memchr(event.place, '\0', sizeof(event.place)));
		CHECK(event.place[0] == '/' && !strstr(event.place, "/../"));
	}
	free(message);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static void try_sysfs(struct input *in)
{
	static const char *const names[] = {"busnum",       "devnum",    "idVendor",
					    "idProduct",    "bcdDevice", "bDeviceClass",
					    "speed",        "serial",    "product",
					    "manufacturer", "removable", "descriptors"};
	static const char *const good[] = {"1\n", "2\n", "1050\n", "0407\n"};
	static struct hostdev dev;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = openat(folder, names[i],
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		uint8_t len = take_u8(in);
		const uint8_t *bytes;
		size_t n;

		CHECK(fd >= 0);
		n = take_bytes(in, i == 11 ? in->left : len, &bytes);
		/* without bytes from the input, use sensible contents */
		if (i < ARRAY_SIZE(good) && len == 0)
			CHECK(write(fd, good[i], strlen(good[i])) > 0);
		else
			CHECK(write(fd, bytes, n) == (ssize_t)n);
		(void)close(fd);
	}
	if (hostdev_read(root, PLACE, &dev) < 0)
		return;
	CHECK(dev.bus > 0 && dev.number > 0);
	CHECK(dev.interface_count <= HOSTDEV_INTERFACES_MAX);
	CHECK(is_printable(dev.serial) && is_printable(dev.product) &&
	      is_printable(dev.manufacturer));
}

static void clean_up(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "rm -rf '%s'", root);
	(void)!system(path);
}

void fuzz_set_up(void)
{
	static const char *const folders[] = {"/devices", "/devices/pci",
					      "/devices/pci/usb1", PLACE};
	char path[256];

	CHECK(mkdtemp(root));
	(void)atexit(clean_up);
	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		CHECK(mkdir(path, 0700) == 0);
	}
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(folder >= 0);
}

void fuzz_one(struct input *in)
{
	switch (take_u8(in) % 6) {
	case 0:
		try_file(in);
		break;
	case 1:
		try_rule(in);
		break;
	case 2:
		try_spec(in);
		break;
	case 3:
		try_glob(in);
		break;
	case 4:
		try_uevent(in);
		break;
	default:
		try_sysfs(in);
	}
}
