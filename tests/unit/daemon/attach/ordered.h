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
/* Set by look(). */
extern struct attach_info found;

int setup_order(void **state);

/* Callbacks; their @ctx is &done_count and &left_count. */
void on_done(void *ctx, unsigned id, unsigned port, const struct err *err,
	     const char *hint);
void on_left(void *ctx);

/* Starts attach without a device. */
void ready(void);
/* Orders a device; with an @fd also by force. */
int try_order(const char *text, int fd, unsigned port, const char *rule, struct err *err);
/* Orders a device and demands that attach accepts the order. Return: the id */
unsigned order(const char *text);
/* Orders a device passed as fd 7, which only the fake of node_adopt() knows. Turns until its worker
 * has opened it again. */
unsigned order_fd(const char *rule);
void detach(unsigned id);
/* Puts the attachment with @id into @found. Return: how many attachments there are */
unsigned look(unsigned id);

#endif /* ORDERED_H */
