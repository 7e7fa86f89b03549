/* SPDX-License-Identifier: MIT
 * finding.h - reasons why a device of the host cannot be attached, or is slow
 *
 * A check reports its findings; it fixes nothing. Checks read sysfs and open nodes, which
 * may wait for the kernel.
 *
 * @root: everywhere a prefix of all paths, "" but for tests.
 */
#ifndef CTL_DOCTOR_FINDING_H
#define CTL_DOCTOR_FINDING_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/hostdev.h"

#define DOCTOR_TEXT_BYTES 1024u
/**
 * struct doctor_finding - one thing
 * @problem:	false: good to know, nothing to fix
 * @code:	for programs: "permission", "busy", ...
 * @device:	name of the device, "1-2.3"; "" if it is about the host or the daemon
 * @what:	for people, one line
 * @mend:	how to fix it: a command, or an instruction, one line; "" if there is none
 */
struct doctor_finding {
	bool problem;
	const char *code;
	char device[HOSTDEV_NAME_BYTES];
	char what[DOCTOR_TEXT_BYTES];
	char mend[DOCTOR_TEXT_BYTES];
};

/* Fills an array of a finding. */
#define DOCTOR_SAY(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

/* @on_finding: @finding is borrowed for the call. */
struct doctor {
	const char *root;
	void (*on_finding)(void *ctx, const struct doctor_finding *finding);
	void *ctx;
};

#endif /* CTL_DOCTOR_FINDING_H */
