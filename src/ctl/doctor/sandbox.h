/* SPDX-License-Identifier: MIT
 * sandbox.h - the sandbox of a daemon
 */
#ifndef CTL_DOCTOR_SANDBOX_H
#define CTL_DOCTOR_SANDBOX_H

struct doctor;
struct json_object;

/* Checks the sandbox of the daemon at @path by its answer to "list"; an older daemon does not
 * report one. */
void doctor_check_sandbox(const struct doctor *doctor, const char *path,
			  struct json_object *list);

#endif /* CTL_DOCTOR_SANDBOX_H */
