/* SPDX-License-Identifier: MIT
 * owner.c - a keeper's owner that records its calls, and a clock that the test sets
 */
#include "owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/loop.h"

#define ASKED_MAX 2048u
/* A test that waits longer is killed. */
#define TEST_MAX_S 60u

struct owner owner;

static struct loop *loop;
static char asked[ASKED_MAX][48];
static unsigned asked_count, asked_seen;

/* --- time --- */

uint64_t __wrap_clock_now_ns(void);
void __real_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void __wrap_loop_timer_stop(struct loop_timer *timer);
struct loop_timer *__real_loop_timer_create(struct loop *l, loop_cb *cb, void *ctx);
struct loop_timer *__wrap_loop_timer_create(struct loop *l, loop_cb *cb, void *ctx);

static uint64_t now_ns;
static loop_cb *timer_cb;
static void *timer_ctx;
static uint64_t timer_at_ns; /* 0: not set */

uint64_t __wrap_clock_now_ns(void)
{
	return now_ns;
}

struct loop_timer *__wrap_loop_timer_create(struct loop *l, loop_cb *cb, void *ctx)
{
	timer_cb = cb;
	timer_ctx = ctx;
	timer_at_ns = 0;
	return __real_loop_timer_create(l, cb, ctx);
}

void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns)
{
	(void)timer;
	timer_at_ns = now_ns + delay_ns;
}

void __wrap_loop_timer_stop(struct loop_timer *timer)
{
	(void)timer;
	timer_at_ns = 0;
}

uint64_t owner_timer_ns(void)
{
	return timer_at_ns == 0 ? 0 : timer_at_ns - now_ns;
}

void owner_pass_time(uint64_t ns)
{
	now_ns += ns;
	if (timer_at_ns != 0 && timer_at_ns <= now_ns) {
		timer_at_ns = 0;
		timer_cb(timer_ctx);
	}
}

/* --- the worker --- */

int __real_hostdev_read(const char *root, const char *place, struct hostdev *ret_dev);
int __wrap_hostdev_read(const char *root, const char *place, struct hostdev *ret_dev);

static atomic_bool held;
static sem_t has_read, may_end;

int __wrap_hostdev_read(const char *root, const char *place, struct hostdev *ret_dev)
{
	int r = __real_hostdev_read(root, place, ret_dev);

	if (atomic_exchange(&held, false)) {
		(void)sem_post(&has_read);
		(void)sem_wait(&may_end);
	}
	return r;
}

void owner_hold_reading(void)
{
	assert_int_equal(sem_init(&has_read, 0, 0), 0);
	assert_int_equal(sem_init(&may_end, 0, 0), 0);
	atomic_store(&held, true);
}

void owner_wait_read(void)
{
	assert_int_equal(sem_wait(&has_read), 0);
}

void owner_let_go(void)
{
	assert_int_equal(sem_post(&may_end), 0);
}

/* --- callbacks --- */

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list ap;

	assert_true(asked_count < ASKED_MAX);
	va_start(ap, format);
	(void)vsnprintf(asked[asked_count++], sizeof(asked[0]), format, ap);
	va_end(ap);
}

static void on_attach(void *ctx, unsigned holder, const struct rule *rule,
		      const struct hostdev *dev, unsigned port)
{
	struct err err = {.code = owner.code, .text = "made to fail"};

	(void)rule;
	assert_ptr_equal(ctx, &owner);
	note("attach %u %s#%u %u", holder, dev->name, dev->number, port);
	if (owner.held && strcmp(owner.held, dev->name) == 0)
		owner.held = NULL;
	if (owner.in_attach)
		owner.in_attach();
	if (owner.answer == OWNER_OK)
		keeper_attached(owner.keeper, holder, port ? port : ++owner.ports, NULL);
	else if (owner.answer == OWNER_FAIL)
		keeper_attached(owner.keeper, holder, 0, &err);
}

static void on_detach(void *ctx, unsigned holder)
{
	(void)ctx;
	note("detach %u", holder);
	if (owner.detach_at_once)
		keeper_gone(owner.keeper, holder, KEEPER_END_DETACHED);
}

static void on_pulled(void *ctx, unsigned holder)
{
	(void)ctx;
	note("pulled %u", holder);
}

static bool is_taken(void *ctx, const char *place)
{
	(void)ctx;
	return owner.taken && strcmp(owner.taken, place) == 0;
}

static bool is_held(void *ctx, const struct rule *rule, const struct hostdev *dev)
{
	(void)ctx;
	assert_true(rule->id[0] != '\0');
	return owner.held && strcmp(owner.held, dev->name) == 0;
}

static void on_changed(void *ctx, const struct keeper_status *status)
{
	(void)ctx;
	assert_true(status->rule_id[0] != '\0');
	owner.changes++;
}

static void on_quiet(void *ctx)
{
	(void)ctx;
	assert_true(keeper_is_quiet(owner.keeper));
	owner.quiet++;
}

static void on_asked(void *ctx)
{
	(void)ctx;
	owner.asked++;
}

/* --- for tests --- */

int owner_setup(void **state)
{
	struct keeper_options options = {
		.no_uevents = true,
		.attach = on_attach,
		.detach = on_detach,
		.pulled = on_pulled,
		.is_taken = is_taken,
		.is_held = is_held,
		.changed = on_changed,
		.quiet = on_quiet,
		.asked = on_asked,
		.ctx = &owner,
	};
	struct err err;

	(void)state;
	(void)alarm(TEST_MAX_S);
	log_init(LOG_LEVEL_ERROR, false);
	fake_clear();
	fake_folder("/sys/bus/usb/devices");
	fake_file("/proc/self/mountinfo", "");
	now_ns = 1000 * MS;
	asked_count = asked_seen = 0;
	owner = (struct owner){0};
	loop = loop_create();
	options.loop = loop;
	options.root = fake_root();
	owner.keeper = keeper_create(&options, &err);
	assert_non_null(owner.keeper);
	return 0;
}

int owner_teardown(void **state)
{
	(void)state;
	keeper_destroy(owner.keeper);
	assert_int_equal(loop_turn(loop, false), 0);
	loop_destroy(loop);
	fake_finish();
	(void)alarm(0);
	return 0;
}

const char *owner_rule(const char *text)
{
	struct rule rule;
	struct err err;
	const char *id = NULL;

	if (rule_parse(&rule, text, &err) < 0 ||
	    keeper_add(owner.keeper, &rule, KEEPER_ORIGIN_OPTION, &id, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return id;
}

void owner_expect(const char *what)
{
	while (asked_seen == asked_count) {
		if (keeper_is_quiet(owner.keeper))
			fail_msg("\"%s\" is not asked", what);
		assert_int_equal(loop_turn(loop, true), 0);
	}
	assert_string_equal(asked[asked_seen++], what);
}

void owner_expect_nothing(void)
{
	while (!keeper_is_quiet(owner.keeper) && asked_seen == asked_count)
		assert_int_equal(loop_turn(loop, true), 0);
	/* callbacks of the last pass */
	assert_int_equal(loop_turn(loop, false), 0);
	if (asked_seen < asked_count)
		fail_msg("asked: %s", asked[asked_seen]);
}

void owner_turn(void)
{
	assert_int_equal(loop_turn(loop, false), 0);
}

void owner_settle(void)
{
	while (!keeper_is_quiet(owner.keeper))
		assert_int_equal(loop_turn(loop, true), 0);
	asked_seen = asked_count;
}

void owner_event(bool added, const char *name, unsigned number)
{
	struct uevent event = {
		.added = added, .bus = (unsigned)atoi(name), .number = number};

	(void)snprintf(event.place, sizeof(event.place), "%s", fake_place(name));
	keeper_uevent(owner.keeper, &event);
}

void owner_plug(const struct fake_device *dev)
{
	fake_plug(dev);
	owner_event(true, dev->name, dev->number);
}

void owner_pull(const char *name, unsigned number)
{
	fake_unplug(name);
	owner_event(false, name, number);
}

void owner_plug_key(const char *name, unsigned number)
{
	owner_plug(&(struct fake_device){.name = name, .number = number});
}

void owner_plug_five(void)
{
	static const unsigned order[] = {3, 0, 4, 1, 2};
	static const char *const serials[] = {"A1", "B2", "C3", "D4", "E5"};
	static const char *const names[] = {"1-1", "1-2", "1-3", "1-4", "1-5"};

	for (unsigned i = 0; i < 5; i++)
		fake_plug(&(struct fake_device){.name = names[order[i]],
						.number = 10 + order[i],
						.serial = serials[order[i]]});
}

void owner_gone(unsigned holder)
{
	keeper_gone(owner.keeper, holder, KEEPER_END_PULLED);
}

void owner_lose(const char *name, unsigned number, unsigned holder)
{
	char what[32];

	owner_pull(name, number);
	(void)snprintf(what, sizeof(what), "pulled %u", holder);
	owner_expect(what);
	owner_gone(holder);
}

static char listed[4096];

static void add_status(void *ctx, const struct keeper_status *status)
{
	static const char *const states[] = {"waiting",     "attaching", "attached",
					     "backing-off", "refused",   "detaching"};
	size_t len = strlen(listed);

	(void)ctx;
	(void)snprintf(listed + len, sizeof(listed) - len, "%s%s %u %s %u %d",
		       len ? "\n" : "", states[status->state], status->holder,
		       status->dev ? status->dev->name : "-", status->port,
		       status->why->code);
}

void owner_expect_list(const char *text)
{
	listed[0] = '\0';
	keeper_list(owner.keeper, add_status, NULL);
	assert_string_equal(listed, text);
}
