/* SPDX-License-Identifier: MIT
 * test_steps_random.c - tests of src/daemon/attach/steps.c: orders and events in any order
 *
 * attachment_enter() asserts that each step is one that the drawing has.
 */
#include "ordered.h"

#include <errno.h>
#include <sched.h>

#include "util/log.h"

#define ROUNDS 100u
#define STEPS  60u
/* What the fixture has room for, less the steps of one turn. */
#define OPENINGS_MAX 12u

static uint32_t random_state;
static unsigned last_id, orders, answers;

static unsigned choose(unsigned count)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 16) % count;
}

static void on_answer(void *ctx, unsigned id, unsigned port, const struct err *err,
		      const char *hint)
{
	(void)hint;
	assert_ptr_equal(ctx, &answers);
	assert_true(id <= last_id);
	assert_true((port > 0) == !err);
	answers++;
}

static void order_one(void)
{
	static const char *const texts[] = {"/dev/a", "/dev/b", "keyboard", "from afar",
					    "stick:file=/nonexistent/image"};
	unsigned at = choose(ARRAY_SIZE(texts));
	const struct attach_order order = {
		.text = texts[at],
		.fd = at == 3 ? 7 : -1,
		.port = choose(3),
		.rule = choose(4) == 0 ? "r1" : NULL,
		.force = choose(2),
		.done = on_answer,
		.ctx = &answers,
	};
	struct err err = {0};
	int id;

	last_id++;
	id = attach_order(attach, &order, &err);
	if (id > 0)
		orders++;
	else
		assert_true(err.code != 0);
}

static void reset_one(void)
{
	struct err err = {0};

	if (last_id > 0 &&
	    attach_reset(attach, 1 + choose(last_id), on_answer, &answers, &err) == 0)
		orders++;
}

static void answer_one(void)
{
	for (unsigned i = 0; i < opening_count; i++) {
		if (openings[i].answered || choose(2))
			continue;
		if (choose(3) == 0)
			refuse(i, choose(2) ? EACCES : EIO);
		else
			(void)answer(i);
		return;
	}
}

static void pull_one(void)
{
	for (unsigned port = 1; port <= plugs; port++) {
		if (ports[port] && choose(2)) {
			go(port);
			return;
		}
	}
}

static void step(void)
{
	nodes.number = 5 + choose(3);
	nodes.error = choose(6) == 0 ? EACCES : 0;
	nodes.guard = choose(6) == 0 ? EPERM : 0;
	plug_error = choose(10) == 0 ? ENOSPC : 0;
	switch (choose(8)) {
	case 0:
	case 1:
		order_one();
		break;
	case 2:
		if (last_id > 0)
			(void)!attach_detach(attach, 1 + choose(last_id), NULL, NULL);
		break;
	case 3:
		reset_one();
		break;
	case 4:
		pull_one();
		break;
	case 5:
		if (kernel.event)
			tell(choose(2), PLACE, 5 + choose(3));
		break;
	case 6:
		advance(choose(2) ? SECOND / 10 : 11 * SECOND);
		break;
	default:
		answer_one();
	}
	turn();
	/* lets a worker run */
	if (choose(6) == 0)
		sched_yield();
}

/* All that was begun has an end, and all orders their answer unless it is the end. */
static void end(void)
{
	unsigned before = answers;

	attach_stop(attach);
	while (idle == 0) {
		for (unsigned i = 0; i < opening_count; i++) {
			if (!openings[i].answered)
				refuse(i, ENODEV);
		}
		turn();
		sched_yield();
	}
	assert_int_equal(answers, before);
	assert_true(answers <= orders);
}

static void test_in_any_order(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		random_state = round;
		last_id = orders = answers = 0;
		assert_int_equal(setup(state), 0);
		nodes.sysfs = true;
		nodes.at_place = round % 2;
		log_init(LOG_LEVEL_ERROR, false);
		ready();
		for (unsigned i = 0;
		     i < STEPS && opening_count < OPENINGS_MAX && plugs < OPENINGS_MAX;
		     i++)
			step();
		end();
		assert_int_equal(teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
