/* SPDX-License-Identifier: MIT
 * doctor.c - usbvfioctl doctor: all findings, and how to fix them
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "control/find.h"
#include "ctl/ctl.h"
#include "ctl/doctor/daemon.h"
#include "ctl/doctor/device.h"
#include "ctl/doctor/finding.h"
#include "ctl/doctor/host.h"
#include "ctl/text.h"

/* @findings: with --json, else NULL. */
struct visit {
	struct json_object *findings;
	unsigned problems;
};

static struct json_object *finding_to_json(const struct doctor_finding *finding)
{
	struct json_object *object = json_object_new_object();

	ctl_put_text(object, "level", finding->problem ? "problem" : "note");
	ctl_put_text(object, "code", finding->code);
	if (finding->device[0] != '\0')
		ctl_put_text(object, "device", finding->device);
	ctl_put_text(object, "message", finding->what);
	if (finding->mend[0] != '\0')
		ctl_put_text(object, "mend", finding->mend);
	return object;
}

static void on_finding(void *ctx, const struct doctor_finding *finding)
{
	struct visit *visit = ctx;
	_cleanup_free_ char *what = ctl_clean(finding->what, CTL_COLUMNS_ANY, NULL);
	_cleanup_free_ char *mend = ctl_clean(finding->mend, CTL_COLUMNS_ANY, NULL);

	if (finding->problem)
		visit->problems++;
	if (visit->findings) {
		(void)json_object_array_add(visit->findings, finding_to_json(finding));
		return;
	}
	(void)printf("%s%s%s%s\n", finding->problem ? "" : "note: ", finding->device,
		     finding->device[0] != '\0' ? ": " : "", what);
	if (mend[0] != '\0')
		(void)printf("    %s\n", mend);
}

static void check_daemon(const struct ctl *ctl, const struct doctor *doctor)
{
	const char *folders[CONTROL_FIND_FOLDERS];

	if (ctl->socket) {
		doctor_check_socket(doctor, ctl->socket);
		return;
	}
	control_find_folders(folders);
	doctor_check_folders(doctor, folders, CONTROL_FIND_FOLDERS);
}

/* Return: CTL_STATUS_USAGE after a complaint if there is no such device. */
static enum ctl_status check_devices(const struct ctl *ctl, const struct doctor *doctor)
{
	struct hostdev_list list = {0};
	const struct hostdev *named;
	enum ctl_status status = CTL_STATUS_DONE;
	int r = hostdev_list_read(doctor->root, &list);

	if (r < 0 && r != -ENOENT) {
		ctl_complain("the host's devices cannot be listed: %s", strerror(-r));
		return CTL_STATUS_FAILED;
	}
	if (ctl->nargs > 0) {
		named = doctor_find(&list, ctl->args[0]);
		if (named) {
			doctor_check_device(doctor, named);
		} else {
			ctl_complain(
				"the host has no USB device '%s': it may be named as "
				"/dev/bus/usb/003/017, 3:17 or 1-2.3; lsusb -t "
				"shows which there are",
				ctl->args[0]);
			status = CTL_STATUS_USAGE;
		}
	}
	for (unsigned i = 0; ctl->nargs == 0 && i < list.count; i++) {
		/* the guard refuses hubs */
		if (list.devs[i].device_class != USB_CLASS_OF_HUB)
			doctor_check_device(doctor, &list.devs[i]);
	}
	hostdev_list_finish(&list);
	return status;
}

enum ctl_status ctl_doctor(const struct ctl *ctl)
{
	struct visit visit = {.findings = ctl->json ? json_object_new_array() : NULL};
	const struct doctor doctor = {
		.root = "", .on_finding = on_finding, .ctx = &visit};
	enum ctl_status status = check_devices(ctl, &doctor);
	struct json_object *answer;

	if (status == CTL_STATUS_DONE) {
		doctor_check_host(&doctor);
		check_daemon(ctl, &doctor);
		if (visit.problems > 0)
			status = CTL_STATUS_FAILED;
	}
	if (ctl->json) {
		answer = json_object_new_object();
		(void)json_object_object_add(answer, "findings", visit.findings);
		ctl_put_number(answer, "problems", visit.problems);
		ctl_print_json(answer);
		json_object_put(answer);
	} else if (status == CTL_STATUS_DONE) {
		(void)puts("nothing is wrong");
	}
	return status;
}
