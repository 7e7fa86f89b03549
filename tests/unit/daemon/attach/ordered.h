/* SPDX-License-Identifier: MIT
 * ordered.h - orders for attach, and their answers
 */
#ifndef ORDERED_H
#define ORDERED_H

#include "attach_fixture.h"

/* How many orders have ended, and how the last one did. */
extern unsigned done_count, left_count;
extern unsigned done_id, done_port;
extern int done_error;
extern char done_hint[64];
/* By look(). */
extern struct attach_info found;

int setup_order(void **state);

/* Callbacks, with &done_count and &left_count. */
void on_done(void *ctx, unsigned id, unsigned port, const struct err *err,
	     const char *hint);
void on_left(void *ctx);

/* attach has started, without a device. */
void ready(void);
/* With an @fd also by force. */
int try_order(const char *text, int fd, unsigned port, const char *rule, struct err *err);
/* Which must be taken. Return: the id. */
unsigned order(const char *text);
/* A device handed over by fd 7, which only the fake of node_adopt() knows. Turns until its worker
 * has opened it again. */
unsigned order_fd(const char *rule);
void detach(unsigned id);
/* How many there are; the one with @id is in @found. */
unsigned look(unsigned id);

#endif /* ORDERED_H */
