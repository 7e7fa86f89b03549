/* SPDX-License-Identifier: MIT
 * doctor_host.c - the host's settings, its programs, and the daemon's socket
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/client.h"
#include "ctl/ctl.h"
#include "ctl/doctor.h"
#include "ctl/text.h"
#include "rules/sysfs.h"

#define PROCESSES_MAX     65536u
#define FDS_MAX           4096u
#define ENTRIES_MAX       4096u
#define ANSWER_TIMEOUT_MS 3000

/* --- settings --- */

void doctor_check_host(const struct doctor *doctor)
{
	struct doctor_finding finding = {.problem = true, .code = "usbfs-memory"};
	char folder[PATH_MAX];
	unsigned mb;

	(void)snprintf(folder, sizeof(folder), "%s/sys/module/usbcore/parameters",
		       doctor->root);
	/* 0: as much as wanted */
	if (sysfs_number(folder, "usbfs_memory_mb", 10, UINT_MAX, &mb) < 0 || mb == 0 ||
	    mb >= DOCTOR_USBFS_MB_ENOUGH)
		return;
	DOCTOR_SAY(finding.what,
		   "usbfs_memory_mb is %u: all programs share so many MiB for transfers, "
		   "and "
		   "fast "
		   "devices want more; to keep a change boot with "
		   "usbcore.usbfs_memory_mb=%u",
		   mb, DOCTOR_USBFS_MB_WANTED);
	DOCTOR_SAY(finding.mend,
		   "echo %u | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb",
		   DOCTOR_USBFS_MB_WANTED);
	doctor->tell(doctor->ctx, &finding);
}

/* --- programs --- */

/* Whether a process has @node open. @folder: its "fd" in /proc. */
static bool has_open(const char *folder, const char *node)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	/* one thread */
	for (unsigned n = 0; !found && n < FDS_MAX && (entry = readdir(dir));
	     n++) { /* NOLINT */
		char path[PATH_MAX];
		char target[64];
		ssize_t len;

		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
		    (int)sizeof(path))
			continue;
		len = readlink(path, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		found = strcmp(target, node) == 0;
	}
	(void)closedir(dir);
	return found;
}

int doctor_holder(const char *root, const struct hostdev *dev, char *name, size_t size)
{
	char folder[PATH_MAX];
	char node[64];
	const struct dirent *entry;
	unsigned long pid = 0;
	DIR *dir;

	(void)snprintf(node, sizeof(node), "/dev/bus/usb/%03u/%03u", dev->bus,
		       dev->number);
	(void)snprintf(folder, sizeof(folder), "%s/proc", root);
	dir = opendir(folder);
	if (!dir)
		return 0;
	for (unsigned n = 0; n < PROCESSES_MAX && (entry = readdir(dir));
	     n++) { /* NOLINT */
		char *end;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = strtoul(entry->d_name, &end, 10);
		(void)snprintf(folder, sizeof(folder), "%s/proc/%lu/fd", root, pid);
		if (*end == '\0' && pid <= INT_MAX && has_open(folder, node))
			break;
		pid = 0;
	}
	(void)closedir(dir);
	if (pid == 0)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s/proc/%lu", root, pid);
	if (sysfs_line(folder, "comm", name, size) < 0)
		(void)snprintf(name, size, "?");
	return (int)pid;
}

/* --- the daemon --- */

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
	struct json_object *vmm = ctl_object(list, "vmm");
	struct json_object *connected = NULL;
	int64_t shared = 0, unshared = 0;

	if (!vmm || !json_object_object_get_ex(vmm, "connected", &connected))
		return;
	if (!json_object_get_boolean(connected)) {
		finding.problem = false;
		finding.code = "no-vmm";
		DOCTOR_SAY(finding.what, "no VMM is connected to the daemon at %s", path);
		doctor->tell(doctor->ctx, &finding);
		return;
	}
	/* some is never shared: memory of a display */
	if (!ctl_number(vmm, "memory_shared", &shared) ||
	    !ctl_number(vmm, "memory_unshared", &unshared) || unshared <= shared)
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
	doctor->tell(doctor->ctx, &finding);
}

/* Return: 0, or -errno: it does not answer. */
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
		DOCTOR_SAY(finding.what,
			   "whoever listens at %s does not answer as usbvfiod: %s", path,
			   err.text);
		DOCTOR_SAY(finding.mend, "sudo lsof -U | grep %s   # tells who it is",
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
			   "the control socket %s is of a daemon that has ended", path);
		DOCTOR_SAY(finding.mend, "rm %s   # then start usbvfiod again", shown);
		break;
	case -ENOENT:
		DOCTOR_SAY(finding.what,
			   "there is no control socket %s: no daemon has made it", path);
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
	doctor->tell(doctor->ctx, &finding);
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_len = strlen(text), end_len = strlen(end);

	return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* Return: how many sockets it has, of daemons that live or not. */
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
		doctor->tell(doctor->ctx, &finding);
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
	doctor->tell(doctor->ctx, &finding);
}
