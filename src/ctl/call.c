/* SPDX-License-Identifier: MIT
 * call.c - find the daemon, send it requests, print its refusals
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "control/find.h"
#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/table.h"
#include "ctl/text.h"

/* ---- complaints ---- */

static void say_error(const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *clean = NULL;

	if (vasprintf(&text, format, ap) < 0) {
		text = NULL;
		return;
	}
	clean = ctl_clean(text, CTL_COLUMNS_ANY, NULL);
	/* keep the order of both outputs */
	(void)fflush(stdout);
	(void)fprintf(stderr, "usbvfioctl: %s\n", clean);
}

void ctl_complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_error(format, ap);
	va_end(ap);
}

enum ctl_status ctl_misused(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_error(format, ap);
	va_end(ap);
	(void)fputs("see usbvfioctl --help\n", stderr);
	return CTL_STATUS_USAGE;
}

/* ---- the daemon ---- */

const char *ctl_socket(const struct ctl *ctl)
{
	static struct control_sockets sockets;
	const char *folders[CONTROL_FIND_FOLDERS];
	const char *path = NULL;
	struct err err = {0};
	int r;

	if (ctl->socket)
		return ctl->socket;
	control_find_folders(folders);
	control_find_all(folders, CONTROL_FIND_FOLDERS, &sockets);
	r = control_find_one(&sockets, &path, &err);
	if (r == 0)
		return path;
	if (r != -ENOTUNIQ) {
		ctl_complain("%s", err.text);
		return NULL;
	}
	ctl_complain("found %zu daemons, choose one with --socket:", sockets.count);
	for (size_t i = 0; i < sockets.count; i++)
		ctl_complain("  --socket %s", sockets.paths[i]);
	return NULL;
}

struct control_client *ctl_connect(const char *path)
{
	struct err err = {0};
	struct control_client *client = control_connect(path, 0, &err);

	if (!client)
		ctl_complain("%s", err.text);
	return client;
}

/* ---- requests ---- */

/* Takes @value. */
static void put(struct json_object *request, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(request, key, value) == 0)
		return;
	ctl_complain("out of memory");
	exit(CTL_STATUS_FAILED);
}

struct json_object *ctl_request(const char *verb)
{
	struct json_object *request = json_object_new_object();

	if (!request) {
		ctl_complain("out of memory");
		exit(CTL_STATUS_FAILED);
	}
	ctl_put_text(request, "verb", verb);
	return request;
}

void ctl_put_text(struct json_object *request, const char *key, const char *text)
{
	if (text)
		put(request, key, json_object_new_string(text));
}

void ctl_put_number(struct json_object *request, const char *key, int64_t number)
{
	put(request, key, json_object_new_int64(number));
}

void ctl_put_true(struct json_object *request, const char *key)
{
	put(request, key, json_object_new_boolean(true));
}

char *ctl_target(const struct ctl *ctl, int first)
{
	if (ctl->nargs - first == 2)
		return ctl_format("%s %s", ctl->args[first], ctl->args[first + 1]);
	return ctl_copy(ctl->args[first]);
}

/* ---- answers ---- */

static void say_refusal(struct json_object *answer)
{
	struct json_object *error = control_get_object(answer, "error");
	const char *message = control_get_text(error, "message");
	const char *hint = control_get_text(error, "hint");

	ctl_complain("%s", message ? message : "the daemon refused without a reason");
	if (hint)
		ctl_complain("%s", hint);
}

enum ctl_status ctl_call(const struct ctl *ctl, struct control_client *client,
			 struct json_object *request, int fd,
			 struct json_object **ret_answer)
{
	struct json_object *answer = NULL, *ok;
	struct err err = {0};
	int r = control_call(client, request, fd, &answer, &err);

	json_object_put(request);
	*ret_answer = NULL;
	if (r < 0) {
		ctl_complain("%s", err.text);
		return CTL_STATUS_FAILED;
	}
	if (json_object_object_get_ex(answer, "ok", &ok) && json_object_get_boolean(ok)) {
		*ret_answer = answer;
		return CTL_STATUS_DONE;
	}
	if (ctl->json)
		ctl_print_json(answer);
	say_refusal(answer);
	json_object_put(answer);
	return CTL_STATUS_FAILED;
}

enum ctl_status ctl_ask(const struct ctl *ctl, struct json_object *request, int fd,
			struct json_object **ret_answer)
{
	const char *path = ctl_socket(ctl);
	struct control_client *client = path ? ctl_connect(path) : NULL;
	enum ctl_status status;

	*ret_answer = NULL;
	if (!client) {
		json_object_put(request);
		return CTL_STATUS_FAILED;
	}
	status = ctl_call(ctl, client, request, fd, ret_answer);
	if (status == CTL_STATUS_DONE && ctl->json)
		ctl_print_json(*ret_answer);
	control_disconnect(client);
	return status;
}

void ctl_say_device(const struct ctl *ctl, struct json_object *answer, const char *done,
		    const char *target)
{
	struct json_object *device = control_get_object(answer, "device");
	const char *id = control_get_text(device, "id"), *name = ctl_device_name(device);
	_cleanup_free_ char *clean_id =
		ctl_clean(id ? id : target, CTL_COLUMNS_ANY, NULL);
	_cleanup_free_ char *clean_name = ctl_clean(name ? name : "", 64, NULL);
	int64_t port;

	if (ctl->json)
		return;
	(void)printf("%s %s", done, clean_id);
	if (name && id && strcmp(name, id) != 0)
		(void)printf(" (%s)", clean_name);
	if (control_get_number(device, "port", &port))
		(void)printf(", port %lld", (long long)port);
	(void)puts("");
}

enum ctl_status ctl_ask_device(const struct ctl *ctl, struct json_object *request, int fd,
			       const char *done, const char *target)
{
	struct json_object *answer;
	enum ctl_status status = ctl_ask(ctl, request, fd, &answer);

	if (status == CTL_STATUS_DONE)
		ctl_say_device(ctl, answer, done, target);
	json_object_put(answer);
	return status;
}
