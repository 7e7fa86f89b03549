/* SPDX-License-Identifier: MIT
 * test_irqs.c - SET_IRQS in every form, and its effect on the eventfds
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/func/func.h"
#include "util/bytes.h"

#define NONE    VFU_SET_DATA_NONE
#define BOOL    VFU_SET_DATA_BOOL
#define EVENTFD VFU_SET_DATA_EVENTFD
#define MASK    VFU_SET_ACTION_MASK
#define UNMASK  VFU_SET_ACTION_UNMASK
#define TRIGGER VFU_SET_ACTION_TRIGGER

static void start(struct func *f)
{
	func_start(f, NULL, NULL);
	func_connect(f, VFU_DIALECT_QEMU);
	for (unsigned i = 0; i < 8; i++) {
		f->vmm.irq_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(f->vmm.irq_fds[i] >= 0);
	}
}

/* SET_IRQS with any argsz and trailing bytes. */
static int set(struct func *f, uint32_t flags, uint32_t index, uint32_t first,
	       uint32_t count, const void *bools, size_t bools_len, unsigned fds)
{
	uint8_t request[20 + 64];

	put_le32(request, (uint32_t)(20 + bools_len));
	put_le32(request + 4, flags);
	put_le32(request + 8, index);
	put_le32(request + 12, first);
	put_le32(request + 16, count);
	if (bools_len > 0)
		memcpy(request + 20, bools, bools_len);
	return vfu_call(&f->vmm.client, VFU_DEVICE_SET_IRQS, request, 20 + bools_len,
			f->vmm.irq_fds, fds, NULL);
}

/* Exactly the vectors in @mask have a signal; resets their eventfds. */
static void expect_signals(struct func *f, unsigned mask)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t count = 0;
		ssize_t n = read(f->vmm.irq_fds[i], &count, sizeof(count));

		assert_int_equal(n == sizeof(count), (mask >> i) & 1);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		uint32_t flags, index, start, count;
		unsigned bools, fds;
	} cases[] = {
		{TRIGGER | NONE | BOOL, VFU_IRQ_MSIX, 0, 1, 1, 0},
		{MASK | UNMASK | NONE, VFU_IRQ_MSIX, 0, 1, 0, 0},
		{MASK | TRIGGER | NONE, VFU_IRQ_MSIX, 0, 1, 0, 0},
		{TRIGGER, VFU_IRQ_MSIX, 0, 1, 0, 0},
		{NONE, VFU_IRQ_MSIX, 0, 1, 0, 0},
		{TRIGGER | NONE | 0x40, VFU_IRQ_MSIX, 0, 1, 0, 0},
		{TRIGGER | NONE, 17, 0, 1, 0, 0},
		{TRIGGER | NONE, UINT32_MAX, 0, 0, 0, 0},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 7, 2, 0, 0},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 8, 1, 0, 0},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 1, UINT32_MAX, 0, 0},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 0, UINT32_MAX, 0, 0},
		{TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 9, 0, 8},
		{TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 2, 0, 1},
		{TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 1, 0, 2},
		{TRIGGER | EVENTFD, VFU_IRQ_INTX, 0, 1, 0, 1},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 1, 0, 0, 0},
		{MASK | NONE, VFU_IRQ_MSIX, 0, 0, 0, 0},
		{TRIGGER | BOOL, VFU_IRQ_MSIX, 0, 0, 0, 0},
		{TRIGGER | BOOL, VFU_IRQ_MSIX, 0, 2, 2, 1},
		{TRIGGER | NONE, VFU_IRQ_MSIX, 0, 1, 0, 1},
		{TRIGGER | BOOL, VFU_IRQ_MSIX, 0, 3, 2, 0},
		{TRIGGER | BOOL, VFU_IRQ_MSIX, 0, 3, 4, 0},
	};
	static const uint8_t bools[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	struct func *f = *state;
	int before;

	start(f);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = set(f, cases[i].flags, cases[i].index, cases[i].start,
			    cases[i].count, bools, cases[i].bools, cases[i].fds);

		if (r != -EINVAL)
			fail_msg("case %u: %d", i, r);
	}
	expect_signals(f, 0);
	assert_int_equal(daemon_fd_count(&f->daemon), before);
}

static void test_short_messages(void **state)
{
	struct func *f = *state;
	uint8_t request[20] = {0};

	start(f);
	for (size_t bytes = 0; bytes < 20; bytes++)
		assert_int_equal(vfu_call(&f->vmm.client, VFU_DEVICE_SET_IRQS, request,
					  bytes, NULL, 0, NULL),
				 -EINVAL);
	put_le32(request, 3);
	put_le32(request + 4, TRIGGER | NONE);
	put_le32(request + 8, VFU_IRQ_MSIX);
	assert_int_equal(
		vfu_call(&f->vmm.client, VFU_DEVICE_SET_IRQS, request, 20, NULL, 0, NULL),
		-EINVAL);
}

/* Interrupts triggered by the client show which vector has which eventfd. */
static void test_assign_trigger_deassign(void **state)
{
	static const uint8_t some[4] = {1, 0, 0, 1};
	struct func *f = *state;

	start(f);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 8, NULL, 0, 8));
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 2, 3, NULL, 0, 0));
	expect_signals(f, 0x1c);
	assert_ok(set(f, TRIGGER | BOOL, VFU_IRQ_MSIX, 4, 4, some, 4, 0));
	expect_signals(f, 0x90);
	/* without fds: de-assign */
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 2, 1, NULL, 0, 0));
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 8, NULL, 0, 0));
	expect_signals(f, 0xfb);
}

/* MSI and MSI-X vectors do not affect each other. */
static void test_msi_and_msix_are_apart(void **state)
{
	struct func *f = *state;

	start(f);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 1, NULL, 0, 1));
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSI, 0, 8, NULL, 0, 0));
	expect_signals(f, 0);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSI, 5, 1, NULL, 0, 1));
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSI, 5, 1, NULL, 0, 0));
	expect_signals(f, 1);
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSI, 0, 0, NULL, 0, 0));
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 8, NULL, 0, 0));
	expect_signals(f, 1);
}

static void test_disable_index(void **state)
{
	struct func *f = *state;
	int before;

	start(f);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 8, NULL, 0, 8));
	assert_int_equal(daemon_fd_count(&f->daemon), before + 8);
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 0, NULL, 0, 0));
	assert_int_equal(daemon_fd_count(&f->daemon), before);
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 8, NULL, 0, 0));
	expect_signals(f, 0);
	/* QEMU disables an index without vectors too */
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_INTX, 0, 0, NULL, 0, 0));
}

static void test_assign_again_closes_the_old_one(void **state)
{
	struct func *f = *state;
	int before;

	start(f);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 4, NULL, 0, 4));
	before = daemon_fd_count(&f->daemon);
	for (unsigned i = 0; i < 20; i++)
		assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 1, 2, NULL, 0, 2));
	assert_int_equal(daemon_fd_count(&f->daemon), before);
	/* vectors 1 and 2 have the first two eventfds now */
	assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 1, 2, NULL, 0, 0));
	expect_signals(f, 3);
}

static void test_mask_holds_back_unmask_delivers(void **state)
{
	struct func *f = *state;
	struct drv_event event;

	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	assert_ok(set(f, MASK | NONE, VFU_IRQ_MSIX, 0, 1, NULL, 0, 0));
	(void)drv_command_push(&f->drv,
			       (struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
	drv_doorbell(&f->drv, 0, 0, 0);
	assert_int_equal(drv_wait(&f->drv, NULL, NULL, &event, DRV_QUIET_MS), -ETIMEDOUT);
	assert_ok(set(f, UNMASK | NONE, VFU_IRQ_MSIX, 0, 1, NULL, 0, 0));
	assert_ok(drv_wait(&f->drv, NULL, NULL, &event, DRV_TIMEOUT_MS));
}

/* QEMU with KVM masks a vector by removing its eventfd and unmasks it with another one.
 * An interrupt in between must not be lost. */
static void test_interrupt_without_eventfd_waits_for_the_next(void **state)
{
	struct func *f = *state;
	struct drv_event event;

	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	for (unsigned i = 0; i < 10; i++) {
		assert_ok(vmm_mask_vector(&f->vmm, 0));
		(void)drv_command_push(
			&f->drv,
			(struct drv_trb){.control = XTRB_TYPE(XTRB_NOOP_COMMAND)});
		drv_doorbell(&f->drv, 0, 0, 0);
		/* after this read the controller has seen the command */
		(void)drv_op_read(&f->drv, XOP_USBSTS);
		assert_ok(vmm_unmask_vector(&f->vmm, 0));
		assert_ok(drv_wait(&f->drv, NULL, NULL, &event, DRV_TIMEOUT_MS));
		assert_int_equal(drv_event_code(&event), XCC_SUCCESS);
	}
}

/* Other descriptors that a VMM passes by mistake do no harm (original 5.3). */
static void test_strange_fds_as_eventfds(void **state)
{
	struct func *f = *state;
	int pipes[2];
	int saved;

	func_start(f, NULL, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	assert_ok(pipe(pipes));
	saved = f->vmm.irq_fds[0];
	f->vmm.irq_fds[0] = pipes[0]; /* not writable */
	(void)set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 1, NULL, 0, 1);
	(void)set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 1, NULL, 0, 0);
	f->vmm.irq_fds[0] = pipes[1];
	(void)close(pipes[0]); /* no reader: SIGPIPE */
	(void)set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 1, NULL, 0, 1);
	(void)set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 1, NULL, 0, 0);
	(void)close(pipes[1]);
	f->vmm.irq_fds[0] = saved;
	assert_alive(f);
}

/* An eventfd at its highest value would block a writer. */
static void test_full_eventfd_does_not_block(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	struct func *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);

	start(f);
	(void)close(f->vmm.irq_fds[0]);
	f->vmm.irq_fds[0] = fd;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 1, NULL, 0, 1));
	for (unsigned i = 0; i < 5; i++)
		assert_ok(set(f, TRIGGER | NONE, VFU_IRQ_MSIX, 0, 1, NULL, 0, 0));
	assert_alive(f);
}

static void test_disconnect_closes_eventfds(void **state)
{
	struct func *f = *state;
	int before;

	start(f);
	assert_alive(f);
	before = daemon_fd_count(&f->daemon);
	assert_ok(set(f, TRIGGER | EVENTFD, VFU_IRQ_MSIX, 0, 8, NULL, 0, 8));
	func_disconnect(f);
	func_connect(f, VFU_DIALECT_QEMU);
	assert_alive(f);
	assert_int_equal(daemon_fd_count(&f->daemon), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUNC_TEST(test_malformed),
		FUNC_TEST(test_short_messages),
		FUNC_TEST(test_assign_trigger_deassign),
		FUNC_TEST(test_msi_and_msix_are_apart),
		FUNC_TEST(test_disable_index),
		FUNC_TEST(test_assign_again_closes_the_old_one),
		FUNC_TEST(test_mask_holds_back_unmask_delivers),
		FUNC_TEST(test_interrupt_without_eventfd_waits_for_the_next),
		FUNC_TEST(test_strange_fds_as_eventfds),
		FUNC_TEST(test_full_eventfd_does_not_block),
		FUNC_TEST(test_disconnect_closes_eventfds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
