/* SPDX-License-Identifier: MIT
 * test_log.c - log lines on stderr
 *
 * stderr is a packet socket while a test runs: each packet is one write().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "util/fds.h"
#include "util/log.h"

struct capture {
	int real_stderr;
	int fd;
	char line[4096];
};

#define STAMP_LEN (sizeof("2026-11-23T06:35:46.123456Z") - 1)

static int begin(void **state)
{
	struct capture *c = calloc(1, sizeof(*c));
	int pair[2];

	if (!c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	c->real_stderr = dup(STDERR_FILENO);
	c->fd = pair[0];
	if (dup2(pair[1], STDERR_FILENO) < 0)
		return -1;
	close(pair[1]);
	log_init(LOG_LEVEL_INFO, false);
	*state = c;
	return 0;
}

static int end(void **state)
{
	struct capture *c = *state;

	(void)dup2(c->real_stderr, STDERR_FILENO);
	close(c->real_stderr);
	close(c->fd);
	free(c);
	return 0;
}

/* The next packet, or NULL. */
static const char *next_line(struct capture *c)
{
	ssize_t len = recv(c->fd, c->line, sizeof(c->line) - 1, 0);

	if (len <= 0)
		return NULL;
	c->line[len] = '\0';
	return c->line;
}

/* The next line behind its time and level, its newline cut off. */
static const char *next_text(struct capture *c)
{
	const char *line = next_line(c);

	assert_non_null(line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	c->line[strlen(line) - 1] = '\0';
	return line + STAMP_LEN + sizeof(" ERROR ") - 1;
}

/* As log lines have it: time() lags behind that by some milliseconds. */
static time_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static void test_form(void **state)
{
	struct capture *c = *state;
	time_t before = now_s(), at;
	const char *line, *rest;
	struct tm tm = {0};

	log_info("device %s on port %d", "04:03", 7);
	line = next_line(c);
	assert_non_null(line);
	assert_string_equal(line + STAMP_LEN, "  INFO device 04:03 on port 7\n");
	rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);
	assert_non_null(rest);
	at = timegm(&tm);
	assert_in_range(at, before, now_s());
	assert_int_equal(rest[0], '.');
	assert_int_equal(strspn(rest + 1, "0123456789"), 6);
	assert_int_equal(rest[7], 'Z');
	assert_null(next_line(c));
}

/* This file is none of the layers: "daemon". */
static void test_subsystems(void **state)
{
	static const char *const names[LOG_SUBSYSTEMS] = {"daemon", "control", "rules",
							  "usbdev", "vuser",   "xhci"};
	struct capture *c = *state;

	log_init(LOG_LEVEL_WARN, false);
	for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++) {
		int subsystem = log_subsystem_find(names[i]);

		assert_int_equal(subsystem, i);
		log_set_subsystem_level((enum log_subsystem)i, LOG_LEVEL_TRACE);
		for (unsigned other = 0; other < LOG_SUBSYSTEMS; other++)
			assert_int_equal(
				log_is_enabled((enum log_subsystem)other, LOG_LEVEL_INFO),
				other == i);
		log_debug("x");
		assert_int_equal(next_line(c) != NULL, i == LOG_SUBSYSTEM_DAEMON);
		/* all at once: none is an exception any more */
		log_set_level(LOG_LEVEL_WARN);
	}
	assert_int_equal(log_subsystem_find("mem"), -ENOENT);
	assert_int_equal(log_subsystem_find(""), -ENOENT);
}

static void test_names_of_levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_find("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_find("warn"), LOG_LEVEL_WARN);
	assert_int_equal(log_level_find("info"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_find("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_find("trace"), LOG_LEVEL_TRACE);
	assert_int_equal(log_level_find("ERROR"), -ENOENT);
}

static void test_levels(void **state)
{
	static const char *const names[] = {"ERROR", " WARN", " INFO", "DEBUG", "TRACE"};
	struct capture *c = *state;

	for (int max = LOG_LEVEL_ERROR; max <= LOG_LEVEL_TRACE; max++) {
		log_init((enum log_level)max, false);
		log_error("x");
		log_warn("x");
		log_info("x");
		log_debug("x");
		log_trace("x");
		for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_TRACE; level++)
			assert_int_equal(log_enabled((enum log_level)level),
					 level <= max);
		for (int level = LOG_LEVEL_ERROR; level <= max; level++) {
			const char *line = next_line(c);

			assert_non_null(line);
			assert_memory_equal(line + STAMP_LEN + 1, names[level], 5);
		}
		assert_null(next_line(c));
	}
}

static int count_calls(int *calls)
{
	return ++*calls;
}

/* Arguments of a line that is not shown are not computed. */
static void test_disabled_costs_nothing(void **state)
{
	struct capture *c = *state;
	int calls = 0;

	log_debug("%d", count_calls(&calls));
	log_limited(LOG_LEVEL_TRACE, "%d", count_calls(&calls));
	assert_int_equal(calls, 0);
	assert_null(next_line(c));
}

static void test_control_characters(void **state)
{
	struct capture *c = *state;

	log_info("a\nb\rc\td\x1b[31me\x7f\x01z");
	assert_string_equal(next_text(c), "a\\nb\\rc\\td\\x1b[31me\\x7f\\x01z");
	log_info("%s", "\n");
	assert_string_equal(next_text(c), "\\n");
}

static void test_utf8(void **state)
{
	struct capture *c = *state;
	static const char good[] = "\xc3\x9c \xe2\x82\xac \xf0\x9f\x90\xa7";

	log_info("%s", good);
	assert_string_equal(next_text(c), good);
	/* a C1 control, alone and as UTF-8; too long a form; a surrogate; cut off */
	log_info("%s", "\x9b \xc2\x9b \xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80 \xe2\x82");
	assert_string_equal(next_text(c), "\\x9b \\xc2\\x9b \\xc0\\xaf \\xed\\xa0\\x80 "
					  "\\xf5\\x80\\x80\\x80 \\xe2\\x82");
}

static void test_truncation(void **state)
{
	static const char *const fills[] = {"a", "\n", "\xe2\x82\xac"};
	struct capture *c = *state;
	char text[3000];

	for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
		size_t len = strlen(fills[i]);
		const char *line;

		for (size_t at = 0; at < sizeof(text); at += len)
			memcpy(text + at, fills[i], len);
		text[sizeof(text) - 1] = '\0';
		log_info("%s", text);
		line = next_line(c);
		assert_in_range(strlen(line), 900, 1024);
		assert_string_equal(line + strlen(line) - 4, "...\n");
		/* a whole character stands before the dots */
		if (i == 2)
			assert_memory_equal(line + strlen(line) - 7, fills[i], 3);
		if (i == 1)
			assert_memory_equal(line + strlen(line) - 6, "\\n", 2);
	}
	assert_null(next_line(c));
}

static void limited(int number)
{
	log_limited(LOG_LEVEL_WARN, "odd thing %d", number);
}

static void test_limited(void **state)
{
	struct capture *c = *state;
	char expected[32];

	for (int i = 0; i < 100; i++)
		limited(i);
	for (unsigned i = 0; i < LIMIT_BURST; i++) {
		(void)snprintf(expected, sizeof(expected), "odd thing %u", i);
		assert_string_equal(next_text(c), expected);
	}
	assert_null(next_line(c));
	/* another call site has its own limit */
	log_limited(LOG_LEVEL_WARN, "other");
	assert_string_equal(next_text(c), "other");
}

static void test_limited_reports_the_rest(void **state)
{
	struct limit limit = {.missed = 42};
	struct capture *c = *state;
	char text[2000];

	log_write(LOG_LEVEL_WARN, &limit, "odd");
	assert_string_equal(next_text(c), "odd (42 more like this suppressed)");
	log_write(LOG_LEVEL_WARN, &limit, "odd");
	assert_string_equal(next_text(c), "odd");
	/* the count is there even if the text is cut */
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	limit.missed = UINT32_MAX;
	log_write(LOG_LEVEL_WARN, &limit, "%s", text);
	assert_non_null(
		strstr(next_text(c), "a... (4294967295 more like this suppressed)"));
}

static void test_color(void **state)
{
	struct capture *c = *state;
	const char *line;

	log_init(LOG_LEVEL_INFO, true);
	log_error("x\x1b[2J");
	line = next_line(c);
	assert_non_null(strstr(line, "\x1b[31mERROR\x1b[0m x\\x1b[2J\n"));
	assert_int_equal(line[0], '\x1b');
	log_init(LOG_LEVEL_INFO, false);
	log_error("x");
	assert_null(strchr(next_line(c), '\x1b'));
}

/* errno is what it was, and %m sees it: log lines stand in error paths. */
static void test_errno(void **state)
{
	struct limit limit = {0};
	struct capture *c = *state;

	errno = ENOSPC;
	log_write(LOG_LEVEL_INFO, &limit, "failed: %m");
	assert_int_equal(errno, ENOSPC);
	assert_string_equal(next_text(c), "failed: No space left on device");
}

/* A full stderr loses lines and nothing else; a closed one too. */
static void test_stderr_full(void **state)
{
	struct capture *c = *state;
	unsigned lines = 0;

	for (int i = 0; i < 100000; i++)
		log_info("line");
	while (next_line(c))
		lines++;
	assert_in_range(lines, 1, 99999);
	close(STDERR_FILENO);
	log_info("nobody reads this");
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 40; i++)
		log_info("%s", (const char *)arg);
	return NULL;
}

static void test_threads(void **state)
{
	struct capture *c = *state;
	pthread_t threads[2];
	char text[2][100];

	for (int i = 0; i < 2; i++) {
		memset(text[i], 'a' + i, sizeof(text[i]));
		text[i][sizeof(text[i]) - 1] = '\0';
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, text[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 80; i++) {
		const char *got = next_text(c);

		assert_true(!strcmp(got, text[0]) || !strcmp(got, text[1]));
	}
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(test_form),
		LOG_TEST(test_levels),
		LOG_TEST(test_subsystems),
		LOG_TEST(test_names_of_levels),
		LOG_TEST(test_disabled_costs_nothing),
		LOG_TEST(test_control_characters),
		LOG_TEST(test_utf8),
		LOG_TEST(test_truncation),
		LOG_TEST(test_limited),
		LOG_TEST(test_limited_reports_the_rest),
		LOG_TEST(test_color),
		LOG_TEST(test_errno),
		LOG_TEST(test_stderr_full),
		LOG_TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
