/* SPDX-License-Identifier: MIT
 * capture.c - capture start FILE, stop, status: a pcap file of all transfers
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/file.h"
#include "ctl/text.h"

static void show(struct json_object *answer)
{
	struct json_object *active = NULL;
	const char *path = control_get_text(answer, "path");
	_cleanup_free_ char *clean = ctl_clean(path ? path : "", CTL_COLUMNS_ANY, NULL);

	if (!json_object_object_get_ex(answer, "active", &active))
		(void)json_object_object_get_ex(answer, "running", &active);
	if (!json_object_get_boolean(active))
		(void)puts("no capture is running");
	else
		(void)printf("a capture is running%s%s\n", path ? ", into " : "", clean);
}

/* The daemon may have to open the file, and its working directory is another. */
static char *absolute(const char *path)
{
	char folder[PATH_MAX];

	if (path[0] == '/')
		return ctl_copy(path);
	if (!getcwd(folder, sizeof(folder))) {
		ctl_complain("where is %s? Give its absolute path: %s", path,
			     strerror(errno));
		return NULL;
	}
	return ctl_format("%s/%s", folder, path);
}

static enum ctl_status ask(const struct ctl *ctl, const char *action, const char *path,
			   int fd)
{
	struct json_object *request = ctl_request("capture"), *answer;
	enum ctl_status status;

	ctl_put_text(request, "action", action);
	ctl_put_text(request, "path", path);
	status = ctl_ask(ctl, request, fd, &answer);
	if (status == CTL_STATUS_DONE && !ctl->json)
		show(answer);
	json_object_put(answer);
	return status;
}

static enum ctl_status start(const struct ctl *ctl, const char *name)
{
	_cleanup_free_ char *path = absolute(name);
	struct ctl_capture_file file;
	enum ctl_status status;

	if (!path)
		return CTL_STATUS_FAILED;
	status = ctl_capture_file_open(&file, path);
	if (status == CTL_STATUS_DONE)
		status = ask(ctl, "start", path, file.fd);
	ctl_capture_file_finish(&file, status == CTL_STATUS_DONE);
	return status;
}

enum ctl_status ctl_capture(const struct ctl *ctl)
{
	const char *action = ctl->args[0];

	if (strcmp(action, "start") == 0 && ctl->nargs == 2)
		return start(ctl, ctl->args[1]);
	if ((strcmp(action, "stop") == 0 || strcmp(action, "status") == 0) &&
	    ctl->nargs == 1)
		return ask(ctl, action, NULL, -1);
	return ctl_misused("it is: capture start FILE, capture stop, or capture status");
}
