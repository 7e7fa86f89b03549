/* SPDX-License-Identifier: MIT
 * file.c - rules from a file
 */
#include "rules/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* With "usb:" before it. */
#define LINE_BYTES_MAX RULE_TEXT_BYTES

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static int check_id(const struct rule_list *list, const struct rule *rule,
		    struct err *err)
{
	for (unsigned i = 0; rule->id[0] != '\0' && i < list->count; i++) {
		if (strcmp(list->rules[i].id, rule->id) == 0)
			return err_set(err, EEXIST,
				       "usb: id=%s is the name of another rule already",
				       rule->id);
	}
	return 0;
}

static int add(struct rule_list *list, const struct rule *rule, struct err *err)
{
	struct rule *rules;
	int r = check_id(list, rule, err);

	if (r < 0)
		return r;
	if (list->count == RULES_FILE_RULES_MAX)
		return err_set(err, E2BIG, "more than %u rules", RULES_FILE_RULES_MAX);
	/* the array is full at each power of two */
	if ((list->count & (list->count - 1)) == 0) {
		unsigned wanted = list->count ? list->count * 2 : 1;

		rules = realloc(list->rules, wanted * sizeof(*rules));
		if (!rules)
			return err_set(err, ENOMEM, "not enough memory");
		list->rules = rules;
	}
	list->rules[list->count++] = *rule;
	return 0;
}

/* The line from @at to @end, without its newline. */
static int parse_line(struct rule_list *list, const char *at, const char *end,
		      struct err *err)
{
	char line[LINE_BYTES_MAX] = "usb:";
	size_t prefix;
	size_t len;
	struct rule rule;
	int r;

	while (at < end && is_blank(*at))
		at++;
	while (end > at && is_blank(end[-1]))
		end--;
	len = (size_t)(end - at);
	if (len == 0 || *at == '#')
		return 0;
	if (memchr(at, '\0', len))
		return err_set(err, EINVAL, "a zero byte; a rules file is text");
	prefix = len >= 3 && memcmp(at, "usb", 3) == 0 ? 0 : strlen(line);
	if (prefix + len >= sizeof(line))
		return err_set(err, E2BIG, "more than %zu bytes",
			       sizeof(line) - prefix - 1);
	memcpy(line + prefix, at, len);
	line[prefix + len] = '\0';
	r = rule_parse(&rule, line, err);
	return r < 0 ? r : add(list, &rule, err);
}

int rules_file_parse(const char *name, const char *text, size_t len,
		     struct rule_list *ret_list, struct err *err)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct rule_list list = {0};
	const char *end = text + len;
	unsigned number = 1;

	if (len > RULES_FILE_BYTES_MAX)
		return err_set(err, E2BIG, "%s: more than %u bytes", name,
			       RULES_FILE_BYTES_MAX);
	/* some editors begin every file with a byte order mark */
	if (len >= 3 && memcmp(text, byte_order_mark, 3) == 0)
		text += 3;
	for (const char *at = text; at < end; number++) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct err why = {0};

		if (!line_end)
			line_end = end;
		if (parse_line(&list, at, line_end, &why) < 0) {
			rule_list_finish(&list);
			return err_set(err, why.code, "%s:%u: %s", name, number,
				       why.text);
		}
		at = line_end < end ? line_end + 1 : end;
	}
	*ret_list = list;
	return 0;
}

/* Return: how many bytes, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t len = read(fd, buf + have, size - have);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			break;
		have += (size_t)len;
	}
	return (ssize_t)have;
}

int rules_file_read(const char *path, struct rule_list *ret_list, struct err *err)
{
	char text[RULES_FILE_BYTES_MAX + 1];
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t len;

	/* do not wait for the writer of a pipe */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "rules file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "rules file %s: is no ordinary file", path);
	len = read_all(fd, text, sizeof(text));
	if (len < 0)
		return err_set(err, (int)-len, "rules file %s: %s", path,
			       strerror((int)-len));
	return rules_file_parse(path, text, (size_t)len, ret_list, err);
}

void rule_list_finish(struct rule_list *list)
{
	free(list->rules);
	*list = (struct rule_list){0};
}
