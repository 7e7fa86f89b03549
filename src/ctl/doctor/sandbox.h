/* SPDX-License-Identifier: MIT
 * sandbox.h - what a daemon can still reach
 */
#ifndef CTL_DOCTOR_SANDBOX_H
#define CTL_DOCTOR_SANDBOX_H

struct doctor;
struct json_object;

/* What the daemon at @path can still reach, from its answer to "list"; an older one tells
 * nothing. */
void doctor_check_sandbox(const struct doctor *doctor, const char *path,
			  struct json_object *list);

#endif /* CTL_DOCTOR_SANDBOX_H */
