/* SPDX-License-Identifier: MIT
 * ordered.c - orders for attach, and their answers
 */
#include "ordered.h"

#include <stdio.h>

/* --- answers --- */

unsigned done_count, left_count;
unsigned done_id, done_port;
int done_error;
char done_hint[64];

void on_done(void *ctx, unsigned id, unsigned port, const struct err *err,
	     const char *hint)
{
	assert_ptr_equal(ctx, &done_count);
	assert_true((port > 0) == !err);
	done_count++;
	done_id = id;
	done_port = port;
	done_error = err ? err->code : 0;
	(void)snprintf(done_hint, sizeof(done_hint), "%s", hint);
}

void on_left(void *ctx)
{
	assert_ptr_equal(ctx, &left_count);
	left_count++;
}

int setup_order(void **state)
{
	done_count = left_count = done_id = done_port = 0;
	done_error = 0;
	return setup(state);
}

/* --- orders --- */

int try_order(const char *text, int fd, unsigned port, const char *rule, struct err *err)
{
	const struct attach_order order = {
		.text = text,
		.fd = fd,
		.port = port,
		.rule = rule,
		/* with force, attach does not check the host first */
		.force = fd >= 0,
		.done = on_done,
		.ctx = &done_count,
	};

	return attach_order(attach, &order, err);
}

unsigned order(const char *text)
{
	struct err err = {0};
	int id = try_order(text, -1, 0, NULL, &err);

	assert_true(id > 0);
	return (unsigned)id;
}

unsigned order_fd(const char *rule)
{
	unsigned before = __atomic_load_n(&nodes.reopens, __ATOMIC_SEQ_CST);
	struct err err = {0};
	int id = try_order("from afar", 7, 0, rule, &err);

	assert_true(id > 0);
	/* turn until the worker has reported its result */
	while (look((unsigned)id) > 0 && found.id == (unsigned)id && found.bus == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(nodes.reopens, before + 1);
	return (unsigned)id;
}

void detach(unsigned id)
{
	assert_int_equal(attach_detach(attach, id, on_left, &left_count), 0);
}

struct attach_info found;
static unsigned found_count;

static void on_each(void *ctx, const struct attach_info *info)
{
	const unsigned *id = ctx;

	found_count++;
	if (info->id == *id)
		found = *info;
}

/* Puts the attachment with @id into @found. Return: how many attachments there are */
unsigned look(unsigned id)
{
	found_count = 0;
	found = (struct attach_info){0};
	attach_each(attach, on_each, &id);
	return found_count;
}

void ready(void)
{
	start(NULL, NULL);
	turns();
	assert_int_equal(settled, 1);
}
