/* SPDX-License-Identifier: MIT
 * file.h - rules from a file
 *
 * One rule on each line. Empty lines, lines that begin with '#' and blanks around a rule do
 * not count. A rule need not begin with "usb:".
 */
#ifndef RULES_FILE_H
#define RULES_FILE_H

#include "rules/rule.h"

#define RULES_FILE_BYTES_MAX 65536u
#define RULES_FILE_RULES_MAX 256u

struct rule_list {
	struct rule *rules;
	unsigned count;
};

/**
 * rules_file_parse() - parse all rules of a text, or none
 * @name:	for messages
 * @text:	@len bytes; need not end with NUL
 * @ret_list:	rule_list_finish() ends it
 *
 * Return: 0, or -errno with name, line and reason in @err. Two rules with the same id are
 * an error.
 */
MUST_USE int rules_file_parse(const char *name, const char *text, size_t len,
			      struct rule_list *ret_list, struct err *err);
/* The same with the file @path. May wait for a disk; refuses a pipe or device. */
MUST_USE int rules_file_read(const char *path, struct rule_list *ret_list,
			     struct err *err);
void rule_list_finish(struct rule_list *list);

#endif /* RULES_FILE_H */
