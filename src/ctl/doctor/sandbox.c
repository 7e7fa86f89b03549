/* SPDX-License-Identifier: MIT
 * sandbox.c - the sandbox of a daemon
 *
 * Mostly notes, because a daemon works without a sandbox; a refused call is a problem.
 */
#include "ctl/doctor/sandbox.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "ctl/doctor/finding.h"
#include "ctl/text.h"

/* Names of calls that a finding lists. */
#define NAMES_MAX 8u

static void report_mode(const struct doctor *doctor, const char *path, const char *mode)
{
	struct doctor_finding finding = {.code = "sandbox-off"};

	if (strcmp(mode, "log") == 0) {
		finding.code = "sandbox-log";
		DOCTOR_SAY(
			finding.what,
			"the sandbox of the daemon at %s refuses nothing, it only logs",
			path);
		DOCTOR_SAY(
			finding.mend,
			"start usbvfiod without --sandbox=log, once its log has no line "
			"\"sandbox: system call\"");
	} else if (strcmp(mode, "off") == 0) {
		DOCTOR_SAY(finding.what, "the daemon at %s has no sandbox", path);
		DOCTOR_SAY(finding.mend, "start usbvfiod without --sandbox=off");
	} else {
		return;
	}
	doctor->on_finding(doctor->ctx, &finding);
}

static void report_on(const struct doctor *doctor, const char *path,
		      struct json_object *sandbox)
{
	struct doctor_finding finding = {.code = "sandbox"};
	char landlock[64] = "no Landlock", calls[64] = "all system calls";
	const char *of_others = control_get_text(sandbox, "dac_override");
	int64_t user = -1, number;

	if (control_get_number(sandbox, "landlock", &number))
		DOCTOR_SAY(landlock, "Landlock %lld", (long long)number);
	if (control_get_number(sandbox, "system_calls", &number))
		DOCTOR_SAY(calls, "%lld system calls", (long long)number);
	(void)control_get_number(sandbox, "user", &user);
	DOCTOR_SAY(finding.what,
		   "the daemon at %s is in its sandbox: user %lld, %s, %s%s%s", path,
		   (long long)user, landlock, calls,
		   of_others ? "; it keeps CAP_DAC_OVERRIDE for " : "",
		   of_others ? of_others : "");
	if (of_others)
		DOCTOR_SAY(finding.mend,
			   "start usbvfiod as the owner of that, who needs no capability "
			   "for it: --user NAME, or User=NAME in its unit");
	else if (user == 0)
		DOCTOR_SAY(finding.mend,
			   "root's files are root's, also without privileges: start "
			   "usbvfiod with --user NAME, or User=NAME in its unit");
	doctor->on_finding(doctor->ctx, &finding);
}

static void report_missing(const struct doctor *doctor, const char *path,
			   struct json_object *sandbox)
{
	struct doctor_finding finding = {.code = "no-landlock"};
	const char *why = control_get_text(sandbox, "no_landlock");

	if (why) {
		DOCTOR_SAY(finding.what,
			   "the sandbox of the daemon at %s does not confine files: no "
			   "Landlock, %s",
			   path, why);
		DOCTOR_SAY(finding.mend,
			   "boot a kernel with CONFIG_SECURITY_LANDLOCK, 5.13 or "
			   "later, and with "
			   "landlock among the words of lsm=");
		doctor->on_finding(doctor->ctx, &finding);
	}
	why = control_get_text(sandbox, "no_system_calls");
	if (why) {
		finding.code = "no-seccomp";
		DOCTOR_SAY(finding.what,
			   "the sandbox of the daemon at %s does not confine system "
			   "calls: no "
			   "seccomp, %s",
			   path, why);
		DOCTOR_SAY(
			finding.mend,
			"boot a kernel with CONFIG_SECCOMP_FILTER; use a build without "
			"sanitizers and coverage");
		doctor->on_finding(doctor->ctx, &finding);
	}
}

static void report_refused(const struct doctor *doctor, const char *path,
			   struct json_object *sandbox, bool is_log)
{
	struct doctor_finding finding = {.problem = true, .code = "refused-calls"};
	struct json_object *last = control_get_array(sandbox, "refused_last");
	size_t count = last ? json_object_array_length(last) : 0;
	char names[256] = "";
	size_t len = 0;
	int64_t refused = 0;

	if (!control_get_number(sandbox, "refused", &refused) || refused <= 0)
		return;
	for (size_t i = 0; i < MIN_OF(count, NAMES_MAX) && len < sizeof(names); i++) {
		const char *name =
			json_object_get_string(json_object_array_get_idx(last, i));

		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.40s",
					i == 0 ? ": " : ", ", name ? name : "?");
	}
	DOCTOR_SAY(
		finding.what,
		"%lld system call%s of the daemon at %s %s refused, the last of them%s",
		(long long)refused, refused == 1 ? "" : "s", path,
		is_log         ? "would have been"
		: refused == 1 ? "was"
			       : "were",
		names);
	DOCTOR_SAY(finding.mend,
		   "please report it, with the lines \"sandbox: system call\" of the "
		   "daemon's "
		   "log%s",
		   is_log ? "" : "; until that is fixed, --sandbox=log refuses nothing");
	doctor->on_finding(doctor->ctx, &finding);
}

void doctor_check_sandbox(const struct doctor *doctor, const char *path,
			  struct json_object *list)
{
	struct json_object *sandbox = control_get_object(list, "sandbox");
	const char *mode = sandbox ? control_get_text(sandbox, "mode") : NULL;

	if (!mode)
		return;
	if (strcmp(mode, "on") == 0)
		report_on(doctor, path, sandbox);
	else
		report_mode(doctor, path, mode);
	report_missing(doctor, path, sandbox);
	report_refused(doctor, path, sandbox, strcmp(mode, "log") == 0);
}
