/* SPDX-License-Identifier: MIT
 * loop.c - the event loop: fds, one-shot timers, signals, deferred tasks
 *
 * libevent waits for fds and signals. All timers share one timerfd (loop_timer.c), all calls for
 * other threads one eventfd (loop_remote.c).
 *
 * One turn: arm the timerfd, wait, call back for fds, signals and timers, run deferred tasks, free
 * what callbacks removed.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <sched.h>

#include "util/fds.h"
#include "util/log.h"
#include "util/loop_priv.h"

struct loop_watch {
	struct grave grave;
	struct loop *loop;
	struct event *event;
	int fd;
	unsigned events;
	loop_fd_cb *fd_cb;
	loop_cb *signal_cb;
	void *ctx;
};

/* ---- fds and signals ---- */

static void on_fd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_watch *watch = ctx;
	unsigned events = 0;

	if (watch->loop->happened_ns == 0)
		watch->loop->happened_ns = clock_now_ns();
	if (what & EV_READ)
		events |= LOOP_READ;
	if (what & EV_WRITE)
		events |= LOOP_WRITE;
	watch->fd_cb(watch->ctx, (int)fd, events);
}

static void on_timer_fd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *loop = ctx;

	(void)fd;
	(void)what;
	loop->happened_ns = clock_now_ns();
	loop_timers_expire(loop);
}

static void on_signal(evutil_socket_t signal, short what, void *ctx)
{
	struct loop_watch *watch = ctx;

	(void)signal;
	(void)what;
	watch->loop->happened_ns = clock_now_ns();
	watch->signal_cb(watch->ctx);
}

static void on_remote_fd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *loop = ctx;

	(void)fd;
	(void)what;
	if (loop->happened_ns == 0)
		loop->happened_ns = clock_now_ns();
	loop_remotes_call(loop);
}

static short libevent_events(unsigned events)
{
	short what = EV_PERSIST;

	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	return what;
}

static int add_event(struct event *event)
{
	errno = 0;
	if (event_add(event, NULL) == 0)
		return 0;
	return errno ? -errno : -EINVAL;
}

/* A watch around @event (taken, may be NULL), waiting if @wait. */
static struct loop_watch *watch_finish(struct loop_watch *watch, struct loop *loop,
				       struct event *event, bool wait)
{
	if (!event)
		goto fail;
	if (wait && add_event(event) < 0)
		goto fail;
	watch->loop = loop;
	watch->event = event;
	loop->live++;
	return watch;
fail:
	if (event)
		event_free(event);
	free(watch);
	return NULL;
}

struct loop_watch *loop_watch_fd(struct loop *loop, int fd, unsigned events,
				 loop_fd_cb *cb, void *ctx)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->fd = fd;
	watch->events = events;
	watch->fd_cb = cb;
	watch->ctx = ctx;
	return watch_finish(
		watch, loop,
		event_new(loop->base, fd, libevent_events(events), on_fd, watch),
		events != 0);
}

int loop_watch_set(struct loop_watch *watch, unsigned events)
{
	int r;

	if (events == watch->events)
		return 0;
	(void)event_del(watch->event);
	watch->events = 0;
	if (!events)
		return 0;
	if (event_assign(watch->event, watch->loop->base, watch->fd,
			 libevent_events(events), on_fd, watch) < 0)
		return -EINVAL;
	r = add_event(watch->event);
	if (r == 0)
		watch->events = events;
	return r;
}

struct loop_watch *loop_watch_signal(struct loop *loop, int signal, loop_cb *cb,
				     void *ctx)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->fd = -1;
	watch->signal_cb = cb;
	watch->ctx = ctx;
	return watch_finish(watch, loop,
			    evsignal_new(loop->base, signal, on_signal, watch), true);
}

void loop_unwatch(struct loop_watch *watch)
{
	if (!watch)
		return;
	(void)event_del(watch->event);
	loop_bury(watch->loop, &watch->grave, watch->event);
}

/* ---- deferred tasks ---- */

static void queue_init(struct task_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static struct loop_task *queue_take(struct task_queue *queue)
{
	struct loop_task *task = queue->first;

	if (task) {
		queue->first = task->next;
		if (!queue->first)
			queue->end = &queue->first;
		task->next = NULL;
		task->queued = false;
	}
	return task;
}

static bool queue_remove(struct task_queue *queue, struct loop_task *task)
{
	struct loop_task **at = &queue->first;

	while (*at && *at != task)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = task->next;
	if (queue->end == &task->next)
		queue->end = at;
	task->next = NULL;
	task->queued = false;
	return true;
}

static void queue_append(struct task_queue *queue, struct loop_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	*queue->end = task;
	queue->end = &task->next;
}

/* All of @from, to the end of @to. */
static void queue_move(struct task_queue *to, struct task_queue *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	queue_init(from);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	queue_append(&loop->tasks, task);
}

void loop_defer_next_turn(struct loop *loop, struct loop_task *task)
{
	queue_append(&loop->later, task);
}

void loop_undefer(struct loop *loop, struct loop_task *task)
{
	if (task->queued && !queue_remove(&loop->tasks, task) &&
	    !queue_remove(&loop->later, task)) {
		bool found = queue_remove(&loop->running, task);

		assert(found); /* else it waits in another loop */
	}
}

static void run_tasks(struct loop *loop)
{
	struct loop_task *task;

	for (unsigned round = 0; round < LOOP_TASK_ROUNDS && loop->tasks.first; round++) {
		queue_move(&loop->running, &loop->tasks);
		while ((task = queue_take(&loop->running)) != NULL)
			task->cb(task->ctx);
	}
}

/* ---- the loop ---- */

/* Looks at the fds once and calls back for those that are ready. */
static int look(struct loop *loop, int flags)
{
	errno = 0;
	if (event_base_loop(loop->base, EVLOOP_ONCE | flags) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* Waits for an event; polls first if that has paid lately. */
static int wait_for_events(struct loop *loop)
{
	uint64_t begun_ns = clock_now_ns();
	int r = 0;

	loop->happened_ns = 0;
	if (spin_is_worth(&loop->spin)) {
		do {
			r = look(loop, EVLOOP_NONBLOCK);
			/* another process that wants this CPU may be the one we wait for */
			if (loop->happened_ns == 0)
				(void)sched_yield();
		} while (r == 0 && loop->happened_ns == 0 &&
			 clock_now_ns() - begun_ns < SPIN_MAX_NS);
	}
	if (r == 0 && loop->happened_ns == 0)
		r = look(loop, 0);
	if (loop->happened_ns != 0)
		spin_learn(&loop->spin, loop->happened_ns - begun_ns);
	return r;
}

int loop_turn(struct loop *loop, bool wait)
{
	bool armed;
	int r;

	assert(!loop->in_turn);
	armed = loop_timers_arm(loop) == 0;
	loop->in_turn = true;
	queue_move(&loop->tasks, &loop->later);
	if (!wait || !armed || loop->tasks.first)
		r = look(loop, EVLOOP_NONBLOCK);
	else
		r = wait_for_events(loop);
	/* the kernel cannot wake us for timers: check them each turn until it can */
	if (!armed)
		loop_timers_expire(loop);
	run_tasks(loop);
	loop->in_turn = false;
	loop_bury_all(loop);
	return r;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (r == 0 && !loop->stop)
		r = loop_turn(loop, true);
	loop->stop = false;
	return r;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

static void on_libevent_log(int severity, const char *text)
{
	log_limited(severity == EVENT_LOG_DEBUG ? LOG_LEVEL_TRACE : LOG_LEVEL_DEBUG,
		    "libevent: %s", text);
}

static int create_base(struct loop *loop)
{
	struct event_config *config = event_config_new();

	if (!config)
		return -ENOMEM;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
						    EVENT_BASE_FLAG_IGNORE_ENV |
						    EVENT_BASE_FLAG_NO_CACHE_TIME);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	return loop->base ? 0 : -ENOMEM;
}

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	event_set_log_callback(on_libevent_log);
	list_init(&loop->dead);
	queue_init(&loop->tasks);
	queue_init(&loop->running);
	queue_init(&loop->later);
	loop->timer_fd = -1;
	loop->remote_fd = -1;
	if (loop_timers_init(loop) < 0 || loop_remotes_init(loop) < 0 ||
	    create_base(loop) < 0)
		goto fail;
	loop->timer_event = event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST,
				      on_timer_fd, loop);
	loop->remote_event = event_new(loop->base, loop->remote_fd, EV_READ | EV_PERSIST,
				       on_remote_fd, loop);
	if (!loop->timer_event || add_event(loop->timer_event) < 0 ||
	    !loop->remote_event || add_event(loop->remote_event) < 0)
		goto fail;
	return loop;
fail:
	loop_destroy(loop);
	return NULL;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	assert(loop->live == 0 && !loop->in_turn);
	loop_bury_all(loop);
	if (loop->timer_event)
		event_free(loop->timer_event);
	if (loop->remote_event)
		event_free(loop->remote_event);
	if (loop->base)
		event_base_free(loop->base);
	close_fd(&loop->remote_fd);
	close_fd(&loop->timer_fd);
	free(loop);
}
