/* SPDX-License-Identifier: MIT
 * driver.h - a small guest driver, for tests of slots, endpoints and TDs
 *
 * It drives one device of the fixture, addressed in slot @slot_id, with transfer rings of one page
 * each. It puts commands on the ring of fixture_start(). Its functions run the controller until it
 * is idle, and take the completion events.
 */
#ifndef TESTS_UNIT_XHCI_DRIVER_H
#define TESTS_UNIT_XHCI_DRIVER_H

#include "fixture.h"

#define DRIVER_INPUT_IOVA   FIXTURE_FREE_IOVA
#define DRIVER_OUTPUT_IOVA  (FIXTURE_FREE_IOVA + 0x1000)
#define DRIVER_RINGS_IOVA   (FIXTURE_FREE_IOVA + 0x10000) /* + DCI pages */
#define DRIVER_DATA_IOVA    FIXTURE_HIGH_IOVA
#define DRIVER_BULK_OUT_DCI 2u
#define DRIVER_BULK_IN_DCI  3u
#define DRIVER_INTR_IN_DCI  5u

/* The guest's side of a transfer ring without Link TRB. */
struct driver_ring {
	uint64_t iova;
	unsigned index;
	bool cycle;
};

struct driver {
	struct fixture *f;
	struct fake_dev fake;
	unsigned port;
	unsigned slot_id;
	unsigned command_index;
	struct driver_ring rings[32]; /* by DCI */
};

/* Result of a command. */
struct driver_result {
	enum xhci_cc cc;
	unsigned slot_id;
};

/* Starts the controller, plugs a device of @speed in, resets its port. */
void driver_start(struct driver *d, struct fixture *f, enum usbdev_speed speed);
/* Enable Slot, Address Device. */
void driver_address(struct driver *d);
/* driver_start(), driver_address(), Configure Endpoint: bulk OUT, bulk IN, interrupt IN. */
void driver_configure(struct driver *d, struct fixture *f, enum usbdev_speed speed);
/* Unplugs and frees. */
void driver_end(struct driver *d);

/* Puts a command on the ring and rings its doorbell; does not run the controller. */
uint64_t driver_command_put(struct driver *d, uint64_t parameter, uint32_t status,
			    uint32_t control);
/* The same, then runs, and takes the completion event, which must come next. */
struct driver_result driver_command(struct driver *d, enum xhci_trb_type type,
				    uint64_t parameter, uint32_t flags);
/* Runs a command for any slot @slot_id, with the input context. Return: the completion code */
enum xhci_cc driver_on_slot(struct driver *d, enum xhci_trb_type type, unsigned slot_id);
/* Puts a Stop Endpoint, like driver_command_put(). */
uint64_t driver_stop_put(struct driver *d, unsigned dci);
/* Run commands on an endpoint. */
enum xhci_cc driver_stop(struct driver *d, unsigned dci);
enum xhci_cc driver_reset_endpoint(struct driver *d, unsigned dci, bool preserve);
enum xhci_cc driver_set_dequeue(struct driver *d, unsigned dci, uint64_t pointer);

/* Clears the input context, sets @drop and @add, and fills the slot context. */
void driver_input(struct driver *d, uint32_t drop, uint32_t add);
void driver_input_endpoint(struct driver *d, unsigned dci, enum xhci_ep_type type,
			   unsigned max_packet);
/* Adds MaxPStreams and LSA; @array_iova is the Primary Stream Context Array. */
void driver_input_streams(struct driver *d, unsigned dci, unsigned max_pstreams,
			  bool linear, uint64_t array_iova);
/* Dword @dword of output context @dci (0 = slot). */
uint32_t driver_context(struct driver *d, unsigned dci, unsigned dword);
enum xhci_ep_state driver_ep_state(struct driver *d, unsigned dci);
enum xhci_slot_state driver_slot_state(struct driver *d);

/* Adds a TRB to the ring of @dci. Returns its address. */
uint64_t driver_put(struct driver *d, unsigned dci, uint64_t parameter, uint32_t status,
		    uint32_t control);
/* Adds a Normal TRB. */
uint64_t driver_normal(struct driver *d, unsigned dci, uint64_t data_iova, uint32_t len,
		       uint32_t flags);
/* Adds a control transfer like GET_DESCRIPTOR: Setup, Data of @len unless 0, Status with IOC. */
void driver_control_in(struct driver *d, uint16_t len, uint32_t data_flags);
/* Rings the doorbell of @dci and runs. */
void driver_ring(struct driver *d, unsigned dci);
/* The first transfer that the device has for @dci; there must be one. */
struct usbdev_transfer *driver_held(struct driver *d, unsigned dci);
/* Completes that transfer and runs. */
void driver_complete(struct driver *d, unsigned dci, enum usbdev_status status,
		     uint32_t actual_bytes);
/* Demands that the next event is this Transfer Event. */
void driver_expect(struct driver *d, unsigned dci, uint64_t trb_iova, enum xhci_cc cc,
		   uint32_t residue);

#endif /* TESTS_UNIT_XHCI_DRIVER_H */
