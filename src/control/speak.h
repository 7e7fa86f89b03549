/* SPDX-License-Identifier: MIT
 * speak.h - requests out of the bytes of a connection, in either dialect
 */
#ifndef CONTROL_SPEAK_H
#define CONTROL_SPEAK_H

#include <stdbool.h>

struct control_conn;

/* Handles the first request in the input. Return: true if there was one; false if more
 * has to come, or the connection is not RECEIVING any more. */
bool control_speak_next(struct control_conn *conn);

#endif /* CONTROL_SPEAK_H */
