/* SPDX-License-Identifier: MIT
 * test_irq.c - SET_IRQS in all its forms, and what signals do then
 */
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASSIGN  (VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER)
#define DISABLE (VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_TRIGGER)

static int make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void make_eventfds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = make_eventfd();
}

static void close_eventfds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* How often it was signalled since the last time. */
static uint64_t signals(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0)
		assert_int_equal(errno, EAGAIN);
	return n;
}

static void send_irqs(struct served *s, uint32_t flags, uint32_t index, uint32_t start,
		      uint32_t count, const int *fds, unsigned nfds)
{
	struct vuser_irq_set set = {20, flags, index, start, count};

	send_msg_fds(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds,
		     nfds);
	served_run(s);
}

static void set_ok(struct served *s, uint32_t flags, uint32_t index, uint32_t start,
		   uint32_t count, const int *fds, unsigned nfds)
{
	send_irqs(s, flags, index, start, count, fds, nfds);
	expect_reply(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, NULL);
	expect_silence(s->client);
}

static void set_error(struct served *s, uint32_t flags, uint32_t index, uint32_t start,
		      uint32_t count, const int *fds, unsigned nfds)
{
	send_irqs(s, flags, index, start, count, fds, nfds);
	expect_error(s->client, VUSER_CMD_DEVICE_SET_IRQS, EINVAL);
}

static void set_bool(struct served *s, uint32_t action, uint32_t index, uint32_t start,
		     uint32_t count, const char *bools, size_t len)
{
	uint8_t payload[128];
	struct vuser_irq_set set = {(uint32_t)(20 + len), VUSER_IRQ_SET_BOOL | action,
				    index, start, count};

	memcpy(payload, &set, sizeof(set));
	memcpy(payload + sizeof(set), bools, len);
	send_msg(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, payload, sizeof(set) + len);
	served_run(s);
}

static void assign_and_raise(struct served *s, unsigned index, unsigned vectors)
{
	int fds[SERVED_MSIX];

	make_eventfds(fds, vectors);
	set_ok(s, ASSIGN, index, 0, vectors, fds, vectors);
	assert_int_equal(s->irqs_index, index);
	for (unsigned v = 0; v < vectors; v++) {
		vuser_irq_raise(s->server, index, v);
		for (unsigned w = 0; w < vectors; w++)
			assert_int_equal(signals(fds[w]), v == w);
	}
	set_ok(s, DISABLE, index, 0, 0, NULL, 0);
	vuser_irq_raise(s->server, index, 0);
	assert_int_equal(signals(fds[0]), 0);
	close_eventfds(fds, vectors);
}

static void assign_msix(void **state)
{
	assign_and_raise(*state, IRQ_MSIX, SERVED_MSIX);
	assert_int_equal(((struct served *)*state)->nirqs, 2);
}

static void assign_msi(void **state)
{
	assign_and_raise(*state, IRQ_MSI, SERVED_MSI);
}

static void assign_in_batches(void **state)
{
	struct served *s = *state;
	int fds[SERVED_MSIX];

	make_eventfds(fds, SERVED_MSIX);
	for (unsigned v = 0; v < SERVED_MSIX; v += 4)
		set_ok(s, ASSIGN, IRQ_MSIX, v, 4, fds + v, 4);
	for (unsigned v = 0; v < SERVED_MSIX; v++) {
		vuser_irq_raise(s->server, IRQ_MSIX, v);
		assert_int_equal(signals(fds[v]), 1);
	}
	close_eventfds(fds, SERVED_MSIX);
}

/* What QEMU does with a Linux guest: enable without vectors, then one by one. */
static void as_qemu_does(void **state)
{
	struct served *s = *state;
	int fds[3];

	make_eventfds(fds, 3);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, NULL, 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, &fds[0], 1);
	set_ok(s, ASSIGN, IRQ_MSIX, 1, 1, &fds[1], 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 1);
	assert_int_equal(signals(fds[0]), 1);
	assert_int_equal(signals(fds[1]), 1);
	/* with KVM each mask and unmask replaces the eventfd */
	set_ok(s, ASSIGN, IRQ_MSIX, 1, 1, &fds[2], 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 1);
	assert_int_equal(signals(fds[1]), 0);
	assert_int_equal(signals(fds[2]), 1);
	/* set to the same again */
	set_ok(s, ASSIGN, IRQ_MSIX, 1, 1, &fds[2], 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 1);
	assert_int_equal(signals(fds[2]), 1);
	close_eventfds(fds, 3);
}

static void deassign_a_range(void **state)
{
	struct served *s = *state;
	int fds[8];

	make_eventfds(fds, 8);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 8, fds, 8);
	set_ok(s, ASSIGN, IRQ_MSIX, 2, 3, NULL, 0);
	for (unsigned v = 0; v < 8; v++) {
		vuser_irq_raise(s->server, IRQ_MSIX, v);
		assert_int_equal(signals(fds[v]), v < 2 || v > 4);
	}
	close_eventfds(fds, 8);
}

static void pending_while_no_fd(void **state)
{
	struct served *s = *state;
	int fd = make_eventfd();

	vuser_irq_raise(s->server, IRQ_MSIX, 3);
	vuser_irq_raise(s->server, IRQ_MSIX, 3);
	set_ok(s, ASSIGN, IRQ_MSIX, 3, 1, &fd, 1);
	assert_int_equal(signals(fd), 1);
	/* given once, not again */
	set_ok(s, ASSIGN, IRQ_MSIX, 3, 1, NULL, 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 3, 1, &fd, 1);
	assert_int_equal(signals(fd), 0);
	/* raised between de-assign and assign */
	set_ok(s, ASSIGN, IRQ_MSIX, 3, 1, NULL, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 3);
	assert_int_equal(signals(fd), 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 3, 1, &fd, 1);
	assert_int_equal(signals(fd), 1);
	close(fd);
}

static void pending_is_dropped(void **state)
{
	struct served *s = *state;
	int fd = make_eventfd();

	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	set_ok(s, DISABLE, IRQ_MSIX, 0, 0, NULL, 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, &fd, 1);
	assert_int_equal(signals(fd), 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, NULL, 0);

	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	ask(s, VUSER_CMD_DEVICE_RESET, NULL, 0, 0, NULL);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, &fd, 1);
	assert_int_equal(signals(fd), 0);
	close(fd);
}

static void raise_out_of_range_is_nothing(void **state)
{
	struct served *s = *state;

	vuser_irq_raise(s->server, IRQ_MSIX, SERVED_MSIX);
	vuser_irq_raise(s->server, IRQ_INTX, 0);
	vuser_irq_raise(s->server, 77, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 64);
	vuser_irq_raise(s->server, IRQ_MSIX, UINT32_MAX);
	served_hang_up(s);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
}

static void triggers(void **state)
{
	struct served *s = *state;
	int fds[4];

	make_eventfds(fds, 4);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 4, fds, 4);
	set_ok(s, DISABLE, IRQ_MSIX, 1, 2, NULL, 0); /* count: trigger, not disable */
	assert_int_equal(signals(fds[0]), 0);
	assert_int_equal(signals(fds[1]), 1);
	assert_int_equal(signals(fds[2]), 1);
	assert_int_equal(signals(fds[3]), 0);
	set_bool(s, VUSER_IRQ_SET_TRIGGER, IRQ_MSIX, 1, 3, "\1\0\1", 3);
	expect_reply(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, NULL);
	assert_int_equal(signals(fds[0]), 0);
	assert_int_equal(signals(fds[1]), 1);
	assert_int_equal(signals(fds[2]), 0);
	assert_int_equal(signals(fds[3]), 1);
	/* for a vector without eventfd it goes nowhere, also later */
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, NULL, 0);
	set_ok(s, DISABLE, IRQ_MSIX, 0, 1, NULL, 0);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, fds, 1);
	assert_int_equal(signals(fds[0]), 0);
	close_eventfds(fds, 4);
}

static void mask_and_unmask(void **state)
{
	struct served *s = *state;
	int fds[2];

	make_eventfds(fds, 2);
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 2, fds, 2);
	set_ok(s, VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_MASK, IRQ_MSIX, 0, 1, NULL, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 1);
	assert_int_equal(signals(fds[0]), 0);
	assert_int_equal(signals(fds[1]), 1);
	set_bool(s, VUSER_IRQ_SET_UNMASK, IRQ_MSIX, 0, 2, "\1\1", 2);
	expect_reply(s->client, VUSER_CMD_DEVICE_SET_IRQS, 0, NULL);
	assert_int_equal(signals(fds[0]), 1);
	assert_int_equal(signals(fds[1]), 0);
	close_eventfds(fds, 2);
}

static void disable_without_vectors(void **state)
{
	set_ok(*state, DISABLE, IRQ_INTX, 0, 0, NULL, 0);
	set_ok(*state, DISABLE, IRQ_MSI, 0, 0, NULL, 0);
}

static void refused(void **state)
{
	static const struct {
		uint32_t flags, index, start, count;
		unsigned nfds;
	} bad[] = {
		{0x24, IRQ_ERR, 0, 1, 1}, /* an index we do not have */
		{0x24, 5, 0, 1, 1},
		{0x24, UINT32_MAX, 0, 1, 1},
		{0x39, IRQ_MSIX, 0, 1, 0}, /* mask and unmask */
		{0x31, IRQ_MSIX, 0, 1, 0},
		{0x23, IRQ_MSIX, 0, 1, 0}, /* none and bool */
		{0x27, IRQ_MSIX, 0, 1, 0},
		{0x20, IRQ_MSIX, 0, 1, 0}, /* no data type */
		{0x01, IRQ_MSIX, 0, 1, 0}, /* no action */
		{0x61, IRQ_MSIX, 0, 1, 0}, /* unknown flag */
		{0x24, IRQ_MSIX, 1, SERVED_MSIX, 0},
		{0x24, IRQ_MSIX, SERVED_MSIX, 1, 1},
		{0x21, IRQ_MSIX, 0, UINT32_MAX, 0},
		{0x21, IRQ_MSIX, UINT32_MAX, 2, 0},
		{0x21, IRQ_MSIX, 2, UINT32_MAX, 0},
		{0x21, IRQ_MSIX, 1, 0, 0}, /* nothing, but not "disable" */
		{0x21, IRQ_MSIX, SERVED_MSIX, 0, 0},
		{0x09, IRQ_MSIX, 0, 0, 0},
		{0x22, IRQ_MSIX, 0, 0, 0},
		{0x24, IRQ_MSIX, 0, 0, 0},
		{0x21, IRQ_MSIX, 0, 0, 1}, /* fds where none belong */
		{0x21, IRQ_MSIX, 0, 1, 1},
		{0x22, IRQ_MSIX, 0, 1, 1},
		{0x24, IRQ_MSIX, 0, 2, 1}, /* fewer or more than vectors */
		{0x24, IRQ_MSIX, 0, 1, 2},
		{0x24, IRQ_INTX, 0, 1, 1}, /* no vectors at all */
		{0x14, IRQ_INTX, 0, 1, 1},
		{0x14, IRQ_MSIX, 0, 1, 1},
		{0x0c, IRQ_MSIX, 0, 1, 1},
	};
	struct served *s = *state;
	int fds[2];

	make_eventfds(fds, 2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		set_error(s, bad[i].flags, bad[i].index, bad[i].start, bad[i].count, fds,
			  bad[i].nfds);
	assert_int_equal(s->nirqs, 0);
	close_eventfds(fds, 2);
}

static void malformed(void **state)
{
	struct served *s = *state;
	struct vuser_irq_set set = {3, DISABLE, IRQ_MSIX, 0, 0};

	ask_error(s, VUSER_CMD_DEVICE_SET_IRQS, &set, sizeof(set), EINVAL);
	set.argsz = 20;
	ask_error(s, VUSER_CMD_DEVICE_SET_IRQS, &set, 19, EINVAL);
	ask_error(s, VUSER_CMD_DEVICE_SET_IRQS, NULL, 0, EINVAL);
	set_bool(s, VUSER_IRQ_SET_TRIGGER, IRQ_MSIX, 0, 2, "\1", 1);
	expect_error(s->client, VUSER_CMD_DEVICE_SET_IRQS, EINVAL);
	set_bool(s, VUSER_IRQ_SET_TRIGGER, IRQ_MSIX, 0, 2, "\1\1\1", 3);
	expect_error(s->client, VUSER_CMD_DEVICE_SET_IRQS, EINVAL);
	expect_alive(s, s->client);
}

/* A refused message changes nothing, not even by its valid parts. */
static void refused_leaves_old(void **state)
{
	struct served *s = *state;
	int fds[2] = {make_eventfd(), open("/dev/null", O_RDWR | O_CLOEXEC)};
	int other = make_eventfd();

	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, &other, 1);
	set_error(s, ASSIGN, IRQ_MSIX, 0, 2, fds, 2);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	assert_int_equal(signals(fds[0]), 0);
	assert_int_equal(signals(other), 1);
	close(other);
	close_eventfds(fds, 2);
}

/* Another kind of descriptor could block us or send us SIGPIPE. */
static void strange_fds(void **state)
{
	struct served *s = *state;
	int pair[2], pipe_fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	set_error(s, ASSIGN, IRQ_MSIX, 0, 1, &pair[0], 1);
	set_error(s, ASSIGN, IRQ_MSIX, 0, 1, &pipe_fds[1], 1);
	set_error(s, ASSIGN, IRQ_MSIX, 0, 1, &s->client, 1);
	close_eventfds(pair, 2);
	close_eventfds(pipe_fds, 2);
	expect_alive(s, s->client);
}

/* The client never reads its eventfd, which would block a writer. */
static void full_counter(void **state)
{
	struct served *s = *state;
	int fd = eventfd(0, EFD_CLOEXEC); /* blocking */
	uint64_t full = UINT64_MAX - 1;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	set_ok(s, ASSIGN, IRQ_MSIX, 0, 1, &fd, 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	expect_alive(s, s->client);
	assert_int_equal(signals(fd), full + 1);
	vuser_irq_raise(s->server, IRQ_MSIX, 0);
	assert_int_equal(signals(fd), 1);
	/* and the client's fd is as blocking as it was */
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	close(fd);
}

static void no_fd_stays_behind(void **state)
{
	struct served *s = *state;
	int fds[SERVED_MSIX];
	int before;

	make_eventfds(fds, SERVED_MSIX);
	before = served_count_fds();
	for (unsigned i = 0; i < 50; i++) {
		set_ok(s, ASSIGN, IRQ_MSIX, 0, SERVED_MSIX, fds, SERVED_MSIX);
		set_ok(s, ASSIGN, IRQ_MSI, 0, SERVED_MSI, fds, SERVED_MSI);
		set_error(s, ASSIGN, IRQ_MSIX, 0, SERVED_MSIX, fds, SERVED_MSIX - 1);
	}
	assert_int_equal(served_count_fds(), before + SERVED_MSIX + SERVED_MSI);
	set_ok(s, DISABLE, IRQ_MSIX, 0, 0, NULL, 0);
	assert_int_equal(served_count_fds(), before + SERVED_MSI);
	set_ok(s, DISABLE, IRQ_MSI, 0, 0, NULL, 0);
	assert_int_equal(served_count_fds(), before);
	close_eventfds(fds, SERVED_MSIX);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(assign_msix),
		TEST(assign_msi),
		TEST(assign_in_batches),
		TEST(as_qemu_does),
		TEST(deassign_a_range),
		TEST(pending_while_no_fd),
		TEST(pending_is_dropped),
		TEST(raise_out_of_range_is_nothing),
		TEST(triggers),
		TEST(mask_and_unmask),
		TEST(disable_without_vectors),
		TEST(refused),
		TEST(malformed),
		TEST(refused_leaves_old),
		TEST(strange_fds),
		TEST(full_counter),
		TEST(no_fd_stays_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
