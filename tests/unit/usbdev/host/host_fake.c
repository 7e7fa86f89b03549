/* SPDX-License-Identifier: MIT
 * host_fake.c - a fake of a real device: handle.h and urbs.h for tests
 */
#include "host_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "usbdev/host/urb/urbs.h"

struct fake fake;

struct handle {
	int fd;
};

struct urbs {
	struct urbs_owner owner;
	struct list with;
	struct loop_task task;
};

static struct urbs *urbs;    /* of the only device */
static char asked_to_cancel; /* marks the backend of a transfer after urbs_cancel() */
static bool hold;
static sem_t held;
static sem_t release;

/* Atomic, because the worker reads it too. */
static unsigned frozen(void)
{
	return __atomic_load_n(&fake.frozen, __ATOMIC_SEQ_CST);
}

/* Records a call. Must run on the worker, whose failures the loop thread finds in fake.calls. */
PRINTF_LIKE(1, 2)
static void note(const char *format, ...)
{
	size_t at = strlen(fake.calls);
	va_list ap;

	if (pthread_equal(pthread_self(), fake.loop_thread))
		fail_msg("a blocking call in the loop");
	va_start(ap, format);
	(void)vsnprintf(fake.calls + at, sizeof(fake.calls) - at, format, ap);
	va_end(ap);
	at = strlen(fake.calls);
	(void)snprintf(fake.calls + at, sizeof(fake.calls) - at, "%s",
		       fake.urbs_exist && frozen() == 0 ? " NOT FROZEN; " : "; ");
	if (__atomic_exchange_n(&hold, false, __ATOMIC_SEQ_CST)) {
		sem_post(&held);
		sem_wait(&release);
	}
}

void handle_prepare(void)
{
}

int handle_check(int fd, const char *name, struct err *err)
{
	if (fd < 0)
		return err_set(err, EBADF, "%s: bad", name);
	return 0;
}

int handle_open(int fd, const char *name, struct handle **ret_handle,
		struct handle_info *ret_info, struct err *err)
{
	note("open");
	if (fake.open_error)
		return err_set(err, -fake.open_error, "%s: refused", name);
	*ret_handle = calloc(1, sizeof(**ret_handle));
	(*ret_handle)->fd = fd;
	*ret_info = fake.info;
	return 0;
}

void handle_close(struct handle *handle)
{
	note("close");
	fake.closed_fd = fcntl(handle->fd, F_GETFD) >= 0 ? handle->fd : -1;
	free(handle);
}

int handle_set_configuration(struct handle *handle, uint8_t config)
{
	(void)handle;
	note("config %u", config);
	return fake.call_error;
}

int handle_set_interface(struct handle *handle, uint8_t interface, uint8_t alt)
{
	(void)handle;
	note("alt %u.%u", interface, alt);
	return fake.call_error;
}

int handle_clear_halt(struct handle *handle, uint8_t ep_addr)
{
	(void)handle;
	note("halt %02x", ep_addr);
	return fake.call_error;
}

int handle_reset(struct handle *handle)
{
	(void)handle;
	note("reset");
	return fake.call_error;
}

int handle_retake(struct handle *handle)
{
	(void)handle;
	note("retake");
	return fake.retaken;
}

int handle_set_streams(struct handle *handle, const uint8_t *ep_addrs, unsigned ep_count,
		       unsigned stream_count)
{
	(void)handle;
	note("streams %u of %u from %02x", stream_count, ep_count, ep_addrs[0]);
	return fake.call_error;
}

uint32_t handle_endpoints(const struct handle *handle, uint8_t interface)
{
	(void)handle;
	(void)interface;
	return fake.endpoints;
}

static void finish(struct usbdev_transfer *transfer, enum usbdev_status status,
		   uint32_t actual_bytes)
{
	assert_int_equal(fake.frozen, 0);
	list_remove(&transfer->node);
	fake.with--;
	urbs->owner.completed(urbs->owner.ctx, transfer, status, actual_bytes);
}

/* A deferred task: completes a cancelled transfer. */
static void on_task(void *ctx)
{
	struct list *node, *tmp;

	(void)ctx;
	if (fake.frozen > 0)
		return;
	LIST_FOREACH_SAFE(node, tmp, &urbs->with) {
		struct usbdev_transfer *transfer =
			LIST_ENTRY(node, struct usbdev_transfer, node);

		if (transfer->backend == &asked_to_cancel) {
			finish(transfer, USBDEV_STATUS_CANCELLED, 0);
			break; /* the callback may have removed the next one */
		}
	}
	LIST_FOREACH(node, &urbs->with) {
		if (LIST_ENTRY(node, struct usbdev_transfer, node)->backend ==
		    &asked_to_cancel)
			loop_defer(fake.host.loop, &urbs->task);
	}
}

struct urbs *urbs_create(struct loop *loop, int fd, uint32_t caps, struct worker *worker,
			 const struct urbs_owner *owner)
{
	(void)loop;
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(caps, fake.info.caps);
	assert_non_null(worker);
	if (fake.urbs_fail)
		return NULL;
	urbs = calloc(1, sizeof(*urbs));
	urbs->owner = *owner;
	list_init(&urbs->with);
	urbs->task = (struct loop_task){.cb = on_task};
	fake.urbs_exist = true;
	return urbs;
}

void urbs_destroy(struct urbs *u)
{
	if (!u)
		return;
	assert_int_equal(fake.with, 0);
	assert_int_equal(fake.restless, 0);
	loop_undefer(fake.host.loop, &u->task);
	fake.urbs_exist = false;
	free(u);
}

void urbs_submit(struct urbs *u, struct usbdev_transfer *transfer)
{
	fake.submitted++;
	fake.with++;
	transfer->backend = NULL;
	list_append(&u->with, &transfer->node);
}

void urbs_cancel(struct urbs *u, struct usbdev_transfer *transfer)
{
	transfer->cancelled = true;
	transfer->backend = &asked_to_cancel;
	loop_defer(fake.host.loop, &u->task);
}

void urbs_cancel_all(struct urbs *u)
{
	struct list *node;

	LIST_FOREACH(node, &u->with)
		urbs_cancel(u, LIST_ENTRY(node, struct usbdev_transfer, node));
}

void urbs_forget_leftovers(struct urbs *u, uint8_t ep_addr)
{
	(void)u;
	fake.forgotten |= descr_ep_bit(ep_addr);
}

void urbs_freeze(struct urbs *u)
{
	assert_non_null(u);
	(void)__atomic_add_fetch(&fake.frozen, 1, __ATOMIC_SEQ_CST);
}

void urbs_thaw(struct urbs *u)
{
	assert_true(fake.frozen > 0);
	if (__atomic_sub_fetch(&fake.frozen, 1, __ATOMIC_SEQ_CST) == 0)
		loop_defer(fake.host.loop, &u->task);
}

bool urbs_quiet(const struct urbs *u)
{
	(void)u;
	if (fake.restless > 0) {
		fake.restless--;
		return false;
	}
	return fake.with == 0;
}

static void on_reset_done(void *ctx, int result)
{
	(void)ctx;
	fake.resets++;
	fake.reset_result = result;
}

static void on_gone(void *ctx)
{
	(void)ctx;
	fake.gone++;
}

static void on_wake(void *ctx)
{
	(void)ctx;
	fake.wakes++;
}

static const struct usbdev_events events = {
	.reset_done = on_reset_done,
	.gone = on_gone,
	.wake = on_wake,
};

void fake_init(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.loop_thread = pthread_self();
	fake.closed_fd = -1;
	fake.host.loop = loop_create();
	fake.info = (struct handle_info){
		.speed = USBDEV_SPEED_HIGH,
		.caps = 0x1f,
		.config = 1,
		.label = "1-2.3 046d:c31c Fake",
		.uas_works = true,
	};
	hold = false;
	sem_init(&held, 0, 0);
	sem_init(&release, 0, 0);
}

static void on_opened(void *ctx, struct usbdev *dev, const struct err *err)
{
	assert_ptr_equal(ctx, &fake);
	assert_false(fake.opened);
	fake.opened = true;
	if (dev) {
		host_init(&fake.host, fake.host.loop, dev);
		usbdev_set_events(dev, &events, &fake);
	} else {
		assert_int_not_equal(err->code, 0);
		fake.open_err = *err;
	}
}

void fake_open(enum host_reset policy)
{
	struct host_options options = {.name = "fake", .reset = policy};
	struct err err = {0};

	options.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(host_open(fake.host.loop, &options, on_opened, &fake, &err), 0);
	assert_false(fake.opened);
	FAKE_UNTIL(fake.opened);
	fake.calls[0] = '\0';
}

static void on_destroyed(void *ctx)
{
	(void)ctx;
	fake.destroyed = true;
	fake.host.dev = NULL;
}

void fake_destroy(void)
{
	usbdev_destroy(fake.host.dev, on_destroyed, NULL);
}

void fake_finish(void)
{
	if (fake.host.dev) {
		fake_destroy();
		FAKE_UNTIL(fake.destroyed);
		assert_true(fake.closed_fd >= 0);
		assert_int_equal(fcntl(fake.closed_fd, F_GETFD), -1);
	}
	assert_false(fake.urbs_exist);
	assert_null(strstr(fake.calls, "NOT FROZEN"));
	loop_destroy(fake.host.loop);
	sem_destroy(&held);
	sem_destroy(&release);
}

void fake_hold(void)
{
	__atomic_store_n(&hold, true, __ATOMIC_SEQ_CST);
}

void fake_held(void)
{
	sem_wait(&held);
}

void fake_release(void)
{
	sem_post(&release);
}

void fake_request(struct urb *urb, uint8_t request_type, uint8_t request, uint16_t value,
		  uint16_t index, uint16_t len)
{
	urb_init(urb, &fake.host, 0, len);
	urb->transfer.type = USBDEV_TYPE_CONTROL;
	urb->transfer.setup = (struct usbdev_setup){
		.request_type = request_type,
		.request = request,
		.value = value,
		.index = index,
		.length = len,
	};
	urb_submit(urb);
}

enum usbdev_status fake_ask(uint8_t request_type, uint8_t request, uint16_t value,
			    uint16_t index)
{
	struct urb urb;

	fake_request(&urb, request_type, request, value, index, 0);
	urb_wait(&urb);
	urb_finish(&urb);
	return urb.transfer.status;
}

void fake_bulk(struct urb *urb, uint8_t ep_addr)
{
	urb_init(urb, &fake.host, ep_addr, 512);
	urb_submit(urb);
}

bool fake_has(const struct urb *urb)
{
	struct list *node;

	LIST_FOREACH(node, &urbs->with) {
		if (node == &urb->transfer.node)
			return true;
	}
	return false;
}

void fake_answer(struct urb *urb, enum usbdev_status status, uint32_t actual_bytes)
{
	assert_true(fake_has(urb));
	finish(&urb->transfer, status, actual_bytes);
}

struct usbdev_transfer *fake_first(void)
{
	struct list *node = list_first(&urbs->with);

	assert_non_null(node);
	return LIST_ENTRY(node, struct usbdev_transfer, node);
}

void fake_answer_first(enum usbdev_status status, uint32_t actual_bytes)
{
	finish(fake_first(), status, actual_bytes);
}

void fake_unplug(void)
{
	struct list *node;

	while ((node = list_first(&urbs->with)))
		finish(LIST_ENTRY(node, struct usbdev_transfer, node), USBDEV_STATUS_GONE,
		       0);
	urbs->owner.gone(urbs->owner.ctx);
}

void urbs_claim_checked(struct urbs *u)
{
	assert_ptr_equal(u, urbs);
	fake.claims_checked++;
}

void fake_suspect_claim(void)
{
	urbs->owner.claim_suspect(urbs->owner.ctx);
}
