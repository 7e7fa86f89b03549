/* SPDX-License-Identifier: MIT
 * daemon.c - daemons and their control sockets
 */
#include "ctl/doctor/daemon.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "control/json.h"
#include "ctl/ctl.h"
#include "ctl/doctor/finding.h"
#include "ctl/doctor/sandbox.h"

#define ENTRIES_MAX       4096u
#define ANSWER_TIMEOUT_MS 3000

/* Paths go into commands. */
static bool is_plain_path(const char *path)
{
	for (; *path != '\0'; path++) {
		if (!isalnum((unsigned char)*path) && !strchr("-_./@:+", *path))
			return false;
	}
	return true;
}

/* Return: 0 or -errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (fd < 0 || lstat(path, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && stat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* Return: 0 with the answer, owned by the caller, or -errno. */
static int ask(struct control_client *client, const char *verb,
	       struct json_object **ret_answer, struct err *err)
{
	struct json_object *request = ctl_request(verb);
	int r = control_call_ok(client, request, -1, ret_answer, err);

	json_object_put(request);
	return r;
}

/* @path: of its control socket */
static void check_vmm(const struct doctor *doctor, const char *path,
		      struct json_object *list)
{
	struct doctor_finding finding = {.problem = true, .code = "memory-not-shared"};
	struct json_object *vmm = control_get_object(list, "vmm");
	struct json_object *connected = NULL;
	int64_t shared = 0, unshared = 0;

	if (!vmm || !json_object_object_get_ex(vmm, "connected", &connected))
		return;
	if (!json_object_get_boolean(connected)) {
		finding.problem = false;
		finding.code = "no-vmm";
		DOCTOR_SAY(finding.what, "no VMM is connected to the daemon at %s", path);
		doctor->on_finding(doctor->ctx, &finding);
		return;
	}
	/* VMMs never share some memory, as of a display */
	if (!control_get_number(vmm, "memory_shared", &shared) ||
	    !control_get_number(vmm, "memory_unshared", &unshared) || unshared <= shared)
		return;
	DOCTOR_SAY(finding.what,
		   "the VMM does not share the guest's memory with the daemon at %s "
		   "(%lld of "
		   "%lld MiB): no device works",
		   path, (long long)(shared >> 20),
		   (long long)((shared + unshared) >> 20));
	DOCTOR_SAY(finding.mend,
		   "start the VMM with shared memory: qemu-system-x86_64 -m SIZE -object "
		   "memory-backend-memfd,id=ram,size=SIZE,share=on -machine "
		   "memory-backend=ram "
		   "...; cloud-hypervisor --memory size=SIZE,shared=on ...");
	doctor->on_finding(doctor->ctx, &finding);
}

/* Return: 0, or -errno if it does not answer. */
static int check_answers(const struct doctor *doctor, const char *path, struct err *err)
{
	struct control_client *client = control_connect(path, ANSWER_TIMEOUT_MS, err);
	struct json_object *hello = NULL, *list = NULL;
	int r = client ? ask(client, "hello", &hello, err) : -err->code;

	if (r == 0)
		r = ask(client, "list", &list, err);
	if (r == 0) {
		check_vmm(doctor, path, list);
		doctor_check_sandbox(doctor, path, list);
	}
	json_object_put(hello);
	json_object_put(list);
	control_disconnect(client);
	return r;
}

void doctor_check_socket(const struct doctor *doctor, const char *path)
{
	struct doctor_finding finding = {.problem = true, .code = "socket"};
	const char *shown = is_plain_path(path) ? path : "PATH";
	struct err err = {0};
	int r = try_connect(path);

	switch (r) {
	case 0:
	case -EAGAIN:
		if (check_answers(doctor, path, &err) == 0)
			return;
		DOCTOR_SAY(
			finding.what,
			"the program that listens at %s does not answer as usbvfiod: %s",
			path, err.text);
		DOCTOR_SAY(finding.mend, "sudo lsof -U | grep %s   # shows the program",
			   shown);
		break;
	case -EACCES:
	case -EPERM:
		DOCTOR_SAY(finding.what,
			   "the control socket %s may not be used by uid %u", path,
			   (unsigned)geteuid());
		DOCTOR_SAY(finding.mend, "sudo setfacl -m u:%u:rw %s",
			   (unsigned)geteuid(), shown);
		break;
	case -ECONNREFUSED:
		DOCTOR_SAY(finding.what,
			   "the control socket %s belongs to a daemon that has ended",
			   path);
		DOCTOR_SAY(finding.mend, "rm %s   # then start usbvfiod again", shown);
		break;
	case -ENOENT:
		DOCTOR_SAY(finding.what,
			   "there is no control socket %s: no daemon has created it",
			   path);
		DOCTOR_SAY(finding.mend,
			   "usbvfiod --hotplug-socket-path %s ...   # with its other "
			   "options",
			   shown);
		break;
	default:
		DOCTOR_SAY(finding.what, "%s is no control socket that can be used: %s",
			   path, strerror(-r));
		DOCTOR_SAY(finding.mend,
			   "usbvfioctl --socket PATH doctor   # with the right path");
		break;
	}
	doctor->on_finding(doctor->ctx, &finding);
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);

	return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* Return: how many sockets it has, of running daemons or not. */
static unsigned check_folder(const struct doctor *doctor, const char *folder)
{
	struct doctor_finding finding = {.problem = true, .code = "socket"};
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	unsigned count = 0;

	if (!dir && errno == EACCES) {
		DOCTOR_SAY(finding.what,
			   "the folder of control sockets, %s, may not be read by uid %u",
			   folder, (unsigned)geteuid());
		DOCTOR_SAY(finding.mend, "sudo setfacl -m u:%u:rx %s",
			   (unsigned)geteuid(),
			   is_plain_path(folder) ? folder : "FOLDER");
		doctor->on_finding(doctor->ctx, &finding);
		return 1;
	}
	for (unsigned n = 0; dir && n < ENTRIES_MAX && (entry = readdir(dir));
	     n++) { /* NOLINT */
		char path[PATH_MAX];
		struct stat st;

		if (!ends_with(entry->d_name, ".sock") ||
		    ends_with(entry->d_name, ".vfio.sock") ||
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			    (int)sizeof(path) ||
		    lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
			continue;
		count++;
		doctor_check_socket(doctor, path);
	}
	if (dir)
		(void)closedir(dir);
	return count;
}

void doctor_check_folders(const struct doctor *doctor, const char *const folders[],
			  size_t nfolders)
{
	struct doctor_finding finding = {.problem = true, .code = "socket"};
	const char *last = "/run/usbvfiod";
	unsigned count = 0;

	for (size_t i = 0; i < nfolders; i++) {
		if (!folders[i])
			continue;
		last = folders[i];
		count += check_folder(doctor, folders[i]);
	}
	if (count > 0)
		return;
	DOCTOR_SAY(finding.what, "no daemon with a control socket was found");
	DOCTOR_SAY(finding.mend,
		   "usbvfiod --hotplug-socket-path %s/NAME.sock ...   # or say --socket "
		   "PATH",
		   is_plain_path(last) ? last : "FOLDER");
	doctor->on_finding(doctor->ctx, &finding);
}
