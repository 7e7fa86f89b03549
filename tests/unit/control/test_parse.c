/* SPDX-License-Identifier: MIT
 * test_parse.c - requests of the JSON dialect, field by field
 */
#include "controlled.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Sends @text, which must reach the owner; it is answered by the next call or at the
 * end. Borrowed. */
static struct control_request *reach(struct controlled *c, int fd, const char *text)
{
	c->mode = OWNER_KEEPS;
	send_text(fd, text);
	send_text(fd, "\n");
	run(c);
	if (c->nkept != 1)
		fail_msg("%s did not reach the owner: %s", text, take_line(fd));
	return c->kept[0];
}

static void done(struct controlled *c, int fd)
{
	control_refuse(c->kept[0], CONTROL_CODE_BUSY, NULL, "busy");
	c->nkept = 0;
	run(c);
	expect_part(fd, "\"code\":\"busy\"");
}

static void hello(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char wanted[128];

	snprintf(wanted, sizeof(wanted),
		 "{\"ok\":true,\"id\":1,\"version\":1,\"daemon\":\"usbvfiod 0.1.0\","
		 "\"pid\":%d}",
		 (int)getpid());
	assert_string_equal(ask(c, fd, "{\"verb\":\"hello\",\"version\":1,\"id\":1}"),
			    wanted);
	assert_int_equal(c->nrequests, 0);
	close(fd);
}

static void attach(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	struct control_request *req = reach(
		c, fd,
		"{\"verb\":\"attach\",\"spec\":\"usb:vid=1050\",\"name\":\"k\\u00e9y\","
		"\"reset\":\"never\",\"port\":255,\"force\":true,\"rule_id\":\"r1\"}");

	assert_int_equal(req->verb, CONTROL_VERB_ATTACH);
	assert_string_equal(req->attach.spec, "usb:vid=1050");
	assert_string_equal(req->attach.name, "k\xc3\xa9y");
	assert_string_equal(req->attach.reset, "never");
	assert_string_equal(req->attach.rule_id, "r1");
	assert_int_equal(req->attach.port, 255);
	assert_true(req->attach.force);
	assert_int_equal(req->fd, -1);
	done(c, fd);
	req = reach(c, fd, "{\"verb\":\"attach\",\"spec\":\"zero\"}");
	assert_null(req->attach.name);
	assert_null(req->attach.reset);
	assert_null(req->attach.rule_id);
	assert_int_equal(req->attach.port, 0);
	assert_false(req->attach.force);
	done(c, fd);
	close(fd);
}

static void attach_by_fd(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	c->mode = OWNER_KEEPS;
	send_text_fd(fd, "{\"verb\":\"attach\",\"bus\":3,\"address\":17}\n", null, 1);
	run(c);
	assert_int_equal(c->nkept, 1);
	assert_null(c->kept[0]->attach.spec);
	assert_int_equal(c->kept[0]->attach.bus, 3);
	assert_int_equal(c->kept[0]->attach.address, 17);
	assert_true(c->last_fd >= 0);
	done(c, fd);
	close(null);
	close(fd);
}

static void targets(void **state)
{
	static const struct {
		const char *text;
		enum control_target_kind kind;
		unsigned a;
		unsigned b;
	} cases[] = {
		{"003:017", CONTROL_TARGET_KIND_ADDRESS, 3, 17},
		{"3:7", CONTROL_TARGET_KIND_ADDRESS, 3, 7},
		{"port 2", CONTROL_TARGET_KIND_PORT, 2, 0},
		{"port 255", CONTROL_TARGET_KIND_PORT, 255, 0},
		{"port 256", CONTROL_TARGET_KIND_ID, 0, 0},
		{"port 0", CONTROL_TARGET_KIND_ID, 0, 0},
		{"port", CONTROL_TARGET_KIND_ID, 0, 0},
		{"port 1234567890123", CONTROL_TARGET_KIND_ID, 0, 0},
		{"port 1x", CONTROL_TARGET_KIND_ID, 0, 0},
		{"1-2.3", CONTROL_TARGET_KIND_ID, 0, 0},
		{"1", CONTROL_TARGET_KIND_ID, 0, 0},
		{"1:", CONTROL_TARGET_KIND_ID, 0, 0},
		{":1", CONTROL_TARGET_KIND_ID, 0, 0},
		{"1:2:3", CONTROL_TARGET_KIND_ID, 0, 0},
		{"0001:2", CONTROL_TARGET_KIND_ID, 0, 0},
		{"1:0002", CONTROL_TARGET_KIND_ID, 0, 0},
		{"-1:2", CONTROL_TARGET_KIND_ID, 0, 0},
	};
	static const char *const verbs[] = {"detach", "reset", "stats"};
	struct controlled *c = *state;
	int fd = connect_client(c);
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control_request *req;

		snprintf(text, sizeof(text), "{\"verb\":\"%s\",\"device\":\"%s\"}",
			 verbs[i % 3], cases[i].text);
		req = reach(c, fd, text);
		assert_int_equal(req->verb, control_verb_find(verbs[i % 3]));
		assert_string_equal(req->target.text, cases[i].text);
		assert_int_equal(req->target.kind, cases[i].kind);
		if (cases[i].kind == CONTROL_TARGET_KIND_PORT) {
			assert_int_equal(req->target.port, cases[i].a);
		} else {
			assert_int_equal(req->target.bus, cases[i].a);
			assert_int_equal(req->target.address, cases[i].b);
		}
		done(c, fd);
	}
	assert_int_equal(reach(c, fd, "{\"verb\":\"stats\"}")->target.kind,
			 CONTROL_TARGET_KIND_NONE);
	done(c, fd);
	close(fd);
}

static void capture(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct control_request *req;

	req = reach(c, fd, "{\"verb\":\"capture\",\"action\":\"start\",\"path\":\"/x\"}");
	assert_int_equal(req->capture.action, CONTROL_CAPTURE_ACTION_START);
	assert_string_equal(req->capture.path, "/x");
	done(c, fd);
	req = reach(c, fd, "{\"verb\":\"capture\",\"action\":\"stop\"}");
	assert_int_equal(req->capture.action, CONTROL_CAPTURE_ACTION_STOP);
	done(c, fd);
	req = reach(c, fd, "{\"verb\":\"capture\",\"action\":\"status\"}");
	assert_int_equal(req->capture.action, CONTROL_CAPTURE_ACTION_STATUS);
	assert_null(req->capture.path);
	done(c, fd);
	send_text_fd(fd, "{\"verb\":\"capture\",\"action\":\"start\"}\n", null, 1);
	run(c);
	assert_int_equal(c->nkept, 1);
	assert_true(c->last_fd >= 0);
	done(c, fd);
	/* the path is its name then */
	send_text_fd(fd, "{\"verb\":\"capture\",\"action\":\"start\",\"path\":\"/x\"}\n",
		     null, 1);
	run(c);
	assert_int_equal(c->nkept, 1);
	assert_true(c->last_fd >= 0);
	assert_string_equal(c->kept[0]->capture.path, "/x");
	done(c, fd);
	send_text_fd(fd, "{\"verb\":\"capture\",\"action\":\"stop\"}\n", null, 1);
	run(c);
	expect_part(fd, "a file descriptor does not go with this");
	close(null);
	close(fd);
}

static void log_and_rules(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	struct control_request *req;

	req = reach(c, fd, "{\"verb\":\"log\",\"level\":\"debug\"}");
	assert_string_equal(req->log.level, "debug");
	assert_null(req->log.subsystem);
	done(c, fd);
	req = reach(c, fd,
		    "{\"verb\":\"log\",\"level\":\"debug\",\"subsystem\":\"xhci\"}");
	assert_string_equal(req->log.subsystem, "xhci");
	done(c, fd);
	req = reach(c, fd, "{\"verb\":\"rules\",\"action\":\"add\",\"rule\":\"usb:\"}");
	assert_int_equal(req->rules.action, CONTROL_RULES_ACTION_ADD);
	assert_string_equal(req->rules.rule, "usb:");
	assert_null(req->rules.id);
	done(c, fd);
	req = reach(
		c, fd,
		"{\"verb\":\"rules\",\"action\":\"remove\",\"rule_id\":\"r\",\"id\":3}");
	assert_int_equal(req->rules.action, CONTROL_RULES_ACTION_REMOVE);
	assert_string_equal(req->rules.id, "r");
	done(c, fd);
	req = reach(c, fd, "{\"verb\":\"rules\",\"action\":\"list\"}");
	assert_int_equal(req->rules.action, CONTROL_RULES_ACTION_LIST);
	done(c, fd);
	assert_int_equal(reach(c, fd, "{\"verb\":\"list\"}")->verb, CONTROL_VERB_LIST);
	done(c, fd);
	close(fd);
}

static void list(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	assert_string_equal(
		ask(c, fd, "{\"verb\":\"list\"}"),
		"{\"ok\":true,\"devices\":[{\"id\":\"d0\",\"bus\":3,\"address\":10},"
		"{\"id\":\"d1\",\"bus\":3,\"address\":11},{\"id\":\"d2\"}],"
		"\"ports\":[{\"port\":1,\"kind\":\"usb2\",\"device\":\"d0\"},"
		"{\"port\":2,\"kind\":\"usb3\"}],"
		"\"vmm\":{\"connected\":true,\"memory_shared\":4096,"
		"\"memory_unshared\":0},"
		"\"sandbox\":{\"mode\":\"off\",\"user\":7,\"refused\":0}}");
	close(fd);
}

/* Invalid JSON, or of the wrong shape. */
static const struct {
	const char *text;
	const char *code;
	const char *part; /* of the message */
} refused[] = {
	{"{", "bad-request", "not valid JSON"},
	{"{}}", "bad-request", "not valid JSON"},
	{"{} {}", "bad-request", "not valid JSON"},
	{"{'verb':'list'}", "bad-request", "not valid JSON"},
	{"{\"verb\":\"list\",}", "bad-request", "not valid JSON"},
	{" 12", "bad-request", "must be a JSON object"},
	{" null", "bad-request", "must be a JSON object"},
	{" [\"verb\"]", "bad-request", "must be a JSON object"},
	{"{\"a\":[[[[[[[[[[[[1]]]]]]]]]]]]}", "bad-request", "not valid JSON"},
	{"{\"verb\":\"li\xff\"}", "bad-request", "not valid JSON"},
	{"{\"verb\":\"li\\u0000\"}", "bad-request", "\\\"verb\\\""},
	{"{}", "bad-request", "\\\"verb\\\" is missing"},
	{"{\"verb\":1}", "bad-request", "\\\"verb\\\" must be a string"},
	{"{\"verb\":null}", "bad-request", "\\\"verb\\\" must be a string"},
	{"{\"verb\":\"\"}", "bad-request", "\\\"verb\\\""},
	{"{\"verb\":\"List\"}", "unknown-verb", "no verb \\\"List\\\""},
	{"{\"verb\":\"list\",\"version\":2}", "version", "version 1"},
	{"{\"verb\":\"new\",\"version\":2}", "version", "version 1"},
	{"{\"verb\":\"list\",\"version\":0}", "bad-request", "version"},
	{"{\"verb\":\"list\",\"version\":\"1\"}", "bad-request", "version"},
	{"{\"verb\":\"list\",\"id\":null}", "bad-request", "\\\"id\\\""},
	{"{\"verb\":\"list\",\"id\":[]}", "bad-request", "\\\"id\\\""},
	{"{\"verb\":\"list\",\"id\":NaN}", "bad-request", "\\\"id\\\""},
	{"{\"verb\":\"list\",\"device\":\"x\"}", "unknown-field",
	 "\\\"list\\\" has no field \\\"device\\\""},
	{"{\"verb\":\"hello\",\"x\\ny\":1}", "unknown-field", "\\\"x\\ny\\\""},
	{"{\"verb\":\"attach\",\"sepc\":\"x\"}", "unknown-field", "\\\"sepc\\\""},
	{"{\"verb\":\"attach\"}", "bad-request", "\\\"spec\\\""},
	{"{\"verb\":\"attach\",\"spec\":1}", "bad-request", "\\\"spec\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"\"}", "bad-request", "\\\"spec\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"a\\u0000b\"}", "bad-request",
	 "\\\"spec\\\" must be a string without NUL"},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"port\":\"1\"}", "bad-request",
	 "\\\"port\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"port\":0}", "bad-request",
	 "\\\"port\\\" must be from 1 to 255"},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"port\":256}", "bad-request",
	 "\\\"port\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"port\":1.5}", "bad-request",
	 "\\\"port\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"port\":99999999999999999999}",
	 "bad-request", "\\\"port\\\""},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"force\":1}", "bad-request",
	 "\\\"force\\\" must be true or false"},
	{"{\"verb\":\"attach\",\"spec\":\"x\",\"bus\":1}", "bad-request", "does not go"},
	{"{\"verb\":\"detach\"}", "bad-request", "\\\"device\\\" is missing"},
	{"{\"verb\":\"detach\",\"device\":7}", "bad-request", "\\\"device\\\""},
	{"{\"verb\":\"reset\"}", "bad-request", "\\\"device\\\" is missing"},
	{"{\"verb\":\"capture\"}", "bad-request", "\\\"action\\\" is missing"},
	{"{\"verb\":\"capture\",\"action\":\"go\"}", "bad-request",
	 "\\\"start\\\", \\\"stop\\\" or \\\"status\\\""},
	{"{\"verb\":\"capture\",\"action\":\"start\"}", "bad-request", "\\\"path\\\""},
	{"{\"verb\":\"capture\",\"action\":\"stop\",\"path\":\"x\"}", "bad-request",
	 "\\\"path\\\" does not go"},
	{"{\"verb\":\"log\"}", "bad-request", "\\\"level\\\" is missing"},
	{"{\"verb\":\"rules\",\"rule\":\"x\"}", "bad-request",
	 "\\\"action\\\" is missing"},
	{"{\"verb\":\"rules\",\"action\":\"add\"}", "bad-request",
	 "\\\"rule\\\" is missing"},
	{"{\"verb\":\"rules\",\"action\":\"remove\"}", "bad-request",
	 "\\\"rule_id\\\" is missing"},
	{"{\"verb\":\"rules\",\"action\":\"remove\",\"rule\":\"x\"}", "bad-request",
	 "\\\"rule\\\" does not go"},
	{"{\"verb\":\"rules\",\"action\":\"list\",\"rule_id\":\"x\"}", "bad-request",
	 "\\\"rule_id\\\" does not go"},
	{"{\"verb\":\"watch\",\"events\":\"gone\"}", "bad-request", "\\\"events\\\""},
	{"{\"verb\":\"watch\",\"events\":[1]}", "bad-request", "\\\"events\\\""},
	{"{\"verb\":\"watch\",\"events\":[\"going\"]}", "bad-request",
	 "no event \\\"going\\\""},
};

/* Each is answered, and none reaches the owner. */
static void refusals(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		ask_refused(c, fd, refused[i].text, refused[i].code, refused[i].part);
	send_fds(fd, "{\"verb\":\0\"list\"}\n", 17, -1, 0);
	run(c);
	expect_part(fd, "\"message\":\"the line has a NUL in it\"");
	assert_int_equal(c->nrequests, 0);
	expect_alive(c, fd);
	close(fd);
}

/* A refusal carries the id, whatever else is wrong. */
static void refusal_has_the_id(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);

	assert_memory_equal(ask(c, fd, "{\"verb\":\"nonsense\",\"id\":5}"),
			    "{\"ok\":false,\"id\":5,", 19);
	assert_memory_equal(ask(c, fd, "{\"version\":9,\"id\":\"x\"}"),
			    "{\"ok\":false,\"id\":\"x\",", 21);
	close(fd);
}

static void long_strings(void **state)
{
	struct controlled *c = *state;
	int fd = connect_client(c);
	char *text = malloc(CONTROL_LINE_MAX);

	assert_non_null(text);
	snprintf(text, CONTROL_LINE_MAX, "{\"verb\":\"attach\",\"spec\":\"%0*d\"}",
		 (int)CONTROL_STRING_MAX, 0);
	assert_int_equal(strlen(reach(c, fd, text)->attach.spec), CONTROL_STRING_MAX);
	done(c, fd);
	snprintf(text, CONTROL_LINE_MAX, "{\"verb\":\"attach\",\"spec\":\"%0*d\"}",
		 (int)CONTROL_STRING_MAX + 1, 0);
	ask_refused(c, fd, text, "too-large", "4097");
	snprintf(text, CONTROL_LINE_MAX, "{\"verb\":\"list\",\"id\":\"%0*d\"}", 257, 0);
	ask_refused(c, fd, text, "too-large", "\\\"id\\\"");
	/* a name cut in the middle of a letter is still told as UTF-8 */
	snprintf(text, CONTROL_LINE_MAX, "{\"verb\":\"list\",\"%0*d\xc3\xa9\":1}", 63, 0);
	ask_refused(c, fd, text, "unknown-field", "0?\\\"");
	free(text);
	close(fd);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, controlled_setup, controlled_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(hello),        TEST(attach),   TEST(attach_by_fd),
		TEST(targets),      TEST(capture),  TEST(log_and_rules),
		TEST(list),         TEST(refusals), TEST(refusal_has_the_id),
		TEST(long_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
