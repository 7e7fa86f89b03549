/* SPDX-License-Identifier: MIT
 * answer.h - answers to requests, beside those that owners give (request.h)
 */
#ifndef CONTROL_ANSWER_H
#define CONTROL_ANSWER_H

#include "control/protocol.h"

struct control_conn;
struct control_pending;

/* A request of @conn, not parsed. Freed when it is answered; NULL without memory. */
struct control_pending *control_pending_create(struct control_conn *conn);
/* The answer to "hello". */
void control_answer_hello(struct control_pending *pending);
/* Sends an error that belongs to no request. */
void control_complain(struct control_conn *conn, enum control_code code,
		      const char *text);

#endif /* CONTROL_ANSWER_H */
