/* SPDX-License-Identifier: MIT
 * state.h - a controller in full use, for fuzzers that begin there
 *
 * The world has the parts that the daemon combines, without its sockets: PCI function, controller,
 * guest memory, and up to DEVICES devices in its ports. The guest is a small driver that has
 * brought all of them up by the rules: slots addressed and configured, rings, event rings with two
 * segments, streams. The input decides what happens next.
 *
 * Guest memory is RAM_BYTES at address 0, in PIECES maps, so that small numbers are good pointers;
 * and a file of WINDOW_BYTES at WINDOW, which the client may truncate.
 */
#ifndef TESTS_FUZZ_STATE_H
#define TESTS_FUZZ_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fuzz.h"
#include "mem/guest_mem.h"
#include "pci/function.h"
#include "usbdev/usbdev.h"
#include "util/list.h"
#include "xhci/budget.h"
#include "xhci/spec.h"
#include "xhci/trb.h"
#include "xhci/xhci.h"

#define RAM_BYTES    0x80000u
#define PIECES       8u
#define PIECE_BYTES  (RAM_BYTES / PIECES)
#define WINDOW       0x100000u
#define WINDOW_BYTES 0x100000u

/* layout of RAM */
#define DCBAA               0x1000u
#define COMMANDS            0x2000u
#define COMMANDS_TRBS       64u
#define ERST(i)             (0x3000u + (i)*0x80u)
#define EVENTS(i, segment)  (0x4000u + ((i)*2u + (segment)) * EVENTS_TRBS * 16u)
#define EVENTS_TRBS         32u /* in a segment */
#define INTERRUPTERS_IN_USE 4u
#define OUTPUT(slot)        (0x8000u + (slot)*0x400u)
#define INPUT(slot)         (0xc000u + (slot)*0x480u)
#define RING_TRBS           32u
#define RING(slot, dci)     (0x10000u + ((slot)*32u + (dci)) * RING_TRBS * 16u)
#define STREAM_ARRAY(n)     (0x38000u + (n)*0x100u) /* 0 linear, 1 primary, 2.. secondary */
#define STREAM_RINGS        32u
#define STREAM_RING(n)      (0x3a000u + (n)*RING_TRBS * 16u)
#define STRUCTURES_END      0x40000u
#define BUFFERS             0x40000u

#define DEVICES      6u
#define SLOTS_IN_USE 8u /* IDs of slots for which the guest has rings; 0 is no slot */
#define PORTS        6u /* of each kind */
#define RUNS_PER_OP  8u
/* The budget of a run and how far it may be overdrawn (by a TD, a command); up to three accesses
 * for each unit. */
#define ACCESSES_PER_RUN (3u * (XHCI_BUDGET_RUN + 40000u))
#define OP_NS            UINT64_C(100000) /* duration of an operation */

/* DCIs of fake devices that have streams. */
#define LINEAR_DCI 6u
#define TREE_DCI   7u

struct world;

enum device_kind {
	DEVICE_FAKE,
	DEVICE_STICK,
	DEVICE_KEYBOARD,
	DEVICE_ZERO,
};

enum place_state {
	PLACE_EMPTY,
	PLACE_PLUGGED,
	PLACE_LEAVING, /* detached, not yet released */
	PLACE_DYING,   /* released, not yet destroyed */
};

/**
 * struct fake - a device that the input controls
 * @held:	transfers, until the input completes them
 * @cancelled_at_once: it completes a cancelled transfer at once, without the input
 * @answers:	it completes each transfer at once, without the input
 */
struct fake {
	struct usbdev dev;
	struct list held;
	struct list stream_requests;
	unsigned resets;
	bool cancelled_at_once;
	bool answers;
};

/**
 * struct place - a place for a device
 * @tap:	counts transfers
 * @submitted, @completed: transfers
 */
struct place {
	struct world *world;
	enum device_kind kind;
	enum usbdev_speed speed;
	enum place_state state;
	unsigned port;
	unsigned slot_id;
	struct usbdev *dev;
	struct fake *fake; /* NULL = a real back end */
	struct usbdev_tap tap;
	unsigned submitted;
	unsigned completed;
};

/* The guest's side of a ring with a Link TRB at its end. */
struct guest_ring {
	uint32_t iova;
	uint32_t trbs;
	uint32_t index;
	bool cycle;
};

/* The guest's side of an event ring. */
struct event_reader {
	unsigned segment;
	uint32_t index;
	bool cycle;
};

/**
 * struct flip - a write of the guest in the middle of a run
 * @in_accesses: after how many accesses, 0 = never
 * @relative:	@offset counts from the address of that access, otherwise from 0
 */
struct flip {
	unsigned in_accesses;
	bool relative;
	uint32_t offset;
	uint32_t value;
};

/**
 * struct world_bus - how the guest reaches the controller
 * @run:	lets the controller and the loop do their work
 */
struct world_bus {
	uint32_t (*read32)(struct world *w, uint32_t offset);
	void (*write)(struct world *w, uint32_t offset, uint64_t value, unsigned size);
	void (*config_write)(struct world *w, uint32_t offset, const void *buf,
			     size_t count);
	void (*run)(struct world *w);
};

struct world {
	const struct world_bus *bus;
	struct guest_mem *mem;
	struct pci_function *pci;
	struct xhci *xhci;
	uint8_t *ram;
	int window_fd;
	uint64_t now_ns;
	uint64_t wake_at_ns;
	bool kicked;
	bool bus_master;
	bool connected;
	bool sized;
	bool consumes; /* the guest takes events after each operation */
	struct place places[DEVICES];
	struct guest_ring commands;
	struct guest_ring rings[SLOTS_IN_USE + 1][XHCI_DCI_MAX + 1];
	struct guest_ring stream_rings[STREAM_RINGS];
	struct event_reader events[INTERRUPTERS_IN_USE];
	uint32_t last_cc; /* of the last completed command */
	uint32_t last_slot_id;
	unsigned transfer_successes;
	/* work */
	unsigned accesses; /* in this run */
	unsigned all_accesses;
	bool in_run;
	struct flip flip;
	/* the thread that writes during runs */
	pthread_t racer;
	atomic_bool races;
	uint32_t race_seed;
};

/* state.c: the world */

void world_set_up(struct world *w);
/* Makes a world without devices, with all memory mapped. */
void world_begin(struct world *w);
/* Unplugs all devices, resets, and demands that nothing is left. */
void world_end(struct world *w);
/* Lets the controller and the loop do their work. */
void world_run(struct world *w);
void world_map(struct world *w, unsigned piece, unsigned prot);
void world_map_window(struct world *w);
void world_update_dma(struct world *w);
void world_reset_function(struct world *w);
/* Starts the second thread, which writes until world_race_end(). */
void world_race(struct world *w, uint32_t seed);
void world_race_end(struct world *w);

/* state_device.c: devices */

/* Makes the device of a place and plugs it in, if the place is empty. */
void place_plug(struct place *place);
void place_pull(struct place *place);
/* Chooses transfer number @which in @held, and completes the first one of its endpoint. */
void fake_complete(struct fake *fake, unsigned which, unsigned status, uint32_t actual);
void fake_answer_streams(struct fake *fake, int result);
void fake_reset_done(struct fake *fake, int result);
/* The endpoints of a device in this place, besides endpoint 0. Return: how many */
unsigned place_dcis(const struct place *place, const uint8_t **ret_dcis);
enum xhci_ep_type place_ep_type(const struct place *place, unsigned dci);

/* state_guest.c: the guest, on any bus */

uint32_t mmio_read32(struct world *w, uint32_t offset);
void mmio_write32(struct world *w, uint32_t offset, uint32_t value);
void mmio_write64(struct world *w, uint32_t offset, uint64_t value);
/* Writes all structures that the guest needs before the controller starts. */
void guest_lay_out(struct world *w);
/* Starts the controller. */
void guest_start(struct world *w);
/* Enumerates the device of @place. Return: false if the controller refuses */
bool guest_enumerate(struct world *w, struct place *place);
void guest_take_events(struct world *w);
/* Puts a TRB at the guest's place in its ring and adds the cycle bit. */
void guest_put(struct world *w, struct guest_ring *ring, uint64_t parameter,
	       uint32_t status, uint32_t control);
/* Puts a whole control transfer. */
void guest_put_control(struct world *w, struct guest_ring *ring, uint64_t setup,
		       uint32_t buffer, uint32_t flags);
/* Puts a command, rings the doorbell and runs. Return: whether it completes with Success */
bool guest_command(struct world *w, enum xhci_trb_type type, uint64_t parameter,
		   uint32_t flags);

#endif /* TESTS_FUZZ_STATE_H */
