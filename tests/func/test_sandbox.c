/* SPDX-License-Identifier: MIT
 * test_sandbox.c - every thread of the real daemon is in its sandbox, later ones too
 */
#include "tests/func/func.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/client.h"
#include "util/compiler.h"

#include <json-c/json.h>

#define WAIT_MS     10000
#define THREADS_MIN 4u

/* A number in /proc/PID/task/TID/status, in base @base. */
static unsigned long long status_number(const char *status, const char *field, int base)
{
	const char *at = strstr(status, field);

	if (!at)
		fail_msg("no %s in:\n%s", field, status);
	return strtoull(at + strlen(field), NULL, base);
}

static void check_thread(const char *status)
{
	assert_int_equal(status_number(status, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(status_number(status, "\nCapEff:", 16), 0);
	assert_int_equal(status_number(status, "\nCapPrm:", 16), 0);
	assert_int_equal(status_number(status, "\nCapBnd:", 16) == 0, geteuid() == 0);
#if !SANDBOX_INSTRUMENTED
	/* SECCOMP_MODE_FILTER */
	assert_int_equal(status_number(status, "\nSeccomp:", 10), 2);
#endif
}

static unsigned check_threads(pid_t pid)
{
	char path[320], status[4096];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		FILE *file;
		size_t len;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status", (int)pid,
			       entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue; /* it has ended */
		len = fread(status, 1, sizeof(status) - 1, file);
		(void)fclose(file);
		status[len] = '\0';
		check_thread(status);
		count++;
	}
	(void)closedir(dir);
	return count;
}

/* Return: the answer to the request @verb, with @value for @key and @action (unless NULL)
 * for "action". */
static struct json_object *ask(const char *socket_path, const char *verb,
			       const char *action, const char *key, const char *value)
{
	struct json_object *answer = NULL;
	struct json_object *request = json_object_new_object();
	struct control_client *client;
	struct err err = {0};

	client = control_connect(socket_path, WAIT_MS, &err);
	assert_non_null(client);
	json_object_object_add(request, "verb", json_object_new_string(verb));
	if (action)
		json_object_object_add(request, "action", json_object_new_string(action));
	json_object_object_add(request, key, json_object_new_string(value));
	assert_ok(control_call(client, request, -1, &answer, &err));
	json_object_put(request);
	control_disconnect(client);
	return answer;
}

static bool is_ok(struct json_object *answer)
{
	struct json_object *ok;

	assert_true(json_object_object_get_ex(answer, "ok", &ok));
	return json_object_get_boolean(ok);
}

static void attach(const char *socket_path, const char *image)
{
	struct json_object *answer;
	char spec[DAEMON_PATH_MAX + 32];

	(void)snprintf(spec, sizeof(spec), "stick:file=%s", image);
	answer = ask(socket_path, "attach", NULL, "spec", spec);
	assert_true(is_ok(answer));
	json_object_put(answer);
}

/* Early threads, those of devices, and those of devices attached later, without an option
 * that asks for the sandbox. */
static void test_all_threads_are_inside(void **state)
{
	struct func *f = *state;
	char socket_path[DAEMON_PATH_MAX], image[DAEMON_PATH_MAX];
	const char *args[] = {"--hotplug-socket-path",
			      socket_path,
			      "--sandbox-path",
			      f->daemon.dir,
			      "--device",
			      func_stick_spec(f, "super"),
			      NULL};
	unsigned before, count;

	daemon_path(&f->daemon, "control.sock", socket_path);
	assert_ok(daemon_image(&f->daemon, "later", 1 << 20, image));
	func_start_args(f, args);
	func_connect(f, VFU_DIALECT_QEMU);
	before = check_threads(f->daemon.pid);
	assert_true(before >= THREADS_MIN);
	attach(socket_path, image);
	count = check_threads(f->daemon.pid);
	assert_true(count > before);
	func_disconnect(f);
}

/* The sockets belong to the user that the daemon becomes, so it can remove them. */
static void test_user_owns_the_sockets(void **state)
{
	struct func *f = *state;
	char control[DAEMON_PATH_MAX];
	const char *args[] = {"--hotplug-socket-path", control, "--user", "65534:65533",
			      NULL};
	struct stat st;

	if (geteuid() != 0)
		return;
	daemon_path(&f->daemon, "control.sock", control);
	assert_ok(chown(f->daemon.dir, 65534, 65533));
	func_start_args(f, args);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_ok(stat(control, &st));
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 65533);
	assert_ok(stat(f->daemon.socket, &st));
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 0777, 0600);
	func_disconnect(f);
	assert_ok(daemon_stop(&f->daemon));
	assert_int_equal(access(control, F_OK), -1);
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
}

/* In root's folder that user cannot remove them: the log says so for each, and the next
 * start replaces them. */
static void test_sockets_in_a_folder_of_root(void **state)
{
	struct func *f = *state;
	char control[DAEMON_PATH_MAX];
	const char *args[] = {"--hotplug-socket-path", control, "--user", "65534:65533",
			      NULL};

	if (geteuid() != 0)
		return;
	daemon_path(&f->daemon, "control.sock", control);
	assert_ok(chmod(f->daemon.dir, 0755));
	func_start_args(f, args);
	func_connect(f, VFU_DIALECT_QEMU);
	func_disconnect(f);
	assert_ok(daemon_stop(&f->daemon));
	assert_ok(access(control, F_OK));
	assert_ok(access(f->daemon.socket, F_OK));
	assert_ok(daemon_await_stderr(
		&f->daemon, "control.sock: Permission denied; the next start replaces it",
		1000));
	assert_ok(daemon_await_stderr(
		&f->daemon, "vfio.sock: Permission denied; the next start replaces it",
		1000));
	func_start_args(f, args);
	func_connect(f, VFU_DIALECT_QEMU);
	func_disconnect(f);
	assert_ok(daemon_stop(&f->daemon));
}

/* A capture in a missing folder: the answer says what to do, and doing so helps. */
static void test_capture_in_a_missing_folder(void **state)
{
	struct func *f = *state;
	char control[DAEMON_PATH_MAX], folder[DAEMON_PATH_MAX], path[DAEMON_PATH_MAX + 8];
	const char *args[] = {"--hotplug-socket-path", control, "--sandbox-path",
			      f->daemon.dir, NULL};
	struct json_object *answer, *error, *field;

	daemon_path(&f->daemon, "control.sock", control);
	daemon_path(&f->daemon, "captures", folder);
	(void)snprintf(path, sizeof(path), "%s/1.pcap", folder);
	func_start_args(f, args);
	func_connect(f, VFU_DIALECT_QEMU);
	answer = ask(control, "capture", "start", "path", path);
	assert_false(is_ok(answer));
	assert_true(json_object_object_get_ex(answer, "error", &error));
	assert_true(json_object_object_get_ex(error, "code", &field));
	assert_string_equal(json_object_get_string(field), "cannot-open");
	assert_true(json_object_object_get_ex(error, "hint", &field));
	assert_non_null(strstr(json_object_get_string(field), "make the folder"));
	json_object_put(answer);
	assert_ok(mkdir(folder, 0700));
	answer = ask(control, "capture", "start", "path", path);
	assert_true(is_ok(answer));
	json_object_put(answer);
	func_disconnect(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FUNC_TEST(test_all_threads_are_inside),
		FUNC_TEST(test_user_owns_the_sockets),
		FUNC_TEST(test_sockets_in_a_folder_of_root),
		FUNC_TEST(test_capture_in_a_missing_folder),
	};

	(void)unsetenv("USBVFIOD_SANDBOX");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
