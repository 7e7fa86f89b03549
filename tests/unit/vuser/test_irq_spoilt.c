/* SPDX-License-Identifier: MIT
 * test_irq_spoilt.c - eventfds that cannot be signalled, descriptors that are not closed in time
 *
 * Both as the parts below say by themselves: signaller_signal() and closer_is_behind() are wrapped.
 */
#include "served.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ASSIGN (VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER)

static int signal_result;
static unsigned signals;
static bool behind;

int __wrap_signaller_signal(int fd);
bool __wrap_closer_is_behind(void);

int __wrap_signaller_signal(int fd)
{
	assert_true(fd >= 0);
	signals++;
	return signal_result;
}

bool __wrap_closer_is_behind(void)
{
	return behind;
}

static void assign(struct served *s)
{
	struct vuser_irq_set set = {20, ASSIGN, IRQ_MSIX, 0, 1};
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0);
	send_msg_fds(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, &set, sizeof(set), &fd, 1);
	served_run(s);
	expect_reply(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, NULL);
	close(fd);
}

/* It is closed, the interrupt is kept for the next one, and the client stays. */
static void spoilt_by(struct served *s, int error)
{
	int before = served_count_fds();

	signals = 0;
	signal_result = 0;
	assign(s);
	assert_int_equal(served_count_fds(), before + 1);
	signal_result = error;
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	assert_int_equal(signals, 1);
	assert_int_equal(served_count_fds(), before);
	signal_result = 0;
	assign(s);
	assert_int_equal(signals, 2);
	expect_alive(s, s->client);
}

static void eventfd_is_given_up(void **state)
{
	spoilt_by(*state, -ETIMEDOUT); /* full, and not emptied */
}

static void eventfd_is_none(void **state)
{
	spoilt_by(*state, -EINVAL);
}

/* Anything else passes: the eventfd stays. */
static void eventfd_is_tried_again(void **state)
{
	struct served *s = *state;
	int before = served_count_fds();

	signals = 0;
	signal_result = 0;
	assign(s);
	signal_result = -EAGAIN;
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	assert_int_equal(served_count_fds(), before + 1);
	signal_result = 0;
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	assert_int_equal(signals, 2);
}

/* They wait in the socket's queue until the closer has closed the descriptors of others. */
static void new_clients_wait(void **state)
{
	struct served *s = *state;
	struct reply reply;
	int fd;

	s->client = served_connect(s);
	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	behind = true;
	fd = served_connect(s);
	send_version(fd, WHO_QEMU);
	served_run(s);
	expect_silence(fd);
	expect_alive(s, s->client);
	behind = false;
	close(s->client);
	s->client = fd;
	while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 0)
		assert_int_equal(loop_turn(s->loop, true), 0);
	take_reply(fd, &reply);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(eventfd_is_given_up),
		TEST(eventfd_is_none),
		TEST(eventfd_is_tried_again),
		cmocka_unit_test_setup_teardown(new_clients_wait, served_setup_listening,
						served_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
