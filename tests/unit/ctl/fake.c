/* SPDX-License-Identifier: MIT
 * fake.c - control servers with a simple owner, and usbvfioctl run against them
 */
#include "fake.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"

#define WAIT_NS   UINT64_C(20000000000)
#define ARGS_MAX  16u
#define NICE_TEXT 64u

/* ---- the owner ---- */

static void write_down(struct fake_daemon *daemon, const char *format, ...)
	PRINTF_LIKE(2, 3);

static void write_down(struct fake_daemon *daemon, const char *format, ...)
{
	size_t len = strlen(daemon->asked);
	va_list ap;

	va_start(ap, format);
	vsnprintf(daemon->asked + len, sizeof(daemon->asked) - len, format, ap);
	va_end(ap);
}

static void write_text(struct fake_daemon *daemon, const char *key, const char *value)
{
	if (value)
		write_down(daemon, " %s=%s", key, value);
}

static void write_number(struct fake_daemon *daemon, const char *key, unsigned value)
{
	if (value)
		write_down(daemon, " %s=%u", key, value);
}

/* Writes down the first bytes of a file that a request has passed, and whether it is writable. */
static void write_fd(struct fake_daemon *daemon, int fd)
{
	char content[NICE_TEXT] = "";

	if (fd < 0)
		return;
	/* reading from a FIFO would consume its content */
	if (lseek(fd, 0, SEEK_CUR) < 0) {
		write_down(daemon, " fifo");
		return;
	}
	assert_true(pread(fd, content, sizeof(content) - 1, 0) >= 0);
	write_down(daemon, " fd=%s%s", content,
		   (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR ? " rw" : "");
}

static void write_request(struct fake_daemon *daemon, const struct control_request *req)
{
	const struct control_attach *attach = &req->attach;
	static const char *const rules[] = {"add", "remove", "list"};
	static const char *const captures[] = {"start", "stop", "status"};

	write_down(daemon, "%s", control_verb_name(req->verb));
	if (req->verb == CONTROL_VERB_RULES)
		write_down(daemon, " %s", rules[req->rules.action]);
	if (req->verb == CONTROL_VERB_CAPTURE)
		write_down(daemon, " %s", captures[req->capture.action]);
	write_text(daemon, "spec", attach->spec);
	write_text(daemon, "name", attach->name);
	write_text(daemon, "reset", attach->reset);
	write_number(daemon, "port", attach->port);
	write_text(daemon, "force", attach->force ? "yes" : NULL);
	write_number(daemon, "bus", attach->bus);
	write_number(daemon, "address", attach->address);
	if (req->target.kind != CONTROL_TARGET_KIND_NONE)
		write_text(daemon, "device", req->target.text);
	write_text(daemon, "path", req->capture.path);
	write_text(daemon, "level", req->log.level);
	write_text(daemon, "subsystem", req->log.subsystem);
	write_text(daemon, "rule", req->rules.rule);
	write_text(daemon, "id", req->rules.id);
	write_fd(daemon, req->fd);
	write_down(daemon, "\n");
}

static void answer_rules(struct control_request *req)
{
	struct json_object *result = json_object_new_object();

	if (req->rules.action == CONTROL_RULES_ACTION_ADD)
		json_object_object_add(result, "rule_id", json_object_new_string("r1"));
	if (req->rules.action == CONTROL_RULES_ACTION_LIST)
		json_object_object_add(
			result, "rules",
			json_tokener_parse(
				"[{\"rule_id\":\"r1\",\"rule\":\"usb:vid=1050\","
				"\"state\":\"waiting\"}]"));
	control_answer(req, result);
}

static void answer_capture(struct control_request *req)
{
	struct json_object *result = json_object_new_object();
	bool active = req->capture.action == CONTROL_CAPTURE_ACTION_START;

	json_object_object_add(result, "active", json_object_new_boolean(active));
	if (active)
		json_object_object_add(result, "path",
				       json_object_new_string(req->capture.path));
	control_answer(req, result);
}

static void on_request(void *ctx, struct control_request *req)
{
	struct fake_daemon *daemon = ctx;

	write_request(daemon, req);
	if (daemon->refuses & (1u << req->verb)) {
		control_refuse(req, daemon->code, "do \033[31mthis", "it is not to be");
		return;
	}
	switch (req->verb) {
	case CONTROL_VERB_LIST:
	case CONTROL_VERB_STATS:
		control_answer_list(
			req,
			&(struct control_list){
				.devices = daemon->devices,
				.ndevices = daemon->ndevices,
				.vmm = &daemon->vmm,
				.sandbox = daemon->sandbox.mode ? &daemon->sandbox : NULL,
			});
		break;
	case CONTROL_VERB_ATTACH:
	case CONTROL_VERB_DETACH:
	case CONTROL_VERB_RESET:
		control_answer_device(req, &daemon->devices[0]);
		break;
	case CONTROL_VERB_RULES:
		answer_rules(req);
		break;
	case CONTROL_VERB_CAPTURE:
		answer_capture(req);
		break;
	case CONTROL_VERB_LOG:
	case CONTROL_VERB_HELLO:
	case CONTROL_VERB_WATCH:
	default:
		control_answer(req, NULL);
	}
}

/* ---- set-up ---- */

struct fake_daemon *fake_start(struct fake *fake, unsigned which)
{
	struct fake_daemon *daemon = &fake->daemons[which];
	struct control_options options = {
		.daemon = "usbvfiod 0.1.0", .request = on_request, .ctx = daemon};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	daemon->fake = fake;
	snprintf(daemon->path, sizeof(daemon->path), "%s/usbvfiod/vm%u.sock", fake->dir,
		 which);
	strcpy(addr.sun_path, daemon->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	daemon->server = control_server_create(fake->loop, fd, &options, NULL);
	assert_non_null(daemon->server);
	daemon->devices[0] = (struct control_device)CONTROL_DEVICE_INIT;
	daemon->devices[0].id = "1-2.3";
	daemon->devices[0].kind = "host";
	daemon->devices[0].label = "YubiKey";
	daemon->devices[0].vendor_id = 0x1050;
	daemon->devices[0].product_id = 0x407;
	daemon->devices[0].serial = "0001";
	daemon->devices[0].speed = "full";
	daemon->devices[0].port = 2;
	daemon->devices[0].bus = 3;
	daemon->devices[0].address = 17;
	daemon->devices[0].place = "1-2.3";
	daemon->devices[0].since = 1769862896;
	daemon->devices[0].state = "attached";
	daemon->devices[0].has_counters = true;
	daemon->devices[0].bytes_in = 1536;
	daemon->devices[0].bytes_out = 12;
	daemon->devices[0].transfers = 2061;
	daemon->ndevices = 1;
	return daemon;
}

void fake_stop(struct fake_daemon *daemon)
{
	if (!daemon->server)
		return;
	control_server_destroy(daemon->server);
	daemon->server = NULL;
	unlink(daemon->path);
}

static void in_dir(struct fake *fake, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fake->dir, name);
}

static const char *const folders[] = {"usbvfiod", "nodes", "nodes/003"};

int fake_setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	char path[128];

	assert_non_null(fake);
	log_init(LOG_LEVEL_ERROR, false);
	fake->loop = loop_create();
	assert_non_null(fake->loop);
	strcpy(fake->dir, "/tmp/ctl-test-XXXXXX");
	assert_non_null(mkdtemp(fake->dir));
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		in_dir(fake, folders[i], path);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_int_equal(setenv("XDG_RUNTIME_DIR", fake->dir, 1), 0);
	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	assert_int_equal(setenv("LC_ALL", "C.UTF-8", 1), 0);
	fake_start(fake, 0);
	*state = fake;
	return 0;
}

int fake_teardown(void **state)
{
	struct fake *fake = *state;
	char path[128];

	for (unsigned i = 0; i < FAKE_DAEMONS; i++)
		fake_stop(&fake->daemons[i]);
	loop_destroy(fake->loop);
	in_dir(fake, "nodes/003/017", path);
	unlink(path);
	for (size_t i = ARRAY_SIZE(folders); i-- > 0;) {
		in_dir(fake, folders[i], path);
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(fake->dir), 0);
	free(fake);
	return 0;
}

const char *fake_node(struct fake *fake, const char *content)
{
	static char path[128];
	FILE *file;

	in_dir(fake, "nodes/003/017", path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

/* ---- the program ---- */

static int catcher(void)
{
	int fd = memfd_create("caught", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void take_caught(int fd, char *text, size_t room)
{
	ssize_t n = pread(fd, text, room - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
}

int fake_run_child(struct fake *fake, int (*child)(void *ctx), void *ctx)
{
	int out = catcher(), errors = catcher(), status = 0;
	uint64_t start_ns = clock_now_ns();
	pid_t pid = fork();

	assert_true(pid >= 0);
	fake->out_fd = out;
	fake->errors_fd = errors;
	fake->pid = pid;
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(errors, STDERR_FILENO);
		status = child(ctx);
		fflush(stdout);
		_exit(status);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_now_ns() - start_ns > WAIT_NS) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			fail_msg("the program does not end");
		}
		if (fake->on_turn)
			fake->on_turn(fake);
		assert_int_equal(loop_turn(fake->loop, false), 0);
		sched_yield();
	}
	take_caught(out, fake->out, sizeof(fake->out));
	take_caught(errors, fake->errors, sizeof(fake->errors));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool fake_has_said(struct fake *fake, const char *part)
{
	ssize_t n = pread(fake->errors_fd, fake->errors, sizeof(fake->errors) - 1, 0);

	assert_true(n >= 0);
	fake->errors[n] = '\0';
	return strstr(fake->errors, part) != NULL;
}

bool fake_has_printed(const struct fake *fake)
{
	struct stat st;

	assert_int_equal(fstat(fake->out_fd, &st), 0);
	return st.st_size > 0;
}

static int run_program(void *ctx)
{
	char **argv = ctx;

	execv(argv[0], argv);
	return 126;
}

int fake_run(struct fake *fake, const char *const args[])
{
	char *argv[ARGS_MAX] = {getenv("USBVFIOCTL")};
	size_t n = 1;

	assert_non_null(argv[0]);
	for (; args[n - 1]; n++) {
		assert_true(n + 1 < ARGS_MAX);
		argv[n] = (char *)args[n - 1];
	}
	return fake_run_child(fake, run_program, argv);
}

void fake_expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

void fake_expect_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in '%s'", part, text);
}
