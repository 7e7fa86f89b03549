/* SPDX-License-Identifier: MIT
 * forms.h - calls that a C library makes in another form than the list has
 */
#ifndef DAEMON_SANDBOX_FORMS_H
#define DAEMON_SANDBOX_FORMS_H

#include <stdbool.h>

#define SANDBOX_ARGS 3u

/* Whether call @number is a known form of a listed one, with most arguments. */
bool sandbox_form_is_known(int number);
/* Makes it in the form that is listed. @args: its first arguments. Return: whether that was
 * possible, with the result in @ret_result, as the kernel returns it. In a signal handler. */
bool sandbox_form_make(int number, const long args[SANDBOX_ARGS], long *ret_result);

#endif /* DAEMON_SANDBOX_FORMS_H */
