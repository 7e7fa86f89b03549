/* SPDX-License-Identifier: MIT
 * test_attach.c - tests of src/daemon/attach.c and attach_return.c
 *
 * The loop, its workers and the emulated devices are the real ones. The vm, usbfs,
 * sysfs, the kernel's news and the back end for real devices are the fakes below,
 * and so is time: advance() lets it pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <unistd.h>

#include "daemon/attach.h"
#include "daemon/node.h"
#include "daemon/vm.h"
#include "usbdev/host/host.h"
#include "usbdev/usbdev.h"
#include "util/log.h"
#include "util/loop.h"

#define SECOND UINT64_C(1000000000)
#define PLACE  "/devices/platform/vhci_hcd.0/usb1/1-2/1-2.3"

static struct loop *loop;
static struct attach *attach;

/* --- time --- */

#define TIMERS_MAX 16

static uint64_t now_ns;
static unsigned timers_set;
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

static void turn(void)
{
	assert_int_equal(loop_turn(loop, false), 0);
}

static void turns(void)
{
	for (unsigned i = 0; i < 4; i++)
		turn();
}

static void advance(uint64_t ns)
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

static struct {
	unsigned opens;
	char path[PATH_MAX];
	int error;
	int fd;          /* the last one given */
	unsigned number; /* what the device is now */
	bool at_place;   /* sysfs shows it */
	bool held;
	sem_t release;
} nodes;

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
	return give_node(ret_node);
}

int node_adopt(int fd, struct node *ret_node, struct err *err)
{
	if (fd != 7)
		return err_set(err, EBADF, "no such fd");
	return give_node(ret_node);
}

int node_at(const char *place, unsigned *ret_bus, unsigned *ret_number)
{
	assert_string_equal(place, PLACE);
	*ret_bus = 1;
	*ret_number = nodes.number;
	return nodes.at_place ? 0 : -ENOENT;
}

/* --- the kernel's news --- */

static struct {
	void (*event)(void *ctx, const struct uevent *event);
	void *ctx;
	bool none;
} kernel;

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

static void tell(bool added, const char *place, unsigned number)
{
	struct uevent event = {.added = added, .bus = 1, .number = number};

	(void)snprintf(event.place, sizeof(event.place), "%s", place);
	if (added)
		nodes.number = number;
	kernel.event(kernel.ctx, &event);
}

/* --- real devices --- */

struct opening {
	char name[64];
	enum host_reset reset;
	void (*opened)(void *ctx, struct usbdev *dev, const struct err *err);
	void *ctx;
	bool answered;
};

static struct opening openings[16];
static unsigned opening_count;
static int open_error;
static unsigned destroyed;
static bool destroy_later;
static struct usbdev *destroying;

int host_open(struct loop *l, const struct host_options *options,
	      void (*opened)(void *ctx, struct usbdev *dev, const struct err *err),
	      void *ctx, struct err *err)
{
	struct opening *opening = &openings[opening_count++];

	(void)l;
	assert_int_equal(close(options->fd), 0); /* it is open, and ours now */
	if (open_error)
		return err_set(err, open_error, "not this one");
	opening->answered = false;
	(void)snprintf(opening->name, sizeof(opening->name), "%s", options->name);
	opening->reset = options->reset;
	opening->opened = opened;
	opening->ctx = ctx;
	return 0;
}

static void device_finish(struct usbdev *dev)
{
	usbdev_finish(dev);
	free(dev);
	destroyed++;
}

static void device_destroy(struct usbdev *dev)
{
	if (destroy_later)
		destroying = dev;
	else
		device_finish(dev);
}

/* No transfer ever gets here: the vm is a fake. */
static void device_transfer(struct usbdev *dev, struct usbdev_transfer *transfer)
{
	(void)dev;
	(void)transfer;
	fail();
}

static void device_reset(struct usbdev *dev)
{
	(void)dev;
	fail();
}

static const struct usbdev_ops device_ops = {
	.name = "fake",
	.submit = device_transfer,
	.cancel = device_transfer,
	.reset = device_reset,
	.destroy = device_destroy,
};

static struct usbdev *answer(unsigned index)
{
	struct usbdev *dev = calloc(1, sizeof(*dev));

	assert_true(dev && index < opening_count);
	openings[index].answered = true;
	assert_int_equal(usbdev_init(dev, &device_ops, loop, USBDEV_SPEED_HIGH,
				     openings[index].name),
			 0);
	openings[index].opened(openings[index].ctx, dev, NULL);
	turns();
	return dev;
}

static void refuse(unsigned index, int error)
{
	struct err err;

	(void)err_set(&err, error, "it would not");
	openings[index].answered = true;
	openings[index].opened(openings[index].ctx, NULL, &err);
	turns();
}

/* --- the vm --- */

static struct usbdev *ports[16];
static unsigned plugs;
static unsigned wanted;
static int plug_error;

int vm_plug(struct vm *vm, struct usbdev *dev, unsigned port, struct err *err)
{
	(void)vm;
	assert_null(dev->events);
	wanted = port;
	if (plug_error) {
		usbdev_destroy(dev, NULL, NULL);
		return err_set(err, plug_error, "no port");
	}
	ports[++plugs] = dev;
	return (int)plugs;
}

/* The vm destroys what it has. */
static void pull(unsigned port)
{
	usbdev_destroy(ports[port], NULL, NULL);
	ports[port] = NULL;
}

/* The one in @port is pulled, on the host's side. */
static void go(unsigned port)
{
	pull(port);
	attach_gone(attach, port);
	turns();
}

/* --- the tests' surroundings --- */

static unsigned settled, idle;
static int result;

static void on_settled(void *ctx, int r)
{
	assert_ptr_equal(ctx, &settled);
	settled++;
	result = r;
}

static void on_idle(void *ctx)
{
	assert_ptr_equal(ctx, &settled);
	idle++;
}

static int setup(void **state)
{
	(void)state;
	memset(&nodes, 0, sizeof(nodes));
	memset(&kernel, 0, sizeof(kernel));
	memset(timers, 0, sizeof(timers));
	memset(ports, 0, sizeof(ports));
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

static int teardown(void **state)
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

static int try_start(void)
{
	const struct attach_options options = {
		.loop = loop,
		.vm = NULL, /* the fake needs none */
		.settled = on_settled,
		.idle = on_idle,
		.ctx = &settled,
	};

	return attach_start(attach, &options);
}

static void start(const char *first, ...) __attribute__((sentinel));
static void start(const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		assert_int_equal(attach_add(attach, text), 0);
	va_end(ap);
	assert_int_equal(try_start(), 0);
	assert_int_equal(settled, 0); /* never inside */
}

/* Turns until host_open() has been called @count times in all. */
static void opened(unsigned count)
{
	while (opening_count < count)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(opening_count, count);
}

/* Turns until the worker's failure has had its effect, which is to set a timer. */
static void refused(unsigned opens, unsigned timers_before)
{
	while (__atomic_load_n(&nodes.opens, __ATOMIC_SEQ_CST) < opens ||
	       timers_set == timers_before)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(nodes.opens, opens);
}

static void start_one(void)
{
	start("/dev/bus/usb/001/005", NULL);
	opened(1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(plugs, 1);
}

/* --- tests of the start --- */

static void test_nothing(void **state)
{
	(void)state;
	start(NULL, NULL);
	turn();
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(attach_count(attach), 0);
}

static void test_ports_in_order(void **state)
{
	struct usbdev *first, *last;
	unsigned a;

	(void)state;
	start("/dev/a", "keyboard", "host:path=/dev/b,reset=never", NULL);
	opened(2);
	a = strcmp(openings[0].name, "/dev/a") == 0 ? 0 : 1;
	assert_string_equal(openings[!a].name, "/dev/b");
	assert_int_equal(openings[a].reset, HOST_RESET_ALWAYS);
	assert_int_equal(openings[!a].reset, HOST_RESET_NEVER);
	last = answer(!a);
	assert_int_equal(settled, 0);
	assert_int_equal(plugs, 0);
	first = answer(a);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 3);
	assert_ptr_equal(ports[1], first);
	assert_string_equal(ports[2]->label, "keyboard");
	assert_ptr_equal(ports[3], last);
}

static void test_cannot_be_had(void **state)
{
	(void)state;
	nodes.error = EACCES;
	start("/dev/a", "keyboard", NULL);
	while (settled == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(result, 0);
	assert_int_equal(opening_count, 0);
	assert_int_equal(attach_count(attach), 1);
	advance(60 * SECOND);
	assert_int_equal(nodes.opens, 1);
}

static void test_refused_by_the_back_end(void **state)
{
	(void)state;
	open_error = ENOMEM;
	start("/dev/a", NULL);
	opened(1);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
}

static void test_refused_later(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	refuse(0, EBUSY);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(attach_count(attach), 0);
}

static void test_emulated_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(attach_add(attach, "keyboard"), 0);
	assert_int_equal(attach_add(attach, "stick:file=/nonexistent/image"), 0);
	assert_int_equal(try_start(), -ENOENT);
	turns();
	assert_int_equal(settled, 0);
	assert_int_equal(plugs, 0);
}

static void test_no_port(void **state)
{
	(void)state;
	plug_error = ENOSPC;
	start("/dev/a", NULL);
	opened(1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_int_equal(destroyed, 1);
	assert_int_equal(attach_count(attach), 0);
}

static void test_no_port_for_an_emulated_one(void **state)
{
	(void)state;
	plug_error = ENOSPC;
	start("keyboard", NULL);
	turns();
	assert_int_equal(settled, 1);
	assert_int_equal(result, -ENOSPC);
}

static void test_slow_device(void **state)
{
	(void)state;
	start("/dev/a", "keyboard", NULL);
	opened(1);
	advance(4 * SECOND);
	assert_int_equal(settled, 0);
	advance(SECOND);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(attach_count(attach), 2);
	assert_int_equal(wanted, 0);
}

static void test_pulled_before_the_start_is_over(void **state)
{
	struct usbdev *dev;

	(void)state;
	start("/dev/a", "/dev/b", NULL);
	opened(2);
	dev = answer(0);
	usbdev_gone(dev);
	assert_int_equal(destroyed, 1);
	(void)answer(1);
	assert_int_equal(settled, 1);
	assert_int_equal(plugs, 1);
}

/* --- tests of the end --- */

static void test_stop_while_opening(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	attach_stop(attach);
	turns();
	assert_false(attach_is_idle(attach));
	assert_int_equal(idle, 0);
	destroy_later = true;
	(void)answer(0);
	assert_non_null(destroying);
	assert_false(attach_is_idle(attach));
	assert_int_equal(idle, 0);
	device_finish(destroying);
	assert_true(attach_is_idle(attach));
	turns();
	assert_int_equal(idle, 1);
	assert_int_equal(plugs + settled, 0);
}

static void test_stop_while_opening_fails(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	opened(1);
	attach_stop(attach);
	refuse(0, EBUSY);
	assert_int_equal(idle, 1);
}

static void test_stop_while_the_node_is_opened(void **state)
{
	(void)state;
	nodes.held = true;
	start("/dev/a", NULL);
	attach_stop(attach);
	turns();
	assert_int_equal(idle, 0);
	sem_post(&nodes.release);
	while (idle == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(opening_count, 0);
	assert_int_equal(fcntl(nodes.fd, F_GETFD), -1); /* closed */
}

static void test_stop_with_devices_held(void **state)
{
	(void)state;
	start("/dev/a", "keyboard", "/dev/b", NULL);
	opened(2);
	(void)answer(1);
	attach_stop(attach);
	turns();
	assert_int_equal(destroyed, 1);
	assert_int_equal(idle, 0);
	(void)answer(0);
	assert_int_equal(destroyed, 2);
	assert_int_equal(idle, 1);
	assert_int_equal(plugs, 0);
}

/* --- tests of coming back --- */

static void test_comes_back(void **state)
{
	(void)state;
	start("keyboard", "host:path=/dev/bus/usb/001/005,reset=first", NULL);
	opened(1);
	(void)answer(0);
	go(2);
	assert_int_equal(attach_count(attach), 1);
	tell(false, PLACE, 5);
	advance(9 * SECOND);
	tell(true, PLACE, 6);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
	assert_string_equal(openings[1].name, "/dev/bus/usb/001/006");
	assert_int_equal(openings[1].reset, HOST_RESET_FIRST);
	(void)answer(1);
	assert_int_equal(wanted, 2);
	assert_int_equal(attach_count(attach), 2);
	go(3); /* and once more */
	tell(true, PLACE, 7);
	opened(3);
	(void)answer(2);
	assert_int_equal(attach_count(attach), 2);
	assert_int_equal(settled, 1);
}

static void test_keeps_the_name_given(void **state)
{
	(void)state;
	start("/dev/my-stick", NULL);
	opened(1);
	(void)answer(0);
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
	assert_string_equal(openings[1].name, "/dev/my-stick");
}

/* The kernel has told of it before we noticed that it had gone. */
static void test_back_before_it_was_missed(void **state)
{
	(void)state;
	start_one();
	tell(true, PLACE, 6);
	turns();
	assert_int_equal(opening_count, 1);
	nodes.at_place = true;
	go(1);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/006");
}

static void test_sysfs_still_shows_the_old_one(void **state)
{
	(void)state;
	start_one();
	nodes.at_place = true;
	go(1);
	advance(SECOND);
	assert_int_equal(nodes.opens, 1);
	kernel.event(kernel.ctx, NULL); /* news were lost */
	turns();
	assert_int_equal(nodes.opens, 1);
	nodes.number = 6;
	kernel.event(kernel.ctx, NULL);
	opened(2);
}

static void test_other_places_and_late(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE ".4", 6);
	tell(true, "/devices/platform/vhci_hcd.0/usb1/1-2", 7);
	turns();
	assert_int_equal(nodes.opens, 1);
	advance(10 * SECOND);
	tell(true, PLACE, 8);
	turns();
	assert_int_equal(nodes.opens, 1);
}

static void test_permission_comes_later(void **state)
{
	unsigned before;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	refused(2, before);
	nodes.error = ENOENT;
	before = timers_set;
	advance(SECOND / 10);
	refused(3, before);
	nodes.error = 0;
	advance(SECOND / 10);
	opened(2);
	(void)answer(1);
	assert_int_equal(attach_count(attach), 1);
}

static void test_permission_never_comes(void **state)
{
	unsigned before;
	unsigned opens = 2;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	for (unsigned i = 0; i < 10; i++) {
		refused(opens++, before);
		before = timers_set;
		advance(SECOND);
	}
	assert_int_equal(nodes.opens, opens - 1); /* given up */
	tell(true, PLACE, 7);
	turns();
	assert_int_equal(nodes.opens, opens - 1);
}

static void test_gone_again_before_it_could_be_opened(void **state)
{
	unsigned before;

	(void)state;
	start_one();
	go(1);
	nodes.error = EACCES;
	before = timers_set;
	tell(true, PLACE, 6);
	refused(2, before);
	tell(false, PLACE, 6);
	advance(SECOND);
	assert_int_equal(nodes.opens, 2);
	nodes.error = 0;
	tell(true, PLACE, 7);
	opened(2);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/007");
}

/* A device that re-enumerates while it is being taken. */
static void test_another_one_meanwhile(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	tell(false, PLACE, 6);
	tell(true, PLACE, 7);
	turns();
	assert_int_equal(nodes.opens, 2); /* one after the other */
	nodes.at_place = true;
	refuse(1, ENODEV);
	opened(3);
	assert_string_equal(nodes.path, "/dev/bus/usb/001/007");
	refuse(2, EBUSY); /* the same number: nothing new to try */
	assert_int_equal(nodes.opens, 3);
}

static void test_stop_while_away(void **state)
{
	(void)state;
	start_one();
	go(1);
	attach_stop(attach);
	turns();
	assert_int_equal(idle, 1);
	assert_null(kernel.event);
	advance(60 * SECOND);
	assert_int_equal(nodes.opens, 1);
}

static void test_stop_while_coming_back(void **state)
{
	(void)state;
	start_one();
	go(1);
	tell(true, PLACE, 6);
	opened(2);
	attach_stop(attach);
	(void)answer(1);
	assert_int_equal(idle, 1);
	assert_int_equal(plugs, 1);
	assert_int_equal(destroyed, 2);
}

static void test_no_news_no_return(void **state)
{
	(void)state;
	kernel.none = true;
	start_one();
	nodes.at_place = true;
	nodes.number = 6;
	go(1);
	assert_int_equal(nodes.opens, 1);
}

/* --- inherited fds --- */

static void test_fd(void **state)
{
	(void)state;
	start("host:fd=9", "host:fd=7,reset=never", NULL);
	turns();
	assert_int_equal(opening_count, 1);
	assert_string_equal(openings[0].name, "fd 7");
	assert_int_equal(openings[0].reset, HOST_RESET_NEVER);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(result, 0);
	assert_null(kernel.event); /* nobody listens */
	nodes.at_place = true;
	nodes.number = 6;
	go(1);
	advance(SECOND);
	assert_int_equal(nodes.opens, 0);
	assert_int_equal(opening_count, 1);
}

static void test_fd_not_used(void **state)
{
	(void)state;
	assert_int_equal(attach_add(attach, "host:fd=7"), 0);
	attach_stop(attach); /* never started */
	turns();
	assert_true(attach_is_idle(attach));
	idle = 1;
	attach_destroy(attach);
	assert_int_equal(fcntl(nodes.fd, F_GETFD), -1);
	attach = NULL;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing),
		T(test_ports_in_order),
		T(test_cannot_be_had),
		T(test_refused_by_the_back_end),
		T(test_refused_later),
		T(test_emulated_cannot_be_made),
		T(test_no_port),
		T(test_no_port_for_an_emulated_one),
		T(test_slow_device),
		T(test_pulled_before_the_start_is_over),
		T(test_stop_while_opening),
		T(test_stop_while_opening_fails),
		T(test_stop_while_the_node_is_opened),
		T(test_stop_with_devices_held),
		T(test_comes_back),
		T(test_keeps_the_name_given),
		T(test_back_before_it_was_missed),
		T(test_sysfs_still_shows_the_old_one),
		T(test_other_places_and_late),
		T(test_permission_comes_later),
		T(test_permission_never_comes),
		T(test_gone_again_before_it_could_be_opened),
		T(test_another_one_meanwhile),
		T(test_stop_while_away),
		T(test_stop_while_coming_back),
		T(test_no_news_no_return),
		T(test_fd),
		T(test_fd_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
