/* SPDX-License-Identifier: MIT
 * test_lend.c - writes that no guest asked for, one of each kind, end the process
 *
 * A child process makes each fault, while a guest is at work.
 */
#include <string.h>

#include "driver.h"
#include "mem/dma_check.h"
#include "streams.h"
#include "tests/lib/death.h"
#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/interrupter.h"
#include "xhci/slot.h"

#define NOT_ASKED "DMA CHECK: a write that the guest did not ask for"
#define STALE     "DMA CHECK: access by a pointer that was taken back, or beyond its piece"

/* A configured device; the pointer and address that the fault is about. */
struct scene {
	struct streams s;
	struct driver *d;
	uint8_t *pointer;
	uint64_t iova;
};

static void begin(struct scene *scene, void **state)
{
	scene->d = &scene->s.d;
	driver_configure(scene->d, *state, USBDEV_SPEED_SUPER);
}

/* An IN TD of two TRBs is with the device; @pointer is to its first bytes. */
static void begin_td(struct scene *scene, void **state)
{
	struct iovec iov;

	begin(scene, state);
	driver_normal(scene->d, IN, DATA, 100, XHCI_TRB_CH);
	driver_normal(scene->d, IN, DATA + 200, 50, XHCI_TRB_IOC);
	driver_ring(scene->d, IN);
	assert_int_equal(usbdev_transfer_iov(driver_held(scene->d, IN), 0, 150, &iov, 1),
			 1);
	scene->pointer = iov.iov_base;
}

/* The test program catches faults itself, otherwise. */
static void write_by_pointer(void *ctx)
{
	struct scene *scene = ctx;

	assert_non_null(guest_mem_create());
	*scene->pointer = 1;
}

static void write_there(void *ctx)
{
	struct scene *scene = ctx;
	uint8_t byte = 1;

	(void)!guest_mem_write(scene->d->f->mem, scene->iova, &byte, 1);
}

static bool is_found(struct scene *scene, uint64_t iova, const char *words)
{
	scene->iova = iova;
	return dies_saying(write_there, scene, words);
}

static bool is_fine(struct scene *scene, uint64_t iova)
{
	uint8_t byte = 0;

	return guest_mem_write(scene->d->f->mem, iova, &byte, 1) == 0;
}

/* ---- data ---- */

static void data_in_time(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	memset(scene.pointer, 7, 100);
	assert_true(is_fine(&scene, DATA + 249));
	driver_complete(scene.d, IN, USBDEV_STATUS_OK, 150);
	assert_int_equal(*(uint8_t *)guest(scene.d->f, DATA + 99), 7);
	driver_end(scene.d);
}

static void data_beyond_its_trbs(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	assert_true(is_found(&scene, DATA + 100, NOT_ASKED));
	assert_true(is_found(&scene, DATA + 199, NOT_ASKED));
	assert_true(is_found(&scene, DATA + 250, NOT_ASKED));
	assert_int_equal(usbdev_transfer_write(driver_held(scene.d, IN), 0, "abc", 3), 0);
	driver_end(scene.d);
}

static void data_by_a_pointer_beyond_its_piece(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	scene.pointer += 100;
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	driver_end(scene.d);
}

/* Completed, but not reported, as there is no room for the event. */
static void data_after_it_completed(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	fake_dev_complete(&scene.d->fake, driver_held(scene.d, IN), USBDEV_STATUS_OK,
			  100);
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	assert_true(is_found(&scene, DATA, NOT_ASKED));
	driver_end(scene.d);
}

static void data_after_it_was_reported(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	driver_complete(scene.d, IN, USBDEV_STATUS_OK, 150);
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	assert_true(is_found(&scene, DATA + 200, NOT_ASKED));
	/* the same memory lent once more does not make the pointer good */
	driver_normal(scene.d, IN, DATA, 100, XHCI_TRB_IOC);
	driver_ring(scene.d, IN);
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	assert_true(is_fine(&scene, DATA));
	driver_end(scene.d);
}

/* What has moved before a stop does not move again. */
static void data_that_has_moved(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	scene.d->fake.hold_cancelled = true;
	driver_stop_put(scene.d, IN);
	run_until_idle(scene.d->f);
	driver_complete(scene.d, IN, USBDEV_STATUS_CANCELLED, 60);
	events_skip(scene.d->f);
	assert_int_equal(driver_ep_state(scene.d, IN), XHCI_EP_STATE_STOPPED);
	assert_true(is_found(&scene, DATA + 60, NOT_ASKED));
	driver_ring(scene.d, IN);
	assert_int_equal(driver_held(scene.d, IN)->length_bytes, 90);
	assert_true(is_found(&scene, DATA + 59, NOT_ASKED));
	assert_true(is_fine(&scene, DATA + 60));
	driver_end(scene.d);
}

static void data_of_an_orphan(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	scene.d->fake.hold_cancelled = true;
	assert_int_equal(
		driver_on_slot(scene.d, XHCI_TRB_TYPE_RESET_DEVICE, scene.d->slot_id),
		XHCI_CC_SUCCESS);
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	assert_true(is_found(&scene, DATA, NOT_ASKED));
	driver_end(scene.d);
}

static void data_without_bus_master(void **state)
{
	struct scene scene;

	begin_td(&scene, state);
	xhci_set_bus_master(scene.d->f->xhci, false);
	assert_true(dies_saying(write_by_pointer, &scene, STALE));
	assert_true(is_found(&scene, DATA, "not let the controller be bus master"));
	xhci_set_bus_master(scene.d->f->xhci, true);
	assert_true(is_fine(&scene, DATA));
	driver_end(scene.d);
}

/* ---- events ---- */

static void events_in_free_trbs_only(void **state)
{
	struct scene scene;

	begin(&scene, state);
	assert_true(is_found(&scene, FIXTURE_EVENTS_IOVA + 0x80, NOT_ASKED));
	driver_end(scene.d);
}

static void post_one(void *ctx)
{
	const struct xhci_trb event = {
		.control = xhci_trb_type_bits(XHCI_TRB_TYPE_TRANSFER_EVENT),
	};
	struct scene *scene = ctx;

	(void)!xhci_event_post(scene->d->f->xhci, 0, &event, true);
}

/* The producer goes astray: to the event before the last, which the guest has not taken. */
static void an_event_over_another(void **state)
{
	struct scene scene;
	struct xhci_interrupter *intr;

	begin(&scene, state);
	intr = &scene.d->f->xhci->interrupters[0];
	for (unsigned i = 0; i < 3; i++)
		post_one(&scene);
	intr->ring.enqueue.index -= 2;
	assert_true(dies_saying(post_one, &scene,
				"an event over one that the guest has not taken"));
	intr->ring.enqueue.index += 2;
	post_one(&scene);
	/* nothing is lost if the guest has taken it */
	events_skip(scene.d->f);
	intr->ring.enqueue.index -= 2;
	post_one(&scene);
	intr->ring.enqueue.index += 1;
	driver_end(scene.d);
}

static void an_event_beyond_its_segment(void **state)
{
	struct scene scene;
	struct xhci_interrupter *intr;
	uint32_t index;

	begin(&scene, state);
	intr = &scene.d->f->xhci->interrupters[0];
	index = intr->ring.enqueue.index;
	intr->ring.enqueue.index = intr->ring.enqueue.segment_trbs;
	assert_true(dies_saying(post_one, &scene, NOT_ASKED));
	intr->ring.enqueue.index = index;
	driver_end(scene.d);
}

/* ---- contexts ---- */

static void contexts_without_a_command(void **state)
{
	struct scene scene;

	begin(&scene, state);
	/* slot context; fields of that of IN that only a command changes; a missing endpoint;
	 * an input context */
	assert_true(is_found(&scene, DRIVER_OUTPUT_IOVA, NOT_ASKED));
	assert_true(is_found(&scene, DRIVER_OUTPUT_IOVA + IN * 32 + 4, NOT_ASKED));
	assert_true(is_found(&scene, DRIVER_OUTPUT_IOVA + IN * 32 + 16, NOT_ASKED));
	assert_true(is_found(&scene, DRIVER_OUTPUT_IOVA + 30 * 32, NOT_ASKED));
	assert_true(is_found(&scene, DRIVER_INPUT_IOVA + IN * 32, NOT_ASKED));
	driver_end(scene.d);
}

static void contexts_of_a_slot_that_was(void **state)
{
	struct scene scene;

	begin(&scene, state);
	assert_int_equal(
		driver_on_slot(scene.d, XHCI_TRB_TYPE_DISABLE_SLOT, scene.d->slot_id),
		XHCI_CC_SUCCESS);
	assert_true(is_found(&scene, DRIVER_OUTPUT_IOVA + IN * 32, NOT_ASKED));
	driver_end(scene.d);
}

static void write_context(void *ctx)
{
	struct scene *scene = ctx;
	struct fixture *f = scene->d->f;

	xhci_endpoint_write_context(
		f->xhci->slots[scene->d->slot_id].endpoints[DRIVER_BULK_IN_DCI]);
}

static void contexts_of_a_controller_at_rest(void **state)
{
	struct scene scene;

	begin(&scene, state);
	write_context(&scene);
	write32(scene.d->f, OPER(USBCMD), 0);
	run_until_idle(scene.d->f);
	assert_true(read32(scene.d->f, OPER(USBSTS)) & XHCI_USBSTS_HCH);
	assert_true(dies_saying(write_context, &scene,
				"a write while the controller is halted"));
	driver_end(scene.d);
}

static void stream_contexts(void **state)
{
	struct scene scene = {.d = &scene.s.d};

	streams_start_linear(&scene.s, *state, 3);
	streams_put_and_ring(&scene.s, 5, 100);
	assert_true(is_fine(&scene, DATA));
	assert_true(is_found(&scene, CONTEXT(ARRAY, 4), NOT_ASKED));
	assert_true(is_found(&scene, CONTEXT(ARRAY, 5) + 8, NOT_ASKED));
	streams_stop_put(&scene.s);
	events_skip(scene.d->f);
	assert_int_equal(streams_set_dequeue(&scene.s, IN, 5, RING_OF(5) | 3),
			 XHCI_CC_SUCCESS);
	assert_true(is_found(&scene, CONTEXT(ARRAY, 5), NOT_ASKED));
	streams_end(&scene.s);
}

/* ---- the guest learns that a loan is over ---- */

static const int anything;

static struct dma_check *check_of(const struct scene *scene)
{
	return guest_mem_dma_check(scene->d->f->mem);
}

/* As if a TD were still with the device. */
static void lend_for_ever(struct scene *scene, unsigned dci)
{
	const struct dma_leave leave = {DMA_WHAT_DATA, scene->d->slot_id, dci, 0x1230};

	dma_check_permit(check_of(scene), &anything, &leave, DATA, 4);
}

static void stop(void *ctx)
{
	struct scene *scene = ctx;

	driver_stop_put(scene->d, IN);
	run_until_idle(scene->d->f);
}

static void reset_device(void *ctx)
{
	struct scene *scene = ctx;

	(void)driver_on_slot(scene->d, XHCI_TRB_TYPE_RESET_DEVICE, scene->d->slot_id);
}

static void disable_slot(void *ctx)
{
	struct scene *scene = ctx;

	(void)driver_on_slot(scene->d, XHCI_TRB_TYPE_DISABLE_SLOT, scene->d->slot_id);
}

static void drop_endpoint(void *ctx)
{
	struct scene *scene = ctx;

	driver_input(scene->d, BIT(IN), BIT(0));
	(void)driver_on_slot(scene->d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT,
			     scene->d->slot_id);
}

static void halt(void *ctx)
{
	struct scene *scene = ctx;

	write32(scene->d->f, OPER(USBCMD), 0);
	run_until_idle(scene->d->f);
}

static void hcrst(void *ctx)
{
	struct scene *scene = ctx;

	write32(scene->d->f, OPER(USBCMD), XHCI_USBCMD_HCRST);
}

static void nothing_is_lent_when_the_guest_is_told_so(void **state)
{
	static const struct {
		void (*last)(void *ctx);
		const char *words;
	} ends[] = {
		{stop, "the guest learns that the endpoint has stopped"},
		{reset_device, "the guest learns that the device is reset"},
		{disable_slot, "the guest learns that the slot is disabled"},
		{drop_endpoint, "the guest learns that the endpoint is disabled"},
		{halt, "the guest sees the controller halted"},
		{hcrst, "the guest sees the controller halted"},
	};
	struct scene scene;

	begin(&scene, state);
	lend_for_ever(&scene, IN);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		assert_true(dies_saying(ends[i].last, &scene, ends[i].words));
	dma_check_revoke(check_of(&scene), &anything);
	/* that of another endpoint is its own */
	lend_for_ever(&scene, DRIVER_INTR_IN_DCI);
	assert_int_equal(driver_stop(scene.d, IN), XHCI_CC_SUCCESS);
	dma_check_revoke(check_of(&scene), &anything);
	driver_end(scene.d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(data_in_time),
		T(data_beyond_its_trbs),
		T(data_by_a_pointer_beyond_its_piece),
		T(data_after_it_completed),
		T(data_after_it_was_reported),
		T(data_that_has_moved),
		T(data_of_an_orphan),
		T(data_without_bus_master),
		T(events_in_free_trbs_only),
		T(an_event_over_another),
		T(an_event_beyond_its_segment),
		T(contexts_without_a_command),
		T(contexts_of_a_slot_that_was),
		T(contexts_of_a_controller_at_rest),
		T(stream_contexts),
		T(nothing_is_lent_when_the_guest_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
