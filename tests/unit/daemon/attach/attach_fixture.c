/* SPDX-License-Identifier: MIT
 * attach_fixture.c - the world around attach: fakes of vm, usbfs, sysfs, uevents and time
 */
#include "attach_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/vm.h"
#include "rules/guard.h"
#include "rules/hostdev.h"
#include "util/closer.h"
#include "util/log.h"

struct loop *loop;
struct attach *attach;

/* --- time --- */

#define TIMERS_MAX 16

static uint64_t now_ns;
unsigned timers_set;
static struct {
	struct loop_timer *timer;
	uint64_t at_ns;
} timers[TIMERS_MAX];

uint64_t __wrap_clock_now_ns(void);
void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void __wrap_loop_timer_stop(struct loop_timer *timer);
void __wrap_loop_timer_destroy(struct loop_timer *timer);
void __real_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void __real_loop_timer_destroy(struct loop_timer *timer);

uint64_t __wrap_clock_now_ns(void)
{
	return now_ns;
}

static bool timer_take(struct loop_timer *timer)
{
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		if (timers[i].timer == timer) {
			timers[i].timer = NULL;
			return true;
		}
	}
	return false;
}

void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_ns)
{
	timers_set++;
	(void)timer_take(timer);
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		if (!timers[i].timer) {
			timers[i].timer = timer;
			timers[i].at_ns = now_ns + delay_ns;
			return;
		}
	}
	fail();
}

void __wrap_loop_timer_stop(struct loop_timer *timer)
{
	(void)timer_take(timer);
}

void __wrap_loop_timer_destroy(struct loop_timer *timer)
{
	(void)timer_take(timer);
	__real_loop_timer_destroy(timer);
}

void assert_closed(int fd)
{
	assert_true(closer_wait(10000));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

void turn(void)
{
	assert_int_equal(loop_turn(loop, false), 0);
}

void turns(void)
{
	for (unsigned i = 0; i < 4; i++)
		turn();
}

void advance(uint64_t ns)
{
	now_ns += ns;
	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		if (timers[i].timer && timers[i].at_ns <= now_ns) {
			__real_loop_timer_set(timers[i].timer, 0);
			timers[i].timer = NULL;
			assert_int_equal(loop_turn(loop, true), 0);
		}
	}
	turns();
}

/* --- nodes; node_open() runs in a worker --- */

struct fake_nodes nodes;

void node_path(unsigned bus, unsigned number, char ret_path[NODE_PATH_BYTES])
{
	(void)snprintf(ret_path, NODE_PATH_BYTES, "/dev/bus/usb/%03u/%03u", bus, number);
}

static int give_node(struct node *node)
{
	node->fd = nodes.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	node->bus = 1;
	node->number = nodes.number;
	(void)snprintf(node->place, sizeof(node->place), "%s", PLACE);
	return 0;
}

int node_open(const char *path, struct node *ret_node, struct err *err,
	      char ret_hint[NODE_HINT_BYTES])
{
	if (nodes.held)
		(void)sem_wait(&nodes.release);
	__atomic_add_fetch(&nodes.opens, 1, __ATOMIC_SEQ_CST);
	(void)snprintf(nodes.path, sizeof(nodes.path), "%s", path);
	(void)snprintf(ret_hint, NODE_HINT_BYTES, "do something");
	if (nodes.error)
		return err_set(err, nodes.error, "cannot open it");
	(void)give_node(ret_node);
	/* another device */
	if (strcmp(path, "/dev/b") == 0)
		ret_node->number++;
	return 0;
}

int node_adopt(int fd, struct node *ret_node, struct err *err)
{
	if (fd != 7)
		return err_set(err, EBADF, "no such fd");
	return give_node(ret_node);
}

int node_reopen(struct node *node)
{
	__atomic_add_fetch(&nodes.reopens, 1, __ATOMIC_SEQ_CST);
	if (nodes.reopen_error)
		return -nodes.reopen_error;
	(void)close(node->fd);
	return give_node(node);
}

int node_copy(struct node *node, int fd, struct err *err)
{
	(void)fd;
	if (nodes.error)
		return err_set(err, nodes.error, "no copy");
	return give_node(node);
}

/* Fails without @sysfs. */
int hostdev_read(const char *root, const char *place, struct hostdev *ret_dev)
{
	assert_string_equal(root, "");
	assert_string_equal(place, PLACE);
	*ret_dev = (struct hostdev){0};
	return nodes.sysfs ? 0 : -ENOENT;
}

int guard_check(const char *root, const struct hostdev *dev, struct err *err)
{
	(void)root;
	(void)dev;
	__atomic_add_fetch(&nodes.looks, 1, __ATOMIC_SEQ_CST);
	return nodes.guard ? err_set(err, nodes.guard, "the host has it") : 0;
}

int node_at(const char *place, unsigned *ret_bus, unsigned *ret_number)
{
	assert_string_equal(place, PLACE);
	*ret_bus = 1;
	*ret_number = nodes.number;
	return nodes.at_place ? 0 : -ENOENT;
}

/* --- uevents --- */

struct fake_kernel kernel;

struct uevents *uevents_create(struct loop *l,
			       void (*event)(void *ctx, const struct uevent *event),
			       void *ctx)
{
	(void)l;
	kernel.event = event;
	kernel.ctx = ctx;
	return kernel.none ? NULL : (struct uevents *)&kernel;
}

void uevents_destroy(struct uevents *uevents)
{
	if (uevents)
		kernel.event = NULL;
}

void tell(bool added, const char *place, unsigned number)
{
	struct uevent event = {.added = added, .bus = 1, .number = number};

	(void)snprintf(event.place, sizeof(event.place), "%s", place);
	if (added)
		nodes.number = number;
	kernel.event(kernel.ctx, &event);
}

/* --- real devices --- */

struct opening openings[16];
unsigned opening_count;
int open_error;

int host_open(struct loop *l, const struct host_options *options,
	      void (*callback)(void *ctx, struct usbdev *dev, const struct err *err),
	      void *ctx, struct err *err)
{
	struct opening *opening = &openings[opening_count++];

	(void)l;
	assert_int_equal(close(options->fd),
			 0); /* it is open, and host_open() takes it */
	if (open_error)
		return err_set(err, open_error, "not this one");
	opening->answered = false;
	(void)snprintf(opening->name, sizeof(opening->name), "%s", options->name);
	opening->reset = options->reset;
	opening->opened = callback;
	opening->ctx = ctx;
	return 0;
}

struct usbdev *answer(unsigned index)
{
	struct usbdev *dev;

	assert_true(index < opening_count);
	openings[index].answered = true;
	dev = device_new(loop, USBDEV_SPEED_HIGH, openings[index].name);
	openings[index].opened(openings[index].ctx, dev, NULL);
	turns();
	return dev;
}

void refuse(unsigned index, int error)
{
	struct err err;

	(void)err_set(&err, error, "it would not");
	openings[index].answered = true;
	openings[index].opened(openings[index].ctx, NULL, &err);
	turns();
}

/* --- the vm --- */

struct usbdev *ports[16];
unsigned plugs;
unsigned wanted;
struct vm_reserved reserved_ports;
int plug_error;

int vm_plug(struct vm *vm, struct usbdev *dev, unsigned port,
	    const struct vm_reserved *reserved, struct err *err)
{
	(void)vm;
	assert_null(dev->events);
	wanted = port;
	reserved_ports = *reserved;
	if (plug_error) {
		usbdev_destroy(dev, NULL, NULL);
		return err_set(err, plug_error, "no port");
	}
	ports[++plugs] = dev;
	return (int)plugs;
}

static void on_unplugged(void *ctx)
{
	struct vm_unplug *unplug = ctx;

	unplug->done(unplug);
}

int vm_unplug(struct vm *vm, unsigned port, struct vm_unplug *unplug)
{
	struct usbdev *dev = ports[port];

	(void)vm;
	assert_non_null(dev);
	ports[port] = NULL;
	usbdev_destroy(dev, on_unplugged, unplug);
	return 0;
}

/* The vm destroys the device in @port. */
void pull(unsigned port)
{
	usbdev_destroy(ports[port], NULL, NULL);
	ports[port] = NULL;
}

/* Unplugs the device in @port on the host. */
void go(unsigned port)
{
	pull(port);
	attach_gone(attach, port);
	turns();
}

/* --- for tests --- */

unsigned settled, idle;
int result;

static void on_settled(void *ctx, int r)
{
	assert_ptr_equal(ctx, &settled);
	settled++;
	result = r;
}

unsigned events[5];
char event_why[256];

static void on_event(void *ctx, enum attach_event event, const struct attach_info *info)
{
	assert_ptr_equal(ctx, &settled);
	assert_true(info->id > 0);
	events[event]++;
	(void)snprintf(event_why, sizeof(event_why), "%s",
		       info->why ? info->why->text : "");
}

static void on_idle(void *ctx)
{
	assert_ptr_equal(ctx, &settled);
	idle++;
}

int setup(void **state)
{
	(void)state;
	memset(&nodes, 0, sizeof(nodes));
	memset(&kernel, 0, sizeof(kernel));
	memset(timers, 0, sizeof(timers));
	memset(ports, 0, sizeof(ports));
	memset(events, 0, sizeof(events));
	sem_init(&nodes.release, 0, 0);
	nodes.number = 5;
	now_ns = 1000 * SECOND;
	opening_count = plugs = destroyed = settled = idle = timers_set = 0;
	open_error = plug_error = result = 0;
	destroy_later = false;
	log_init(LOG_LEVEL_ERROR, false);
	loop = loop_create();
	attach = attach_create();
	return loop && attach ? 0 : -1;
}

int teardown(void **state)
{
	(void)state;
	if (idle == 0) {
		attach_stop(attach);
		for (unsigned i = 0; i < opening_count; i++)
			if (!open_error && !openings[i].answered)
				refuse(i, ENODEV);
		turns();
	}
	assert_int_equal(idle, 1);
	for (unsigned port = 1; port <= plugs; port++)
		if (ports[port])
			pull(port);
	turns();
	attach_destroy(attach);
	for (unsigned i = 0; i < TIMERS_MAX; i++)
		assert_null(timers[i].timer);
	loop_destroy(loop);
	sem_destroy(&nodes.release);
	return 0;
}

int try_start(void)
{
	const struct attach_options options = {
		.loop = loop,
		.vm = NULL, /* the fake needs none */
		.settled = on_settled,
		.idle = on_idle,
		.event = on_event,
		.ctx = &settled,
	};

	return attach_start(attach, &options);
}

void start(const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		assert_int_equal(attach_add(attach, text), 0);
	va_end(ap);
	assert_int_equal(try_start(), 0);
	assert_int_equal(settled, 0); /* never inside the call */
}

/* Turns until host_open() has been called @count times in all. */
void opened(unsigned count)
{
	while (opening_count < count)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(opening_count, count);
}

void refused(unsigned opens, unsigned timers_before)
{
	while (__atomic_load_n(&nodes.opens, __ATOMIC_SEQ_CST) < opens ||
	       timers_set == timers_before)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(nodes.opens, opens);
}

void start_one(void)
{
	start("/dev/bus/usb/001/005", NULL);
	opened(1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(plugs, 1);
}
