/* SPDX-License-Identifier: MIT
 * test_steps.c - tests of src/daemon/attach/steps.c: orders
 */
#include "ordered.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void test_path(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/bus/usb/001/005");
	assert_int_equal(look(id), 1);
	assert_int_equal(found.stage, ATTACH_STAGE_OPENING);
	opened(1);
	assert_int_equal(done_count, 0);
	(void)answer(0);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_id, id);
	assert_int_equal(done_port, 1);
	assert_int_equal(look(id), 1);
	assert_int_equal(found.stage, ATTACH_STAGE_PLUGGED);
	assert_string_equal(found.speed, "high");
	assert_string_equal(found.place, PLACE);
	assert_int_equal(found.bus, 1);
	assert_int_equal(found.number, 5);
	assert_true(found.real && found.since > 0);
}

/* Without force a worker checks the device first. */
static void test_fd_checked_first(void **state)
{
	struct attach_order careful = {
		.text = "from afar", .fd = 7, .done = on_done, .ctx = &done_count};
	struct err err = {0};
	int id;

	(void)state;
	ready();
	id = attach_order(attach, &careful, &err);
	assert_true(id > 0);
	assert_int_equal(opening_count, 0);
	opened(1);
	assert_int_equal(nodes.opens, 0);
	(void)answer(0);
	assert_int_equal(done_id, id);
	assert_int_equal(done_port, 1);
}

/* A giver could write into our memory by a descriptor that is not opened again: only root and our own
 * user may. */
static void test_fd_opened_again(void **state)
{
	static const struct {
		int reopen_error;
		uid_t giver_uid; /* 1: our own */
		int result;
	} rows[] = {
		{0, 4711, 0},
		{0, (uid_t)-1, 0},
		{EACCES, 0, 0},
		{EACCES, 1, 0},
		{EACCES, 4711, EACCES},
		{ENOENT, 4711, ENOENT},
		{EACCES, (uid_t)-1, EACCES},
	};

	(void)state;
	ready();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct attach_order order = {
			.text = "from afar",
			.fd = 7,
			.giver_uid =
				rows[i].giver_uid == 1 ? geteuid() : rows[i].giver_uid,
			.force = i % 2,
			.done = on_done,
			.ctx = &done_count,
		};
		unsigned was_open = opening_count;
		struct err err = {0};
		int id;

		nodes.reopen_error = rows[i].reopen_error;
		id = attach_order(attach, &order, &err);
		assert_true(id > 0);
		assert_int_equal(opening_count, was_open);
		if (rows[i].result == 0) {
			opened(was_open + 1);
			(void)answer(was_open);
			detach((unsigned)id);
		}
		while (done_count == i && opening_count == was_open)
			assert_int_equal(loop_turn(loop, true), 0);
		assert_int_equal(nodes.reopens, i + 1);
		assert_int_equal(nodes.opens, 0);
		assert_int_equal(done_error, rows[i].result);
		if (rows[i].result != 0)
			assert_closed(nodes.fd);
		turns();
		assert_int_equal(look((unsigned)id), 0);
	}
}

static void test_force_in_the_text(void **state)
{
	(void)state;
	nodes.sysfs = true;
	nodes.guard = EPERM;
	ready();
	(void)order("host:path=/dev/a");
	while (done_count == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(done_error, EPERM);
	assert_int_equal(opening_count, 0);
	(void)order("host:path=/dev/a,force");
	opened(1);
	assert_int_equal(nodes.looks, 1);
}

static void test_names(void **state)
{
	struct err err = {0};
	struct attach_order named = {
		.name = "my key", .fd = -1, .done = on_done, .ctx = &done_count};
	int id;

	(void)state;
	ready();
	named.text = "keyboard";
	id = attach_order(attach, &named, &err);
	assert_true(id > 0);
	assert_int_equal(look((unsigned)id), 1);
	assert_string_equal(found.label, "my key");
	assert_int_equal(attach_reset(attach, (unsigned)id, on_done, &done_count, &err),
			 0);
	turns();
	assert_int_equal(look((unsigned)id), 1);
	assert_string_equal(found.label, "my key");
	named.text = "/dev/a";
	assert_true(attach_order(attach, &named, &err) > 0);
	opened(1);
	assert_string_equal(openings[0].name, "my key");
}

static void test_emulated(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("keyboard");
	assert_int_equal(done_port, 1);
	assert_int_equal(look(id), 1);
	assert_false(found.real);
	assert_int_equal(found.bus, 0);
	detach(id);
	turns();
	assert_int_equal(events[ATTACH_EVENT_DETACHED], 1);
	assert_int_equal(left_count, 1);
	assert_null(ports[1]);
	assert_int_equal(look(id), 0);
}

static void await_done(unsigned count)
{
	while (done_count < count)
		assert_int_equal(loop_turn(loop, true), 0);
}

/* A file of @size, open; its path goes to @spec behind "stick:file=". */
static int make_image(char spec[64], off_t size)
{
	char path[] = "/tmp/usbvfiod-test-order-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)snprintf(spec, 64, "stick:file=%s", path);
	return fd;
}

static int order_file(const char *spec, int fd, struct err *err)
{
	const struct attach_order order = {
		.text = spec,
		.fd = fd,
		.fd_is_file = true,
		.done = on_done,
		.ctx = &done_count,
	};

	return attach_order(attach, &order, err);
}

/* The client's descriptor serves for the attach and for a reset. */
static void test_file_handed_over(void **state)
{
	struct err err = {0};
	char spec[64];
	int fd = make_image(spec, 4096);
	int id;

	(void)state;
	ready();
	assert_int_equal(unlink(spec + strlen("stick:file=")), 0);
	id = order_file(spec, fd, &err);
	assert_true(id > 0);
	assert_int_equal(done_count, 0);
	assert_int_equal(look((unsigned)id), 1);
	assert_int_equal(found.stage, ATTACH_STAGE_OPENING);
	await_done(1);
	assert_int_equal(done_port, 1);
	assert_int_equal(attach_reset(attach, (unsigned)id, on_done, &done_count, &err),
			 0);
	await_done(2);
	assert_int_equal(done_error, 0);
	detach((unsigned)id);
	while (left_count == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_closed(fd);
}

static void test_file_that_is_of_no_use(void **state)
{
	struct err err = {0};
	char spec[64];
	int fd;

	(void)state;
	ready();
	fd = make_image(spec, 100);
	assert_true(order_file(spec, fd, &err) > 0);
	await_done(1);
	assert_int_equal(done_error, EINVAL);
	assert_closed(fd);
	assert_int_equal(unlink(spec + strlen("stick:file=")), 0);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(order_file("keyboard", fd, &err), -EINVAL);
	assert_closed(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(order_file("/dev/bus/usb/001/002", fd, &err), -EINVAL);
	assert_closed(fd);
}

static void test_detached_while_its_file_is_opened(void **state)
{
	struct err err = {0};
	char spec[64];
	int fd = make_image(spec, 4096), id;

	(void)state;
	ready();
	assert_int_equal(unlink(spec + strlen("stick:file=")), 0);
	id = order_file(spec, fd, &err);
	assert_true(id > 0);
	detach((unsigned)id);
	while (left_count == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(plugs, 0);
	turns();
	assert_int_equal(look(0), 0);
	assert_closed(fd);
}

static void test_nonsense(void **state)
{
	struct err err = {0};
	int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = fcntl(low, F_DUPFD_CLOEXEC, 100);

	(void)state;
	ready();
	assert_int_equal(close(low), 0);
	assert_int_equal(try_order("nonsense", -1, 0, NULL, &err), -EINVAL);
	/* the number of an fd of somebody else */
	assert_int_equal(try_order("host:fd=7", -1, 0, NULL, &err), -EINVAL);
	/* the client's folder is not ours */
	assert_int_equal(try_order("stick:file=image", -1, 0, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "relative"));
	turns();
	assert_int_equal(done_count, 0);
	assert_int_equal(look(0), 0);
	assert_true(try_order("x", fd, 0, NULL, &err) > 0);
	await_done(1);
	assert_int_equal(done_error, EBADF);
	assert_closed(fd); /* taken */
	(void)order("stick:file=/nonexistent/image");
	await_done(2);
	assert_int_equal(done_error, ENOENT);
	turns();
	assert_int_equal(look(0), 0);
}

static void test_cannot_be_opened(void **state)
{
	(void)state;
	ready();
	nodes.error = EACCES;
	(void)order("/dev/a");
	while (done_count == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(done_error, EACCES);
	assert_string_equal(done_hint, "do something");
	turns();
	assert_int_equal(look(0), 0);
}

static void test_no_port(void **state)
{
	(void)state;
	ready();
	plug_error = ENOSPC;
	(void)order("keyboard");
	assert_int_equal(done_count, 1);
	assert_int_equal(done_error, ENOSPC);
}

static void test_port_wanted(void **state)
{
	struct err err = {0};

	(void)state;
	ready();
	assert_true(try_order("keyboard", -1, 9, NULL, &err) > 0);
	assert_int_equal(wanted, 9);
}

static void test_before_the_start_is_over(void **state)
{
	(void)state;
	start("/dev/a", NULL);
	(void)order("keyboard");
	turns();
	assert_int_equal(done_count, 0);
	opened(1);
	(void)answer(0);
	assert_int_equal(settled, 1);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_port, 2);
}

static void test_detach_waits_for_the_end(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)answer(0);
	destroy_later = true;
	detach(id);
	turns();
	assert_int_equal(left_count, 0);
	assert_int_equal(look(id), 1);
	assert_int_equal(found.stage, ATTACH_STAGE_LEAVING);
	assert_int_equal(attach_detach(attach, id, on_left, &left_count), -EALREADY);
	device_finish(destroying);
	turns();
	assert_int_equal(left_count, 1);
	assert_int_equal(look(id), 0);
	assert_int_equal(attach_detach(attach, id, on_left, &left_count), -ENOENT);
}

static void test_detach_while_the_node_is_opened(void **state)
{
	unsigned id;

	(void)state;
	ready();
	nodes.held = true;
	id = order("/dev/a");
	detach(id);
	assert_int_equal(done_count, 0);
	sem_post(&nodes.release);
	while (left_count == 0)
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(opening_count, 0);
}

static void test_detach_while_opening(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	detach(id);
	assert_int_equal(left_count, 0);
	(void)answer(0);
	assert_int_equal(left_count, 1);
	assert_int_equal(done_error, ECANCELED);
	assert_int_equal(plugs, 0);
	assert_int_equal(destroyed, 1);
}

static void test_detach_while_opening_fails(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	detach(id);
	refuse(0, EIO);
	assert_int_equal(left_count, 1);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_error, ECANCELED);
}

static void test_detach_while_away(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)answer(0);
	go(1);
	assert_int_equal(look(id), 1);
	assert_int_equal(found.stage, ATTACH_STAGE_AWAY);
	detach(id);
	turns();
	assert_int_equal(left_count, 1);
	tell(true, PLACE, 6);
	turns();
	assert_int_equal(opening_count, 1);
}

static void test_attached_again(void **state)
{
	unsigned first, second;

	(void)state;
	ready();
	first = order_fd(NULL);
	opened(1);
	(void)answer(0);
	destroy_later = true;
	second = order_fd(NULL);
	turns();
	/* not opened before the first has been given back */
	assert_int_equal(opening_count, 1);
	assert_null(ports[1]);
	device_finish(destroying);
	destroy_later = false;
	turns();
	assert_int_equal(look(first), 1);
	assert_int_equal(found.id, 0);
	opened(2);
	(void)answer(1);
	assert_int_equal(wanted, 1);
	assert_int_equal(done_id, second);
	assert_int_equal(done_count, 2);
}

static void test_attached_again_while_opening(void **state)
{
	(void)state;
	ready();
	(void)order_fd(NULL);
	opened(1);
	(void)order_fd(NULL);
	turns();
	assert_int_equal(done_count, 0);
	(void)answer(0); /* given back at once */
	assert_int_equal(done_error, ECANCELED);
	opened(2);
	(void)answer(1);
	assert_int_equal(done_count, 2);
	assert_int_equal(done_error, 0);
	assert_int_equal(look(0), 1);
}

static void test_detach_one_that_waits(void **state)
{
	unsigned second;

	(void)state;
	ready();
	(void)order_fd(NULL);
	opened(1);
	(void)answer(0);
	destroy_later = true;
	second = order_fd(NULL);
	detach(second);
	assert_int_equal(left_count, 1);
	assert_int_equal(done_error, ECANCELED);
	device_finish(destroying);
	turns();
	assert_int_equal(opening_count, 1);
	assert_int_equal(look(0), 0);
}

static void test_of_a_rule_is_not_looked_for(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order_fd("r1");
	opened(1);
	(void)answer(0);
	assert_int_equal(look(id), 1);
	assert_string_equal(found.rule, "r1");
	go(1);
	assert_int_equal(look(id), 0);
}

/* Orders another device by fd, and has it plugged in. */
static void plug_in(unsigned port, const char *rule, unsigned nth)
{
	struct err err = {0};

	nodes.number++;
	assert_true(try_order("from afar", 7, port, rule, &err) > 0);
	opened(nth);
	(void)answer(nth - 1);
}

static void test_port_of_a_rule_is_reserved(void **state)
{
	(void)state;
	ready();
	plug_in(0, "r1", 1);
	assert_int_equal(reserved_ports.count, 0);
	plug_in(0, NULL, 2);
	plug_in(0, "r2", 3);
	/* in the order of going; the device without a rule has no reserved port */
	go(3);
	go(2);
	go(1);
	plug_in(0, NULL, 4);
	assert_int_equal(wanted, 0);
	assert_int_equal(reserved_ports.count, 2);
	assert_int_equal(reserved_ports.ports[0], 3);
	assert_int_equal(reserved_ports.ports[1], 1);
	/* of an agent that has forgotten the port */
	plugs = 2;
	plug_in(0, "r2", 5);
	assert_int_equal(wanted, 3);
	plugs = 4;
	plug_in(0, NULL, 6);
	assert_int_equal(reserved_ports.count, 1);
	assert_int_equal(reserved_ports.ports[0], 1);
	/* another device has used the port: it is reserved no longer */
	plugs = 0;
	plug_in(1, "r3", 7);
	assert_int_equal(wanted, 1);
	plugs = 5;
	plug_in(0, NULL, 8);
	assert_int_equal(reserved_ports.count, 0);
}

static void test_too_many(void **state)
{
	struct err err = {0};
	unsigned count = 0;

	(void)state;
	ready();
	/* each of them waits for its node */
	nodes.held = true;
	nodes.error = ENOENT;
	while (count <= 64 && try_order("/dev/a", -1, 0, NULL, &err) > 0)
		count++;
	assert_int_equal(count, 64);
	assert_int_equal(err.code, ENOSPC);
	for (unsigned i = 0; i < count; i++)
		sem_post(&nodes.release);
	while (done_count < count)
		assert_int_equal(loop_turn(loop, true), 0);
	turns();
	assert_int_equal(look(0), 0);
}

static void test_stop_with_orders(void **state)
{
	unsigned id;

	(void)state;
	ready();
	id = order("/dev/a");
	opened(1);
	(void)order_fd(NULL);
	attach_stop(attach);
	assert_int_equal(attach_detach(attach, id, on_left, &left_count), -ESHUTDOWN);
	(void)answer(0);
	assert_int_equal(idle, 1);
	assert_int_equal(done_count, 0);
	assert_int_equal(destroyed, 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_order, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_path),
		T(test_fd_checked_first),
		T(test_fd_opened_again),
		T(test_force_in_the_text),
		T(test_names),
		T(test_emulated),
		T(test_file_handed_over),
		T(test_file_that_is_of_no_use),
		T(test_detached_while_its_file_is_opened),
		T(test_nonsense),
		T(test_cannot_be_opened),
		T(test_no_port),
		T(test_port_wanted),
		T(test_before_the_start_is_over),
		T(test_detach_waits_for_the_end),
		T(test_detach_while_the_node_is_opened),
		T(test_detach_while_opening),
		T(test_detach_while_opening_fails),
		T(test_detach_while_away),
		T(test_attached_again),
		T(test_attached_again_while_opening),
		T(test_detach_one_that_waits),
		T(test_of_a_rule_is_not_looked_for),
		T(test_port_of_a_rule_is_reserved),
		T(test_too_many),
		T(test_stop_with_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
