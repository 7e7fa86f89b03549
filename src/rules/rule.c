/* SPDX-License-Identifier: MIT
 * rule.c - which devices to attach
 */
#include "rules/rule.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/glob.h"
#include "rules/hostdev.h"
#include "util/spec.h"

static const char *const keys[] = {
	"vid", "pid", "serial",     "product", "manufacturer", "port", "class", "any",
	"nth", "all", "deny-class", "reset",   "force",        "id",   NULL};
static const char *const reset_names[] = {
	[RULE_RESET_ALWAYS] = "always",
	[RULE_RESET_FIRST] = "first",
	[RULE_RESET_NEVER] = "never",
};

#define HEX_DIGITS "0123456789abcdefABCDEF"

/* --- classes --- */

static const struct {
	unsigned code;
	const char *name;
} classes[] = {
	{0x01, "audio"},       {0x02, "comm"},     {0x03, "hid"},
	{0x05, "physical"},    {0x06, "image"},    {0x07, "printer"},
	{0x08, "storage"},     {0x09, "hub"},      {0x0a, "data"},
	{0x0b, "smartcard"},   {0x0d, "security"}, {0x0e, "video"},
	{0x0f, "health"},      {0x10, "av"},       {0x11, "billboard"},
	{0xdc, "diagnostic"},  {0xe0, "wireless"}, {0xef, "misc"},
	{0xfe, "application"}, {0xff, "vendor"},
};

const char *rule_class_name(unsigned class_code)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].code == class_code)
			return classes[i].name;
	}
	return NULL;
}

/* One or two hex digits, with or without "0x". */
static int parse_class_number(const char *text, unsigned *ret_code)
{
	const char *digits = text[0] == '0' && text[1] == 'x' ? text + 2 : text;
	size_t len = strlen(digits);

	if (len == 0 || len > 2 || strspn(digits, HEX_DIGITS) != len)
		return -EINVAL;
	*ret_code = (unsigned)strtoul(digits, NULL, 16);
	return 0;
}

static int parse_class(const char *text, unsigned *ret_code)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strcmp(classes[i].name, text) == 0) {
			*ret_code = classes[i].code;
			return 0;
		}
	}
	return parse_class_number(text, ret_code);
}

static int take_classes(const struct spec *spec, const char *key, uint32_t bits[8],
			struct err *err)
{
	const char *at;
	int r = spec_string(spec, key, &at, err);

	while (r == 0 && at) {
		const char *end = strchrnul(at, '|');
		char word[16];
		unsigned code;

		(void)snprintf(word, sizeof(word), "%.*s", (int)MIN_OF(end - at, 100),
			       at);
		if (end - at >= (ptrdiff_t)sizeof(word) || parse_class(word, &code) < 0)
			return err_set(err, EINVAL,
				       "usb: %s=%s: no class; write a hex number such as "
				       "08, or audio comm hid image printer storage hub "
				       "smartcard video wireless vendor",
				       key, word);
		bits[code / 32] |= 1u << (code % 32);
		at = *end == '|' ? end + 1 : NULL;
	}
	return r;
}

/* --- parsing --- */

static int too_long(struct err *err, const char *key)
{
	return err_set(err, E2BIG, "usb: %s has more than %u bytes", key,
		       RULE_VALUE_BYTES - 1);
}

static int take_text(const struct spec *spec, const char *key,
		     char ret_value[RULE_VALUE_BYTES], struct err *err)
{
	const char *at;
	const char *value;
	int r = spec_string(spec, key, &value, err);

	if (r < 0 || !value)
		return r;
	if (strlen(value) >= RULE_VALUE_BYTES)
		return too_long(err, key);
	for (at = value;; at++) {
		const char *end = glob_end(at);

		if (end == at)
			return err_set(err, EINVAL,
				       "usb: %s=%s: one of its values is empty; "
				       "write a bar as \\\\|",
				       key, value);
		at = end;
		if (*end == '\0')
			break;
	}
	memcpy(ret_value, value, strlen(value) + 1);
	return 0;
}

static int bad_id(struct err *err, const char *key, const char *value)
{
	return err_set(err, EINVAL,
		       "usb: %s=%s: an id is hex digits, as lsusb shows them: %s=046d, "
		       "or a pattern: %s=04*",
		       key, value, key, key);
}

/* One of the values of an id: "0x46D" becomes "046d"; patterns stay, in small letters. */
static int take_one_id(const char *at, size_t len, char *to)
{
	bool pattern = false;

	if (len > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
		at += 2;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++)
		pattern = pattern || strchr("*?[", at[i]);
	for (size_t i = 0; i < len; i++) {
		if (!strchr(pattern ? HEX_DIGITS "*?[]!-" : HEX_DIGITS, at[i]))
			return -EINVAL;
	}
	if (!pattern && (len == 0 || len > 4))
		return -EINVAL;
	if (!pattern)
		for (size_t i = len; i < 4; i++)
			*to++ = '0';
	for (size_t i = 0; i < len; i++)
		*to++ = (char)(at[i] >= 'A' && at[i] <= 'F' ? at[i] + 'a' - 'A' : at[i]);
	*to = '\0';
	return 0;
}

static int take_id(const struct spec *spec, const char *key,
		   char ret_value[RULE_VALUE_BYTES], struct err *err)
{
	char value[RULE_VALUE_BYTES] = "";
	const char *at = value;
	char *to = ret_value;
	int r = take_text(spec, key, value, err);

	if (r < 0 || value[0] == '\0')
		return r;
	for (;;) {
		const char *end = glob_end(at);

		/* "0x1" grows, and a bar follows */
		if (to + (end - at) + 6 >= ret_value + RULE_VALUE_BYTES)
			return too_long(err, key);
		if (take_one_id(at, (size_t)(end - at), to) < 0)
			return bad_id(err, key, value);
		to += strlen(to);
		if (*end == '\0')
			return 0;
		*to++ = '|';
		at = end + 1;
	}
}

static int take_nth(const struct spec *spec, unsigned *ret_nth, struct err *err)
{
	const char *text;
	unsigned long nth;
	int r = spec_string(spec, "nth", &text, err);

	if (r < 0 || !text)
		return r;
	nth = strtoul(text, NULL, 10);
	if (strspn(text, "0123456789") != strlen(text) || nth < 1 || nth > RULE_NTH_MAX)
		return err_set(err, EINVAL,
			       "usb: nth=%s: a number from 1 to %u is needed", text,
			       RULE_NTH_MAX);
	*ret_nth = (unsigned)nth;
	return 0;
}

static int take_reset(const struct spec *spec, enum rule_reset *ret_reset,
		      struct err *err)
{
	const char *name;
	int r = spec_string(spec, "reset", &name, err);

	if (r < 0 || !name)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(reset_names); i++) {
		if (strcmp(name, reset_names[i]) == 0) {
			*ret_reset = (enum rule_reset)i;
			return 0;
		}
	}
	return err_set(err, EINVAL, "usb: reset=%s: possible are always first never",
		       name);
}

static int take_name(const struct spec *spec, char ret_id[RULE_ID_BYTES], struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *name;
	int r = spec_string(spec, "id", &name, err);

	if (r < 0 || !name)
		return r;
	if (strlen(name) >= RULE_ID_BYTES || strspn(name, letters) != strlen(name))
		return err_set(err, EINVAL,
			       "usb: id=%s: a name is up to %u letters, digits and "
			       "\"-_.\"",
			       name, RULE_ID_BYTES - 1);
	memcpy(ret_id, name, strlen(name) + 1);
	return 0;
}

static int take_all(struct rule *rule, const struct spec *spec, struct err *err)
{
	if (take_id(spec, "vid", rule->vid, err) < 0 ||
	    take_id(spec, "pid", rule->pid, err) < 0 ||
	    take_text(spec, "serial", rule->serial, err) < 0 ||
	    take_text(spec, "product", rule->product, err) < 0 ||
	    take_text(spec, "manufacturer", rule->manufacturer, err) < 0 ||
	    take_text(spec, "port", rule->port, err) < 0 ||
	    take_classes(spec, "class", rule->class_bits, err) < 0 ||
	    take_classes(spec, "deny-class", rule->deny_bits, err) < 0 ||
	    take_nth(spec, &rule->nth, err) < 0 ||
	    take_reset(spec, &rule->reset, err) < 0 ||
	    take_name(spec, rule->id, err) < 0 ||
	    spec_flag(spec, "any", &rule->any, err) < 0 ||
	    spec_flag(spec, "all", &rule->all, err) < 0 ||
	    spec_flag(spec, "force", &rule->force, err) < 0)
		return -EINVAL;
	return 0;
}

static bool asks_class(const struct rule *rule)
{
	static const uint32_t none[8];

	return memcmp(rule->class_bits, none, sizeof(none)) != 0;
}

static bool asks_something(const struct rule *rule)
{
	return rule->vid[0] || rule->pid[0] || rule->serial[0] || rule->product[0] ||
	       rule->manufacturer[0] || rule->port[0] || asks_class(rule);
}

static int check(const struct rule *rule, struct err *err)
{
	if (!rule->any && !asks_something(rule))
		return err_set(err, EINVAL,
			       "usb: which devices? At least one of vid pid serial "
			       "product manufacturer port class is needed, such as "
			       "usb:vid=046d; all devices are usb:any");
	if (rule->any && asks_something(rule))
		return err_set(err, EINVAL,
			       "usb: \"any\" means all devices: leave it out, or "
			       "the other conditions");
	if (rule->all && rule->nth != 0)
		return err_set(
			err, EINVAL,
			"usb: nth picks one device, and \"all\" all of them: leave "
			"one out");
	return 0;
}

bool rule_is_rule(const char *text)
{
	return strncmp(text, "usb:", 4) == 0 || strcmp(text, "usb") == 0;
}

int rule_parse(struct rule *ret_rule, const char *text, struct err *err)
{
	struct spec spec;
	struct err why = {0};
	struct rule rule = {0};

	if (!rule_is_rule(text))
		return err_set(err, EINVAL,
			       "a rule begins with \"usb:\", such as "
			       "usb:vid=1050,pid=0407");
	if (spec_parse(&spec, text, &why) < 0 || spec_check_keys(&spec, keys, &why) < 0 ||
	    take_all(&rule, &spec, &why) < 0 || check(&rule, &why) < 0) {
		if (err)
			*err = why;
		return -why.code;
	}
	*ret_rule = rule;
	return 0;
}

/* --- the canonical text --- */

/* "KEY=VALUE," with a backslash before each character that is special to spec.h. */
static void put(char **at, const char *key, const char *value)
{
	*at += sprintf(*at, "%s", key);
	if (value)
		*(*at)++ = '=';
	for (; value && *value; value++) {
		if (*value == ',' || *value == '\\')
			*(*at)++ = '\\';
		*(*at)++ = *value;
	}
	*(*at)++ = ',';
}

static void put_if(char **at, const char *key, const char *value)
{
	if (value[0] != '\0')
		put(at, key, value);
}

static void put_classes(char **at, const char *key, const uint32_t bits[8])
{
	char text[256 * 12] = "";
	char *to = text;

	for (unsigned i = 0; i < 256; i++) {
		const char *name = rule_class_name(i);

		if (!(bits[i / 32] & 1u << (i % 32)))
			continue;
		if (to > text)
			*to++ = '|';
		to += name ? sprintf(to, "%s", name) : sprintf(to, "%02x", i);
	}
	put_if(at, key, text);
}

void rule_text(const struct rule *rule, char ret_text[RULE_TEXT_BYTES])
{
	char *at = ret_text + sprintf(ret_text, "usb:");
	char number[16];

	put_if(&at, "vid", rule->vid);
	put_if(&at, "pid", rule->pid);
	put_if(&at, "serial", rule->serial);
	put_if(&at, "product", rule->product);
	put_if(&at, "manufacturer", rule->manufacturer);
	put_if(&at, "port", rule->port);
	put_classes(&at, "class", rule->class_bits);
	if (rule->any)
		put(&at, "any", NULL);
	if (rule->nth != 0) {
		(void)snprintf(number, sizeof(number), "%u", rule->nth);
		put(&at, "nth", number);
	}
	if (rule->all)
		put(&at, "all", NULL);
	put_classes(&at, "deny-class", rule->deny_bits);
	if (rule->reset != RULE_RESET_ALWAYS)
		put(&at, "reset", reset_names[rule->reset]);
	if (rule->force)
		put(&at, "force", NULL);
	put_if(&at, "id", rule->id);
	/* drop the last comma; there is one, because a rule has at least one key */
	at[at[-1] == ',' ? -1 : 0] = '\0';
}

bool rule_is_same(const struct rule *a, const struct rule *b)
{
	return strcmp(a->vid, b->vid) == 0 && strcmp(a->pid, b->pid) == 0 &&
	       strcmp(a->serial, b->serial) == 0 && strcmp(a->product, b->product) == 0 &&
	       strcmp(a->manufacturer, b->manufacturer) == 0 &&
	       strcmp(a->port, b->port) == 0 &&
	       memcmp(a->class_bits, b->class_bits, sizeof(a->class_bits)) == 0 &&
	       memcmp(a->deny_bits, b->deny_bits, sizeof(a->deny_bits)) == 0 &&
	       a->nth == b->nth && a->reset == b->reset && a->any == b->any &&
	       a->all == b->all && a->force == b->force;
}

/* --- matching --- */

static bool text_matches(const char *patterns, const char *text)
{
	return patterns[0] == '\0' || glob_matches(patterns, text);
}

static bool id_matches(const char *patterns, unsigned id)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%04x", id & 0xffff);
	return text_matches(patterns, text);
}

static bool port_matches(const char *patterns, const struct hostdev *dev)
{
	return text_matches(patterns, dev->name) ||
	       (dev->twin[0] != '\0' && glob_matches(patterns, dev->twin));
}

static bool class_matches(const uint32_t bits[8], const struct hostdev *dev)
{
	for (unsigned i = 0; i < 8; i++) {
		if (bits[i] & dev->classes[i])
			return true;
	}
	return false;
}

bool rule_matches(const struct rule *rule, const struct hostdev *dev)
{
	return id_matches(rule->vid, dev->vendor) &&
	       id_matches(rule->pid, dev->product_id) &&
	       text_matches(rule->serial, dev->serial) &&
	       text_matches(rule->product, dev->product) &&
	       text_matches(rule->manufacturer, dev->manufacturer) &&
	       port_matches(rule->port, dev) &&
	       (!asks_class(rule) || class_matches(rule->class_bits, dev));
}

int rule_check_denied(const struct rule *rule, const struct hostdev *dev, struct err *err)
{
	for (unsigned i = 0; i < 256; i++) {
		const char *name = rule_class_name(i);

		if (rule->deny_bits[i / 32] & dev->classes[i / 32] & 1u << (i % 32))
			return err_set(err, EPERM,
				       "it has an interface of class %02x (%s), which "
				       "deny-class of the rule forbids",
				       i, name ? name : "no name");
	}
	return 0;
}
