/* SPDX-License-Identifier: MIT
 * test_control.c - the control socket of the real daemon, in both dialects
 */
#include "tests/func/func.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client.h"
#include "tests/lib/capture.h"
#include "util/fds.h"

#define WAIT_MS 10000
#define CYCLES  1000u

static char path[DAEMON_PATH_MAX];
static struct control_client *client;

static int setup(void **state)
{
	int r = func_setup(state);
	struct func *f = *state;

	if (r == 0)
		daemon_path(&f->daemon, "control.sock", path);
	return r;
}

static int teardown(void **state)
{
	control_disconnect(client);
	client = NULL;
	return func_teardown(state);
}

static void begin(struct func *f, const char *device)
{
	/* clients may name files in that folder */
	const char *args[] = {"--hotplug-socket-path",
			      path,
			      "--sandbox-path",
			      f->daemon.dir,
			      device ? "--device" : NULL,
			      device,
			      NULL};
	struct err err = {0};

	func_start_args(f, args);
	assert_ok(daemon_wait_listening(&f->daemon, path));
	/* the devices of the command line are attached by then */
	assert_ok(daemon_await_stderr(&f->daemon, "ready: ", DRV_TIMEOUT_MS));
	client = control_connect(path, WAIT_MS, &err);
	assert_non_null(client);
}

/* @text: a request in JSON with ' for ". Return: the answer, owned. */
static struct json_object *ask_fd(const char *text, int fd)
{
	struct json_object *answer = NULL;
	struct json_object *request;
	struct err err = {0};
	char json[512];

	(void)snprintf(json, sizeof(json), "%s", text);
	for (char *at = json; *at; at++)
		if (*at == '\'')
			*at = '"';
	request = json_tokener_parse(json);
	assert_non_null(request);
	assert_ok(control_call(client, request, fd, &answer, &err));
	json_object_put(request);
	return answer;
}

static struct json_object *get(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	(void)json_object_object_get_ex(object, name, &value);
	return value;
}

static const char *get_text(struct json_object *object, const char *name)
{
	return json_object_get_string(get(object, name));
}

static struct json_object *done(const char *text)
{
	struct json_object *answer = ask_fd(text, -1);

	assert_true(json_object_get_boolean(get(answer, "ok")));
	return answer;
}

static void done_only(const char *text)
{
	json_object_put(done(text));
}

static void refused_fd(const char *text, int fd, const char *code)
{
	struct json_object *answer = ask_fd(text, fd);

	assert_false(json_object_get_boolean(get(answer, "ok")));
	assert_string_equal(get_text(get(answer, "error"), "code"), code);
	json_object_put(answer);
}

static void refused(const char *text, const char *code)
{
	refused_fd(text, -1, code);
}

static size_t count_devices(void)
{
	struct json_object *answer = done("{'verb':'list'}");
	size_t count = json_object_array_length(get(answer, "devices"));

	json_object_put(answer);
	return count;
}

static void test_lists(void **state)
{
	struct control_address list[255];
	struct json_object *answer, *device, *port;
	struct err err = {0};
	unsigned count = 99;

	begin(*state, "keyboard");
	answer = done("{'verb':'list'}");
	assert_int_equal(json_object_array_length(get(answer, "devices")), 1);
	device = json_object_array_get_idx(get(answer, "devices"), 0);
	assert_string_equal(get_text(device, "kind"), "keyboard");
	assert_string_equal(get_text(device, "state"), "attached");
	assert_string_equal(get_text(device, "speed"), "full");
	assert_int_equal(json_object_array_length(get(answer, "ports")), 16);
	port = json_object_array_get_idx(get(answer, "ports"), 0);
	assert_string_equal(get_text(port, "kind"), "usb2");
	assert_string_equal(get_text(port, "device"), get_text(device, "id"));
	json_object_put(answer);
	/* the old dialect lists host devices only */
	assert_int_equal(control_legacy_call(path, WAIT_MS, CONTROL_LEGACY_CMD_LIST,
					     (struct control_address){0}, -1, list,
					     &count, &err),
			 CONTROL_LEGACY_LIST);
	assert_int_equal(count, 0);
}

static void test_socket_is_private(void **state)
{
	struct stat st;

	begin(*state, NULL);
	assert_ok(stat(path, &st));
	assert_int_equal(st.st_mode & 0777 & ~0600u, 0);
}

static void test_attach_and_detach(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct json_object *answer;
	char request[64];

	begin(f, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	answer = done("{'verb':'attach','spec':'keyboard','port':3}");
	assert_int_equal(json_object_get_int(get(get(answer, "device"), "port")), 3);
	(void)snprintf(request, sizeof(request), "{'verb':'detach','device':'%s'}",
		       get_text(get(answer, "device"), "id"));
	json_object_put(answer);
	func_find(f, 3, &device);
	done_only(request);
	assert_int_equal(count_devices(), 0);
	refused(request, "no-such-device");
}

static void test_refusals(void **state)
{
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct control_address nothing = {0};
	struct err err = {0};

	begin(*state, NULL);
	refused("{'verb':'attach','spec':'mouse'}", "bad-request");
	refused("{'verb':'attach','spec':'usb:vid=1234'}", "bad-request");
	refused("{'verb':'attach','spec':'host:fd=3'}", "bad-request");
	refused("{'verb':'attach','spec':'/nonexistent/node'}", "cannot-open");
	refused("{'verb':'capture','action':'start','path':'usb.pcap'}", "bad-request");
	refused("{'verb':'attach','spec':'stick:file=/nonexistent'}", "cannot-open");
	refused("{'verb':'attach','spec':'keyboard','reset':'maybe'}", "bad-request");
	refused_fd("{'verb':'attach'}", zero, "bad-request");
	refused_fd("{'verb':'attach'}", file, "bad-request");
	refused("{'verb':'detach','device':'001:002'}", "no-such-device");
	refused("{'verb':'reset','device':'port 1'}", "no-such-device");
	refused("{'verb':'stats','device':'7'}", "no-such-device");
	refused("{'verb':'log','level':'loud'}", "bad-request");
	refused("{'verb':'log','level':'info','subsystem':'usb'}", "bad-request");
	refused("{'verb':'capture','action':'stop'}", "bad-request");
	refused("{'verb':'rules','action':'add','rule':'usb:nth=1'}", "bad-request");
	refused("{'verb':'rules','action':'remove','rule_id':'x'}", "no-such-rule");
	assert_int_equal(control_legacy_call(path, WAIT_MS, CONTROL_LEGACY_CMD_ATTACH,
					     nothing, zero, NULL, NULL, &err),
			 CONTROL_LEGACY_CANNOT_OPEN);
	assert_int_equal(control_legacy_call(path, WAIT_MS, CONTROL_LEGACY_CMD_ATTACH,
					     nothing, -1, NULL, NULL, &err),
			 CONTROL_LEGACY_CANNOT_OPEN);
	assert_int_equal(control_legacy_call(path, WAIT_MS, CONTROL_LEGACY_CMD_DETACH,
					     nothing, -1, NULL, NULL, &err),
			 CONTROL_LEGACY_NO_SUCH_DEVICE);
	assert_int_equal(count_devices(), 0);
	close_fd(&zero);
	close_fd(&file);
}

static void test_no_port_left(void **state)
{
	begin(*state, NULL);
	for (unsigned i = 0; i < 8; i++)
		done_only("{'verb':'attach','spec':'keyboard'}");
	refused("{'verb':'attach','spec':'keyboard'}", "no-free-port");
	done_only("{'verb':'attach','spec':'zero'}"); /* USB 3 has its own ports */
	assert_int_equal(count_devices(), 9);
	done_only("{'verb':'detach','device':'port 4'}");
	done_only("{'verb':'attach','spec':'keyboard'}");
}

static void next_event(struct control_client *watcher, const char *name)
{
	struct json_object *event;
	struct err err = {0};

	assert_ok(control_next_event(watcher, WAIT_MS, &event, &err));
	assert_string_equal(get_text(event, "event"), name);
	json_object_put(event);
}

static void test_watch(void **state)
{
	struct control_client *watcher;
	struct err err = {0};

	begin(*state, "keyboard");
	watcher = client;
	done_only("{'verb':'watch'}");
	client = control_connect(path, WAIT_MS, &err);
	assert_non_null(client);
	done_only("{'verb':'attach','spec':'zero'}");
	next_event(watcher, "attached");
	refused("{'verb':'attach','spec':'/nonexistent/node'}", "cannot-open");
	next_event(watcher, "failed");
	done_only("{'verb':'detach','device':'port 1'}");
	next_event(watcher, "detached");
	control_disconnect(watcher);
}

static void test_reset_keeps_the_port(void **state)
{
	struct json_object *answer;

	begin(*state, NULL);
	done_only("{'verb':'attach','spec':'keyboard','port':5,'name':'of wood'}");
	answer = done("{'verb':'reset','device':'port 5'}");
	assert_int_equal(json_object_get_int(get(get(answer, "device"), "port")), 5);
	assert_string_equal(get_text(get(answer, "device"), "label"), "of wood");
	json_object_put(answer);
	assert_int_equal(count_devices(), 1);
}

static void test_capture(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct json_object *answer;
	char file[DAEMON_PATH_MAX];
	char request[256];
	struct stat st;

	begin(f, "keyboard");
	daemon_path(&f->daemon, "usb.pcap", file);
	(void)snprintf(request, sizeof(request),
		       "{'verb':'capture','action':'start','path':'%s'}", file);
	done_only(request);
	refused(request, "busy");
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	answer = done("{'verb':'capture','action':'status'}");
	assert_true(json_object_get_boolean(get(answer, "running")));
	assert_true(json_object_get_int64(get(answer, "records")) > 4);
	json_object_put(answer);
	done_only("{'verb':'capture','action':'stop'}");
	/* the answer to "stop" comes after the last write */
	assert_ok(stat(file, &st));
	assert_true(st.st_size > 24 + 4 * (16 + 64));
	done_only(request);
}

static off_t size_of(const char *name)
{
	struct stat st;

	assert_ok(stat(name, &st));
	return st.st_size;
}

/* The daemon captures into the client's descriptor, whose file (mode 0) it may not open
 * again. */
static void test_capture_into_what_is_handed_over(void **state)
{
	/* a capture of one byte more than its header */
	static const uint8_t old[25] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0};
	struct func *f = *state;
	struct capture capture;
	struct drv_device device;
	char file[DAEMON_PATH_MAX];
	int fd;

	begin(f, "keyboard");
	daemon_path(&f->daemon, "usb.pcap", file);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	/* the capture replaces old contents */
	assert_int_equal(write(fd, old, sizeof(old)), sizeof(old));
	json_object_put(ask_fd("{'verb':'capture','action':'start','path':'mine'}", fd));
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	done_only("{'verb':'capture','action':'stop'}");
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_ok(capture_read(&capture, file));
	assert_true(capture.count > 4);
	capture_finish(&capture);
	close_fd(&fd);
	fd = open("/dev/zero", O_WRONLY | O_CLOEXEC);
	refused_fd("{'verb':'capture','action':'start'}", fd, "bad-request");
	close_fd(&fd);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	refused_fd("{'verb':'capture','action':'start'}", fd, "cannot-open");
	close_fd(&fd);
	/* a file that is no capture stays unchanged */
	assert_ok(truncate(file, 0));
	assert_ok(truncate(file, 100));
	fd = open(file, O_RDWR | O_CLOEXEC);
	refused_fd("{'verb':'capture','action':'start'}", fd, "cannot-open");
	close_fd(&fd);
	assert_int_equal(size_of(file), 100);
}

static void capture_into(const char *file, const char *code)
{
	char request[256];

	(void)snprintf(request, sizeof(request),
		       "{'verb':'capture','action':'start','path':'%s'}", file);
	if (code)
		refused(request, code);
	else
		done_only(request);
}

static void attach_file(const char *file, const char *code)
{
	char request[256];

	(void)snprintf(request, sizeof(request),
		       "{'verb':'attach','spec':'stick:file=%s'}", file);
	if (code)
		refused(request, code);
	else
		done_only(request);
}

/* One file cannot be image and capture: the daemon refuses the second use. */
static void test_capture_or_image(void **state)
{
	struct func *f = *state;
	const char *stick = func_stick_spec(f, "high");
	char file[DAEMON_PATH_MAX];
	int fd;

	begin(f, stick);
	capture_into(f->image, "busy");
	fd = open(f->image, O_RDWR | O_CLOEXEC);
	refused_fd("{'verb':'capture','action':'start'}", fd, "busy");
	close_fd(&fd);
	assert_int_equal(size_of(f->image), FUNC_IMAGE_BYTES);
	attach_file(f->image, "busy");
	done_only("{'verb':'detach','device':'1'}");
	/* not even once the stick is detached */
	capture_into(f->image, "cannot-open");
	assert_int_equal(size_of(f->image), FUNC_IMAGE_BYTES);
	attach_file(f->image, NULL);

	daemon_path(&f->daemon, "usb.pcap", file);
	capture_into(file, NULL);
	attach_file(file, "busy");
	done_only("{'verb':'capture','action':'stop'}");
}

/* A file that the client has opened; it may have no name any more. */
static void test_attach_what_is_handed_over(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct bot bot;
	struct guest_buf buf;
	int fd;

	(void)func_stick_spec(f, "high");
	begin(f, NULL);
	fd = open(f->image, O_RDWR | O_CLOEXEC);
	assert_ok(unlink(f->image));
	json_object_put(ask_fd("{'verb':'attach','spec':'stick:file=any.img'}", fd));
	close_fd(&fd);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 8, &device);
	bot_init(&bot, &device);
	assert_ok(bot_open(&bot));
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_LOW, BOT_SECTOR, 64);
	assert_ok(bot_read(&bot, 7, 1, buf.iova, 0, 0));
	assert_int_equal(*(uint8_t *)guest_ptr(&f->ram, buf.iova, 1), 7);
	/* the reset reopens the image through the client's descriptor */
	done_only("{'verb':'reset','device':'1'}");
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	refused_fd("{'verb':'attach','spec':'stick:file=any.img'}", fd, "bad-request");
	refused_fd("{'verb':'attach','spec':'zero'}", fd, "bad-request");
	close_fd(&fd);
	/* a relative name would be in the daemon's folder, not the client's */
	refused("{'verb':'attach','spec':'stick:file=any.img'}", "bad-request");
}

static int64_t vmm_number(const char *name)
{
	struct json_object *answer = done("{'verb':'list'}");
	int64_t number = json_object_get_int64(get(get(answer, "vmm"), name));

	json_object_put(answer);
	return number;
}

/* Memory that the VMM shares, and ranges without a descriptor. */
static void test_tells_of_the_vmm(void **state)
{
	struct func *f = *state;

	begin(f, "keyboard");
	assert_int_equal(vmm_number("connected"), 0);
	func_boot(f, VFU_DIALECT_QEMU);
	assert_int_equal(vmm_number("connected"), 1);
	assert_true(vmm_number("memory_shared") > 0);
	assert_int_equal(vmm_number("memory_unshared"), 0);
	/* like QEMU without share=on, and its ROMs */
	assert_ok(vfu_dma_unmap_all(&f->vmm.client));
	assert_ok(vfu_dma_map(&f->vmm.client, 0, 0x80000000, -1, 0, 3));
	assert_ok(vfu_dma_map(&f->vmm.client, 0xfffc0000, 0x40000, -1, 0, 1));
	assert_int_equal(vmm_number("memory_shared"), 0);
	assert_int_equal(vmm_number("memory_unshared"), 0x80000000);
}

static struct json_object *list_sandbox(void)
{
	struct json_object *answer = done("{'verb':'list'}");
	struct json_object *sandbox = json_object_get(get(answer, "sandbox"));

	json_object_put(answer);
	assert_non_null(sandbox);
	return sandbox;
}

static void assert_one_of_both(struct json_object *object, const char *name,
			       const char *without)
{
	assert_true((get(object, name) != NULL) != (get(object, without) != NULL));
	if (get(object, name))
		assert_true(json_object_get_int64(get(object, name)) > 0);
	else
		assert_true(strlen(get_text(object, without)) > 0);
}

/* In each mode. The answer has the same fields for every kernel and build. */
static void test_tells_of_the_sandbox(void **state)
{
	static const char *const modes[] = {"on", "log", "off"};
	struct func *f = *state;
	struct err err = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		const char *args[] = {"--hotplug-socket-path",
				      path,
				      "--sandbox-path",
				      f->daemon.dir,
				      "--sandbox",
				      modes[i],
				      NULL};
		struct json_object *sandbox;

		func_start_args(f, args);
		assert_ok(daemon_wait_listening(&f->daemon, path));
		client = control_connect(path, WAIT_MS, &err);
		assert_non_null(client);
		sandbox = list_sandbox();
		assert_string_equal(get_text(sandbox, "mode"), modes[i]);
		assert_int_equal(json_object_get_int64(get(sandbox, "user")), geteuid());
		assert_int_equal(json_object_get_int64(get(sandbox, "refused")), 0);
		assert_null(get(sandbox, "refused_last"));
		if (strcmp(modes[i], "off") != 0)
			assert_one_of_both(sandbox, "system_calls", "no_system_calls");
		if (strcmp(modes[i], "on") == 0)
			assert_one_of_both(sandbox, "landlock", "no_landlock");
		else
			assert_null(get(sandbox, "landlock"));
		json_object_put(sandbox);
		control_disconnect(client);
		client = NULL;
		assert_int_equal(daemon_stop(&f->daemon), 0);
	}
}

static bool has_logged(struct func *f, const char *text)
{
	_cleanup_free_ char *log = daemon_stderr(&f->daemon);

	assert_non_null(log);
	return strstr(log, text) != NULL;
}

/* Two subsystems log, but only the chosen one at debug level. */
static void test_log_of_one_subsystem(void **state)
{
	struct func *f = *state;

	begin(f, NULL);
	done_only("{'verb':'log','level':'debug','subsystem':'xhci'}");
	done_only("{'verb':'attach','spec':'keyboard'}");
	assert_ok(daemon_await_stderr(&f->daemon, "xhci: port 1: ", WAIT_MS));
	assert_false(has_logged(f, "control: attach"));
	done_only("{'verb':'log','level':'error'}");
	done_only("{'verb':'log','level':'debug','subsystem':'daemon'}");
	done_only("{'verb':'attach','spec':'keyboard'}");
	assert_ok(daemon_await_stderr(&f->daemon, "control: attach", WAIT_MS));
	assert_false(has_logged(f, "xhci: port 2: "));
}

static void test_stats(void **state)
{
	struct func *f = *state;
	struct drv_device device;
	struct json_object *answer, *one;

	begin(f, "keyboard");
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	func_find(f, 3, &device);
	answer = done("{'verb':'stats','device':'port 1'}");
	one = get(answer, "device");
	assert_true(json_object_get_int64(get(one, "transfers")) > 2);
	assert_true(json_object_get_int64(get(one, "bytes_in")) >= 18);
	json_object_put(answer);
}

static void test_rules(void **state)
{
	struct json_object *answer, *rule;

	begin(*state, "usb:vid=1234,pid=0001|0002");
	done_only("{'verb':'rules','action':'add','rule':'usb:serial=A*','rule_id':'mine'"
		  "}");
	refused("{'verb':'rules','action':'add','rule':'usb:serial=B','rule_id':'mine'}",
		"already-attached");
	answer = done("{'verb':'rules','action':'list'}");
	assert_int_equal(json_object_array_length(get(answer, "rules")), 2);
	rule = json_object_array_get_idx(get(answer, "rules"), 0);
	assert_string_equal(get_text(rule, "origin"), "option");
	assert_string_equal(get_text(rule, "state"), "waiting");
	rule = json_object_array_get_idx(get(answer, "rules"), 1);
	assert_string_equal(get_text(rule, "rule_id"), "mine");
	json_object_put(answer);
	done_only("{'verb':'rules','action':'remove','rule_id':'mine'}");
}

static void test_ends_with_clients(void **state)
{
	struct func *f = *state;

	begin(f, "keyboard");
	done_only("{'verb':'watch'}");
	assert_ok(daemon_signal(&f->daemon, SIGTERM));
	assert_int_equal(daemon_wait(&f->daemon, WAIT_MS), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void cycle(void)
{
	struct json_object *answer = done("{'verb':'attach','spec':'zero'}");
	char request[64];

	(void)snprintf(request, sizeof(request), "{'verb':'detach','device':'%s'}",
		       get_text(get(answer, "device"), "id"));
	json_object_put(answer);
	done_only(request);
}

static void test_a_thousand_cycles_leak_nothing(void **state)
{
	struct func *f = *state;
	struct daemon_usage before, after;
	int fds;

	begin(f, NULL);
	for (unsigned i = 0; i < 50; i++)
		cycle();
	fds = daemon_fd_count(&f->daemon);
	assert_ok(daemon_usage(&f->daemon, &before));
	for (unsigned i = 0; i < CYCLES; i++)
		cycle();
	assert_int_equal(daemon_fd_count(&f->daemon), fds);
	assert_ok(daemon_usage(&f->daemon, &after));
	assert_int_equal(after.threads, before.threads);
	if (!func_is_sanitized())
		assert_true(after.rss_anon_kib <= before.rss_anon_kib + 256);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lists),
		T(test_socket_is_private),
		T(test_attach_and_detach),
		T(test_refusals),
		T(test_no_port_left),
		T(test_watch),
		T(test_reset_keeps_the_port),
		T(test_capture),
		T(test_capture_into_what_is_handed_over),
		T(test_capture_or_image),
		T(test_attach_what_is_handed_over),
		T(test_log_of_one_subsystem),
		T(test_tells_of_the_vmm),
		T(test_tells_of_the_sandbox),
		T(test_stats),
		T(test_rules),
		T(test_ends_with_clients),
		T(test_a_thousand_cycles_leak_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
