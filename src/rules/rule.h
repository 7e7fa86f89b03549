/* SPDX-License-Identifier: MIT
 * rule.h - which devices to attach: usb:vid=1050,pid=0407|0406,serial=AB*,...
 *
 * The text form is that of util/spec.h. A value may be a list with '|' between its
 * members; ids, ports and texts may be patterns (rules/glob.h). spec.h takes one level of
 * backslashes: "\," is a comma, "\\*" an asterisk, "\\|" a bar.
 *
 *	vid, pid	four hex digits
 *	serial, product, manufacturer
 *	port		the socket, by the name of either half, as in 1-2.3
 *	class		of the device or of one of its interfaces: a name or hex number
 *	any		all devices
 *	nth=N		the Nth, by socket, of the devices present that match the rest
 *	all		hold all that match, not one
 *	deny-class	never attach a device that has such an interface
 *	reset		always, first, never: see the host back end
 *	force		even if rules/guard.h warns
 *	id		the rule's name
 */
#ifndef RULES_RULE_H
#define RULES_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct hostdev;

#define RULE_ID_BYTES    32u
#define RULE_VALUE_BYTES 256u
/* Of the canonical text. */
#define RULE_TEXT_BYTES 8192u
#define RULE_NTH_MAX    1024u

enum rule_reset {
	RULE_RESET_ALWAYS,
	RULE_RESET_FIRST,
	RULE_RESET_NEVER,
};

/**
 * struct rule - plain data
 * @id:		letters, digits, '-', '_', '.'; "" if not given
 * @vid...@port: patterns with '|' between them; "": any
 * @class_bits, @deny_bits: bit set: this class
 * @nth:	from 1; 0: any
 */
struct rule {
	char id[RULE_ID_BYTES];
	char vid[RULE_VALUE_BYTES];
	char pid[RULE_VALUE_BYTES];
	char serial[RULE_VALUE_BYTES];
	char product[RULE_VALUE_BYTES];
	char manufacturer[RULE_VALUE_BYTES];
	char port[RULE_VALUE_BYTES];
	uint32_t class_bits[8];
	uint32_t deny_bits[8];
	unsigned nth;
	enum rule_reset reset;
	bool any;
	bool all;
	bool force;
};

/* Whether @text claims to be a rule: it begins with "usb:" or is "usb". */
bool rule_is_rule(const char *text);

/* Return: 0, or -EINVAL or -E2BIG with the reason and what to write in @err. */
MUST_USE int rule_parse(struct rule *ret_rule, const char *text, struct err *err);

/* The canonical text, the same for all texts with the same meaning but for the order of
 * values: keys in the order of the list above, id last. Never cut. */
void rule_text(const struct rule *rule, char ret_text[RULE_TEXT_BYTES]);
/* True if they mean the same; ids do not count. */
bool rule_is_same(const struct rule *a, const struct rule *b);

/* Whether @dev matches; nth and deny-class do not count. */
bool rule_matches(const struct rule *rule, const struct hostdev *dev);
/* -EPERM with the reason in @err if deny-class forbids @dev, else 0. */
MUST_USE int rule_check_denied(const struct rule *rule, const struct hostdev *dev,
			       struct err *err);

/* "storage" for 08; NULL if the class has no name here. */
const char *rule_class_name(unsigned class_code);

#endif /* RULES_RULE_H */
