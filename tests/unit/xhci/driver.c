/* SPDX-License-Identifier: MIT
 * driver.c - see driver.h
 */
#include "driver.h"

#include <string.h>

#include "util/bytes.h"

#define COMMAND_TRBS (0x1000u / XHCI_TRB_SIZE)

static uint8_t ep_addr_of(unsigned dci)
{
	return dci == 1 ? 0 : (uint8_t)(dci >> 1 | ((dci & 1) ? 0x80 : 0));
}

static void context_put(struct driver *d, unsigned dci, unsigned dword, uint32_t value)
{
	put_le32((uint8_t *)guest(d->f, DRIVER_INPUT_IOVA) +
			 (1 + dci) * XHCI_CONTEXT_SIZE + 4 * dword,
		 value);
}

uint32_t driver_context(struct driver *d, unsigned dci, unsigned dword)
{
	return get_le32((uint8_t *)guest(d->f, DRIVER_OUTPUT_IOVA) +
			dci * XHCI_CONTEXT_SIZE + 4 * dword);
}

enum xhci_ep_state driver_ep_state(struct driver *d, unsigned dci)
{
	return (enum xhci_ep_state)(driver_context(d, dci, 0) & 7);
}

enum xhci_slot_state driver_slot_state(struct driver *d)
{
	return (enum xhci_slot_state)(driver_context(d, 0, 3) >> 27);
}

void driver_input(struct driver *d, uint32_t drop, uint32_t add)
{
	uint8_t *input = guest(d->f, DRIVER_INPUT_IOVA);

	memset(input, 0, XHCI_INPUT_CONTEXT_SIZE);
	put_le32(input, drop);
	put_le32(input + 4, add);
	context_put(d, 0, 0, 31u << 27 | (uint32_t)d->fake.dev.speed << 20);
	context_put(d, 0, 1, (uint32_t)d->port << 16);
}

void driver_input_endpoint(struct driver *d, unsigned dci, enum xhci_ep_type type,
			   unsigned max_packet)
{
	struct driver_ring *ring = &d->rings[dci];

	ring->iova = DRIVER_RINGS_IOVA + dci * 0x1000u;
	ring->index = 0;
	ring->cycle = true;
	memset(guest(d->f, ring->iova), 0, 0x1000);
	context_put(d, dci, 1,
		    (uint32_t)max_packet << 16 | (uint32_t)type << 3 | 3u << 1);
	context_put(d, dci, 2, (uint32_t)ring->iova | 1);
	context_put(d, dci, 3, (uint32_t)(ring->iova >> 32));
}

void driver_input_streams(struct driver *d, unsigned dci, unsigned max_pstreams,
			  bool linear, uint64_t array_iova)
{
	context_put(d, dci, 0, max_pstreams << 10 | (linear ? 1u << 15 : 0));
	context_put(d, dci, 2, (uint32_t)array_iova);
	context_put(d, dci, 3, (uint32_t)(array_iova >> 32));
}

uint64_t driver_command_put(struct driver *d, uint64_t parameter, uint32_t status,
			    uint32_t control)
{
	uint64_t iova = FIXTURE_COMMAND_IOVA + d->command_index * XHCI_TRB_SIZE;
	struct xhci_trb trb = {parameter, status, control | XHCI_TRB_C};

	assert_true(++d->command_index < COMMAND_TRBS);
	guest_put_trb(d->f, iova, &trb);
	write32(d->f, DOORBELL(0), 0);
	return iova;
}

struct driver_result driver_command(struct driver *d, enum xhci_trb_type type,
				    uint64_t parameter, uint32_t flags)
{
	uint64_t iova = driver_command_put(d, parameter, 0,
					   xhci_trb_type_bits(type) | flags |
						   d->slot_id << XHCI_TRB_SLOT_SHIFT);
	struct xhci_trb event =
		expect_event(d->f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);

	assert_int_equal(event.parameter, iova);
	return (struct driver_result){
		.cc = (enum xhci_cc)(event.status >> 24),
		.slot_id = xhci_trb_slot_id(&event),
	};
}

enum xhci_cc driver_on_slot(struct driver *d, enum xhci_trb_type type, unsigned slot_id)
{
	unsigned keep = d->slot_id;
	enum xhci_cc cc;

	d->slot_id = slot_id;
	cc = driver_command(d, type, DRIVER_INPUT_IOVA, 0).cc;
	d->slot_id = keep;
	return cc;
}

uint64_t driver_stop_put(struct driver *d, unsigned dci)
{
	return driver_command_put(d, 0, 0,
				  xhci_trb_type_bits(XHCI_TRB_TYPE_STOP_ENDPOINT) |
					  dci << XHCI_TRB_EP_SHIFT |
					  d->slot_id << XHCI_TRB_SLOT_SHIFT);
}

enum xhci_cc driver_stop(struct driver *d, unsigned dci)
{
	return driver_command(d, XHCI_TRB_TYPE_STOP_ENDPOINT, 0, dci << XHCI_TRB_EP_SHIFT)
		.cc;
}

enum xhci_cc driver_reset_endpoint(struct driver *d, unsigned dci, bool preserve)
{
	return driver_command(d, XHCI_TRB_TYPE_RESET_ENDPOINT, 0,
			      dci << XHCI_TRB_EP_SHIFT | (preserve ? XHCI_TRB_TSP : 0))
		.cc;
}

enum xhci_cc driver_set_dequeue(struct driver *d, unsigned dci, uint64_t pointer)
{
	return driver_command(d, XHCI_TRB_TYPE_SET_TR_DEQUEUE, pointer,
			      dci << XHCI_TRB_EP_SHIFT)
		.cc;
}

void driver_start(struct driver *d, struct fixture *f, enum usbdev_speed speed)
{
	memset(d, 0, sizeof(*d));
	d->f = f;
	fixture_start(f);
	fake_dev_init(&d->fake, f, speed);
	d->port = fake_dev_plug(&d->fake, f);
	write32(f, PORT(d->port, PORTSC), XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	run_until_idle(f);
	fake_dev_reset_done(&d->fake, 0);
	write32(f, PORT(d->port, PORTSC), XHCI_PORTSC_PP | XHCI_PORTSC_CHANGES);
	events_skip(f);
	put_le64((uint8_t *)guest(f, FIXTURE_DCBAA_IOVA) + 8, DRIVER_OUTPUT_IOVA);
}

void driver_address(struct driver *d)
{
	struct driver_result result = driver_command(d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0);

	assert_int_equal(result.cc, XHCI_CC_SUCCESS);
	assert_int_equal(result.slot_id, 1);
	d->slot_id = result.slot_id;
	driver_input(d, 0, 3);
	driver_input_endpoint(d, 1, XHCI_EP_TYPE_CONTROL, 512);
	assert_int_equal(
		driver_command(d, XHCI_TRB_TYPE_ADDRESS_DEVICE, DRIVER_INPUT_IOVA, 0).cc,
		XHCI_CC_SUCCESS);
}

void driver_configure(struct driver *d, struct fixture *f, enum usbdev_speed speed)
{
	driver_start(d, f, speed);
	driver_address(d);
	driver_input(d, 0,
		     1 | BIT(DRIVER_BULK_OUT_DCI) | BIT(DRIVER_BULK_IN_DCI) |
			     BIT(DRIVER_INTR_IN_DCI));
	driver_input_endpoint(d, DRIVER_BULK_OUT_DCI, XHCI_EP_TYPE_BULK_OUT, 1024);
	driver_input_endpoint(d, DRIVER_BULK_IN_DCI, XHCI_EP_TYPE_BULK_IN, 1024);
	driver_input_endpoint(d, DRIVER_INTR_IN_DCI, XHCI_EP_TYPE_INTERRUPT_IN, 8);
	assert_int_equal(
		driver_command(d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, DRIVER_INPUT_IOVA, 0)
			.cc,
		XHCI_CC_SUCCESS);
}

void driver_end(struct driver *d)
{
	d->fake.hold_cancelled = false;
	fake_dev_unplug(&d->fake, d->f, d->port);
}

uint64_t driver_put(struct driver *d, unsigned dci, uint64_t parameter, uint32_t status,
		    uint32_t control)
{
	struct driver_ring *ring = &d->rings[dci];
	uint64_t iova = ring->iova + ring->index++ * XHCI_TRB_SIZE;
	struct xhci_trb trb = {parameter, status,
			       control | (ring->cycle ? XHCI_TRB_C : 0)};

	guest_put_trb(d->f, iova, &trb);
	return iova;
}

uint64_t driver_normal(struct driver *d, unsigned dci, uint64_t data_iova, uint32_t len,
		       uint32_t flags)
{
	return driver_put(d, dci, data_iova, len,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | flags);
}

void driver_control_in(struct driver *d, uint16_t len, uint32_t data_flags)
{
	uint64_t setup = UINT64_C(0x0000000001000680) | (uint64_t)len << 48;

	driver_put(d, 1, setup, 8,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_SETUP) | XHCI_TRB_IDT);
	if (len > 0)
		driver_put(d, 1, DRIVER_DATA_IOVA, len,
			   xhci_trb_type_bits(XHCI_TRB_TYPE_DATA) | XHCI_TRB_DIR_IN |
				   data_flags);
	driver_put(d, 1, 0, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_STATUS) | XHCI_TRB_IOC);
}

void driver_ring(struct driver *d, unsigned dci)
{
	write32(d->f, DOORBELL(d->slot_id), dci);
	run_until_idle(d->f);
}

struct usbdev_transfer *driver_held(struct driver *d, unsigned dci)
{
	struct usbdev_transfer *transfer = fake_dev_first(&d->fake, ep_addr_of(dci));

	assert_non_null(transfer);
	return transfer;
}

void driver_complete(struct driver *d, unsigned dci, enum usbdev_status status,
		     uint32_t actual_bytes)
{
	fake_dev_complete(&d->fake, driver_held(d, dci), status, actual_bytes);
	run_until_idle(d->f);
}

void driver_expect(struct driver *d, unsigned dci, uint64_t trb_iova, enum xhci_cc cc,
		   uint32_t residue)
{
	struct xhci_trb event = expect_event(d->f, XHCI_TRB_TYPE_TRANSFER_EVENT);

	assert_int_equal(event.status >> 24, cc);
	assert_int_equal(event.parameter, trb_iova);
	assert_int_equal(event.status & 0xffffff, residue);
	assert_int_equal(xhci_trb_dci(&event), dci);
	assert_int_equal(xhci_trb_slot_id(&event), d->slot_id);
}
