/* SPDX-License-Identifier: MIT
 * state.c - the world of fuzzers that begin with a controller in full use
 *
 * The world has its own time (fake_time.h). The linker's --wrap brings accesses to guest memory
 * here. We count them, because the work of a run must be bounded, and the guest may write between
 * two of them.
 */
#include "state.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_time.h"
#include "util/bytes.h"
#include "util/compiler.h"
#include "util/loop.h"
#include "xhci/controller.h"
#include "xhci/slot.h"

#define END_TURNS 100000u
#define REST_NS   UINT64_C(1000000000)

static struct world *the_world; /* for the wrapped functions */

/* ---- guest memory ---- */

int __real_guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len);
int __wrap_guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len);
int __real_guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf,
			   size_t len);
int __wrap_guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf,
			   size_t len);
int __real_guest_mem_load_le32(struct guest_mem *mem, uint64_t iova, uint32_t *ret_value);
int __wrap_guest_mem_load_le32(struct guest_mem *mem, uint64_t iova, uint32_t *ret_value);
bool __real_guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len,
			    unsigned prot);
bool __wrap_guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len,
			    unsigned prot);

static void accessed(uint64_t iova)
{
	struct world *w = the_world;
	uint64_t at;

	if (!w || !w->in_run)
		return;
	w->accesses++;
	w->all_accesses++;
	CHECK(w->accesses <= ACCESSES_PER_RUN);
	if (w->flip.in_accesses == 0 || --w->flip.in_accesses > 0)
		return;
	at = (w->flip.relative ? iova : 0) + w->flip.offset;
	if (at <= RAM_BYTES - 4)
		put_le32(w->ram + at, w->flip.value);
}

int __wrap_guest_mem_read(struct guest_mem *mem, uint64_t iova, void *buf, size_t len)
{
	int r = __real_guest_mem_read(mem, iova, buf, len);

	accessed(iova);
	return r;
}

int __wrap_guest_mem_write(struct guest_mem *mem, uint64_t iova, const void *buf,
			   size_t len)
{
	accessed(iova);
	return __real_guest_mem_write(mem, iova, buf, len);
}

int __wrap_guest_mem_load_le32(struct guest_mem *mem, uint64_t iova, uint32_t *ret_value)
{
	int r = __real_guest_mem_load_le32(mem, iova, ret_value);

	accessed(iova);
	return r;
}

bool __wrap_guest_mem_check(struct guest_mem *mem, uint64_t iova, uint64_t len,
			    unsigned prot)
{
	accessed(iova);
	return __real_guest_mem_check(mem, iova, len, prot);
}

/* Ignores an error: parts of the range may already be mapped. */
void world_map(struct world *w, unsigned piece, unsigned prot)
{
	uint32_t at = piece * PIECE_BYTES;

	(void)!guest_mem_map_bytes(w->mem, at, w->ram + at, PIECE_BYTES, prot);
}

void world_map_window(struct world *w)
{
	(void)!guest_mem_map(w->mem, WINDOW, WINDOW_BYTES, w->window_fd, 0,
			     GUEST_MEM_READ | GUEST_MEM_WRITE);
}

static void map_all(struct world *w)
{
	guest_mem_unmap_all(w->mem);
	CHECK(ftruncate(w->window_fd, WINDOW_BYTES) == 0);
	for (unsigned i = 0; i < PIECES; i++)
		world_map(w, i, GUEST_MEM_READ | GUEST_MEM_WRITE);
	world_map_window(w);
	CHECK(guest_mem_check(w->mem, 0, RAM_BYTES, GUEST_MEM_READ | GUEST_MEM_WRITE));
	world_update_dma(w);
	xhci_memory_changed(w->xhci);
}

/* ---- the second thread ---- */

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* The two threads race on purpose, as a guest does. */
__attribute__((no_sanitize("thread"))) static void *race(void *ctx)
{
	struct world *w = ctx;
	uint32_t seed = w->race_seed;

	while (atomic_load(&w->races)) {
		uint32_t at = draw(&seed) % (STRUCTURES_END - 0x1000) + 0x1000;
		uint32_t value = draw(&seed) % 40 << 10 | (draw(&seed) & 0x3ff);

		/* control words of TRBs, pointers, anything */
		if (draw(&seed) % 2)
			put_le32(w->ram + (at | 15) - 3, value);
		else if (draw(&seed) % 2)
			put_le64(w->ram + (at & ~15u), draw(&seed) % RAM_BYTES);
		else
			w->ram[at] = (uint8_t)value;
	}
	return NULL;
}

void world_race(struct world *w, uint32_t seed)
{
	if (atomic_load(&w->races))
		return;
	w->race_seed = seed;
	atomic_store(&w->races, true);
	CHECK(pthread_create(&w->racer, NULL, race, w) == 0);
}

void world_race_end(struct world *w)
{
	if (!atomic_load(&w->races))
		return;
	atomic_store(&w->races, false);
	CHECK(pthread_join(w->racer, NULL) == 0);
}

/* ---- the part of daemon/vm.c ---- */

void world_update_dma(struct world *w)
{
	xhci_set_bus_master(w->xhci,
			    w->bus_master && w->connected && guest_mem_count(w->mem) > 0);
}

void world_reset_function(struct world *w)
{
	pci_function_reset(w->pci);
	w->bus_master = false;
	world_update_dma(w);
	xhci_reset(w->xhci);
}

static uint64_t on_now(void *ctx)
{
	return ((struct world *)ctx)->now_ns;
}

static void on_wake_at(void *ctx, uint64_t at_ns)
{
	((struct world *)ctx)->wake_at_ns = at_ns;
}

static void on_kick(void *ctx)
{
	((struct world *)ctx)->kicked = true;
}

static void on_interrupt(void *ctx, unsigned vector)
{
	CHECK(vector < XHCI_INTERRUPTERS);
	pci_irq_raise(((struct world *)ctx)->pci, vector);
}

static uint64_t on_bar_read(void *ctx, uint32_t offset, unsigned size)
{
	return xhci_mmio_read(((struct world *)ctx)->xhci, offset, size);
}

static void on_bar_write(void *ctx, uint32_t offset, uint64_t value, unsigned size)
{
	xhci_mmio_write(((struct world *)ctx)->xhci, offset, value, size);
}

static void on_irq(void *ctx, enum pci_irq_kind kind, unsigned vector)
{
	(void)ctx;
	CHECK(kind == PCI_IRQ_KIND_MSI || kind == PCI_IRQ_KIND_MSIX);
	CHECK(vector < XHCI_INTERRUPTERS);
}

static void on_command(void *ctx, bool bus_master, bool memory)
{
	struct world *w = ctx;

	(void)memory;
	w->bus_master = bus_master;
	world_update_dma(w);
}

static void on_irq_enabled(void *ctx)
{
	xhci_replay_interrupts(((struct world *)ctx)->xhci);
}

static void on_bar_sized(void *ctx)
{
	struct world *w = ctx;

	if (w->sized)
		return;
	w->sized = true;
	world_reset_function(w);
}

static void bus_config_write(struct world *w, uint32_t offset, const void *buf,
			     size_t count)
{
	pci_config_write(w->pci, offset, buf, count);
}

static uint32_t bus_read32(struct world *w, uint32_t offset)
{
	return (uint32_t)xhci_mmio_read(w->xhci, offset, 4);
}

static void bus_write(struct world *w, uint32_t offset, uint64_t value, unsigned size)
{
	xhci_mmio_write(w->xhci, offset, value, size);
}

static const struct world_bus bus = {bus_read32, bus_write, bus_config_write, world_run};

static const struct pci_function_ops pci_ops = {
	.bar_read = on_bar_read,
	.bar_write = on_bar_write,
	.irq = on_irq,
	.command_changed = on_command,
	.irq_enabled = on_irq_enabled,
	.bar_sized = on_bar_sized,
};

static void on_gone(void *ctx, unsigned port)
{
	struct world *w = ctx;

	for (unsigned i = 0; i < DEVICES; i++)
		if (w->places[i].state == PLACE_PLUGGED && w->places[i].port == port)
			place_pull(&w->places[i]);
}

static struct pci_function *create_function(struct world *w)
{
	const struct pci_identity identity = {
		.vendor_id = 0x1b36,
		.device_id = 0x000d,
		.class_code = 0x0c0330,
		.vectors = XHCI_INTERRUPTERS,
		.with_msix = true,
		.bar0_size_bytes = XHCI_BAR_SIZE_BYTES,
		.msix_table_offset = XHCI_BAR_MSIX_TABLE,
		.msix_pba_offset = XHCI_BAR_MSIX_PBA,
		.extra_offset = 0x60,
		.extra_config = {0x30, 0x20, 0x00},
		.extra_bytes = 3,
	};

	return pci_function_create(&identity, &pci_ops, w);
}

void world_run(struct world *w)
{
	for (unsigned n = 0; n < RUNS_PER_OP && (n == 0 || w->kicked); n++) {
		if (w->wake_at_ns != 0 && w->wake_at_ns <= w->now_ns) {
			w->wake_at_ns = 0;
			w->kicked = true;
		}
		if (w->kicked) {
			w->kicked = false;
			w->accesses = 0;
			w->in_run = true;
			xhci_run(w->xhci);
			w->in_run = false;
		}
		fake_time_run();
		fuzz_run(1);
	}
}

/* ---- the beginning and the end ---- */

void world_set_up(struct world *w)
{
	the_world = w;
	fake_time_set_up(&w->now_ns);
	w->ram = calloc(1, RAM_BYTES);
	w->window_fd = memfd_create("window", MFD_CLOEXEC);
	CHECK(w->ram && w->window_fd >= 0);
}

void world_begin(struct world *w)
{
	struct xhci_env env = {w, on_now, on_wake_at, on_kick, on_interrupt};
	uint8_t *ram = w->ram;
	int window_fd = w->window_fd;

	*w = (struct world){.ram = ram, .window_fd = window_fd, .now_ns = 1, .bus = &bus};
	memset(ram, 0, RAM_BYTES);
	for (unsigned i = 0; i < DEVICES; i++)
		w->places[i].world = w;
	w->mem = guest_mem_create();
	w->pci = create_function(w);
	CHECK(w->mem && w->pci);
	w->xhci = xhci_create(&env, w->mem, PORTS);
	CHECK(w->xhci);
	xhci_on_gone(w->xhci, on_gone, w);
	w->connected = true;
	w->bus_master = true;
	map_all(w);
}

/* Whether all devices are destroyed, for which a real back end may have to wait for its worker, and
 * the controller is idle. */
static bool is_empty(const struct world *w)
{
	for (unsigned i = 0; i < DEVICES; i++)
		if (w->places[i].state != PLACE_EMPTY)
			return false;
	return xhci_idle(w->xhci);
}

static void give_all_back(struct place *place)
{
	struct fake *fake = place->fake;

	if (place->state == PLACE_PLUGGED)
		place_pull(place);
	if (!fake)
		return;
	while (!list_empty(&fake->held))
		fake_complete(fake, 0, USBDEV_STATUS_CANCELLED, 0);
	while (fake->resets > 0)
		fake_reset_done(fake, -5);
	while (!list_empty(&fake->stream_requests))
		fake_answer_streams(fake, 0);
}

static void check_nothing_left(const struct world *w)
{
	const struct xhci *xhci = w->xhci;

	for (unsigned id = 0; id <= XHCI_SLOTS; id++) {
		CHECK(!xhci->slots[id].enabled && !xhci->slots[id].dev);
		for (unsigned dci = 0; dci <= XHCI_DCI_MAX; dci++)
			CHECK(!xhci->slots[id].endpoints[dci]);
	}
	CHECK(xhci->tds == 0 && xhci->trbs == 0 && xhci->streams == 0);
	CHECK(list_empty(&xhci->orphans) && list_empty(&xhci->stream_requests));
	CHECK(list_empty(&xhci->kicked_endpoints) && list_empty(&xhci->quiescing));
	CHECK(list_empty(&xhci->isoch_due) && list_empty(&xhci->releases));
}

/* Unplugs all devices and resets the controller. */
static void empty(struct world *w)
{
	world_race_end(w);
	w->flip.in_accesses = 0;
	w->connected = true;
	w->bus_master = true;
	map_all(w);
	for (unsigned i = 0; i < DEVICES; i++)
		if (w->places[i].state == PLACE_PLUGGED)
			place_pull(&w->places[i]);
	xhci_reset(w->xhci);
	world_run(w);
	for (unsigned n = 0; !is_empty(w); n++) {
		CHECK(n < END_TURNS);
		for (unsigned i = 0; i < DEVICES; i++)
			if (w->places[i].state != PLACE_EMPTY)
				give_all_back(&w->places[i]);
		w->kicked = true;
		w->now_ns += 1000000;
		world_run(w);
		if (n > 16)
			usleep(50); /* give a worker time */
	}
	check_nothing_left(w);
	for (unsigned i = 0; i < DEVICES; i++)
		CHECK(w->places[i].submitted == w->places[i].completed);
}

/* Demands that a guest can start again and use a device, whatever happened before. */
static void use_once_more(struct world *w)
{
	struct place *place = &w->places[0];
	unsigned before;

	memset(w->ram, 0, STRUCTURES_END);
	/* the controller may have to pause after its work */
	w->now_ns += REST_NS;
	world_reset_function(w);
	w->bus_master = true;
	world_update_dma(w);
	place->kind = DEVICE_FAKE;
	place->speed = USBDEV_SPEED_SUPER;
	place_plug(place);
	CHECK(place->fake);
	place->fake->answers = true;
	guest_lay_out(w);
	guest_start(w);
	CHECK(guest_enumerate(w, place));
	before = w->transfer_successes;
	guest_put(w, &w->rings[place->slot_id][3], BUFFERS, 64,
		  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC);
	mmio_write32(w, XHCI_OFF_DOORBELLS + 4 * place->slot_id, 3);
	for (unsigned n = 0; n < 4; n++) {
		world_run(w);
		guest_take_events(w);
	}
	CHECK(w->transfer_successes == before + 1);
}

void world_end(struct world *w)
{
	empty(w);
	use_once_more(w);
	empty(w);
	xhci_destroy(w->xhci);
	pci_function_destroy(w->pci);
	guest_mem_destroy(w->mem);
	CHECK(fake_time_is_idle());
}
