/* SPDX-License-Identifier: MIT
 * vm.c - one virtual machine's USB controller: vuser, pci, xhci and mem joined
 *
 * The only file that knows all four. Ways through it:
 *
 *   register   vuser region 0 -> pci BAR0 -> xhci
 *   config     vuser region 7 -> pci; COMMAND.BME and sizing come back to here
 *   interrupt  xhci -> pci (MSI-X or MSI, which vector) -> vuser eventfd
 *   memory     vuser fills guest_mem, which xhci reads and writes
 *   work       xhci kick -> deferred task -> xhci_run(), after the reply has left
 *
 * Three things hold DMA back: COMMAND.BME is clear; the client has mapped no memory
 * (yet, or for the moment: VMMs re-map all RAM at times); or vm does not know yet
 * whether this guest is the one that the controller works for. The controller then
 * keeps its state and goes on later.
 *
 * How vm tells a new guest from one that goes on: a VMM that restores a guest or takes
 * over a running one does not size BARs; every other VMM does before a driver runs. So
 * the first sizing by a client resets the function; DEVICE_RESET always does. The
 * guest's memory exists before that, perhaps in use by other drivers. So the controller
 * writes nothing to it until the BARs are sized, or until the guest shows that it knows
 * the controller: it accesses a register, or sets up interrupts.
 */
#include "daemon/vm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "mem/guest_mem.h"
#include "pci/function.h"
#include "usbdev/usbdev.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/peers.h"
#include "vuser/server.h"
#include "xhci/xhci.h"

enum vm_guest {
	VM_GUEST_NONE,    /* no client */
	VM_GUEST_UNKNOWN, /* the client has just connected */
	VM_GUEST_GOES_ON, /* the guest that the controller works for */
	VM_GUEST_STARTS,  /* a client has sized BAR0 */
};

/* Region and interrupt indexes of vfio. */
enum vm_region {
	VM_REGION_BAR0 = 0,
	VM_REGION_CONFIG = 7,
};

enum vm_irq {
	VM_IRQ_MSI = PCI_IRQ_KIND_MSI,
	VM_IRQ_MSIX = PCI_IRQ_KIND_MSIX,
};

/**
 * struct vm
 * @run:	deferred xhci_run()
 * @report:	deferred options.ended and options.emptied
 * @wake:	timed xhci_run()
 * @device_count: plugged in, or pulled and not destroyed yet
 * @bus_master:	COMMAND.BME
 * @guest:	what vm knows of the client's guest
 * @unasked:	for devices that leave without a caller that waits for the end
 * @relay:	the devices' tap while there is a @listener. A device that is pulled with transfers
 *		in flight keeps the relay, so it cannot keep a pointer to the listener
 */
struct vm {
	struct vm_options options;
	struct loop *loop;
	struct guest_mem *mem;
	struct pci_function *pci;
	struct xhci *xhci;
	struct vuser_server *server;
	struct vuser_device device;
	struct loop_task run;
	struct loop_task report;
	struct loop_timer *wake;
	unsigned device_count;
	bool bus_master;
	enum vm_guest guest;
	struct vm_unplug unasked;
	struct usbdev_tap relay;
	struct usbdev_tap *listener;
	bool ended;
	bool emptying;
};

static void update_dma(struct vm *vm)
{
	bool known = vm->guest == VM_GUEST_GOES_ON || vm->guest == VM_GUEST_STARTS;

	xhci_set_bus_master(vm->xhci,
			    vm->bus_master && known && guest_mem_count(vm->mem) > 0);
}

static void set_guest(struct vm *vm, enum vm_guest guest)
{
	static const char *const names[] = {
		[VM_GUEST_NONE] = "no guest",
		[VM_GUEST_UNKNOWN] = "a guest, new or not",
		[VM_GUEST_GOES_ON] = "the guest goes on",
		[VM_GUEST_STARTS] = "a guest starts",
	};

	if (guest == vm->guest)
		return;
	log_debug("%s", names[guest]);
	vm->guest = guest;
	update_dma(vm);
}

/* The guest knows the controller. */
static void guest_shows_itself(struct vm *vm)
{
	if (vm->guest == VM_GUEST_UNKNOWN)
		set_guest(vm, VM_GUEST_GOES_ON);
}

static void reset_function(struct vm *vm)
{
	pci_function_reset(vm->pci);
	vm->bus_master = false;
	update_dma(vm);
	xhci_reset(vm->xhci);
}

/* --- callbacks of xhci --- */

static uint64_t on_xhci_now(void *ctx)
{
	(void)ctx;
	return clock_now_ns();
}

static void on_xhci_wake_at(void *ctx, uint64_t at_ns)
{
	struct vm *vm = ctx;
	uint64_t now_ns;

	if (at_ns == 0) {
		loop_timer_stop(vm->wake);
		return;
	}
	now_ns = clock_now_ns();
	loop_timer_set(vm->wake, at_ns > now_ns ? at_ns - now_ns : 0);
}

static void on_xhci_kick(void *ctx)
{
	struct vm *vm = ctx;

	loop_defer(vm->loop, &vm->run);
}

static void on_xhci_interrupt(void *ctx, unsigned vector)
{
	struct vm *vm = ctx;

	pci_irq_raise(vm->pci, vector);
}

static void on_run(void *ctx)
{
	struct vm *vm = ctx;

	xhci_run(vm->xhci);
}

/* --- callbacks of pci --- */

static uint64_t on_pci_bar_read(void *ctx, uint32_t offset, unsigned size)
{
	struct vm *vm = ctx;

	guest_shows_itself(vm);
	return xhci_mmio_read(vm->xhci, offset, size);
}

static void on_pci_bar_write(void *ctx, uint32_t offset, uint64_t value, unsigned size)
{
	struct vm *vm = ctx;

	guest_shows_itself(vm);
	xhci_mmio_write(vm->xhci, offset, value, size);
}

static void on_pci_irq(void *ctx, enum pci_irq_kind kind, unsigned vector)
{
	struct vm *vm = ctx;

	if (vm->server)
		vuser_irq_raise(vm->server, kind, vector);
}

static void on_pci_command(void *ctx, bool bus_master, bool memory)
{
	struct vm *vm = ctx;

	(void)memory; /* the VMM decodes; some never send us the bit */
	vm->bus_master = bus_master;
	if (bus_master)
		guest_shows_itself(vm);
	update_dma(vm);
}

static void on_pci_irq_enabled(void *ctx)
{
	struct vm *vm = ctx;

	xhci_replay_interrupts(vm->xhci);
}

static void on_pci_bar_sized(void *ctx)
{
	struct vm *vm = ctx;

	if (vm->guest == VM_GUEST_STARTS)
		return;
	reset_function(vm);
	set_guest(vm, VM_GUEST_STARTS);
}

static const struct pci_function_ops pci_ops = {
	.bar_read = on_pci_bar_read,
	.bar_write = on_pci_bar_write,
	.irq = on_pci_irq,
	.command_changed = on_pci_command,
	.irq_enabled = on_pci_irq_enabled,
	.bar_sized = on_pci_bar_sized,
};

/* --- callbacks of vuser --- */

static void on_region_read(void *ctx, unsigned region, uint64_t offset, void *buf,
			   size_t count)
{
	struct vm *vm = ctx;

	if (region == VM_REGION_BAR0)
		pci_bar0_read(vm->pci, offset, buf, count);
	else
		pci_config_read(vm->pci, offset, buf, count);
}

static void on_region_write(void *ctx, unsigned region, uint64_t offset, const void *buf,
			    size_t count)
{
	struct vm *vm = ctx;

	if (region == VM_REGION_BAR0)
		pci_bar0_write(vm->pci, offset, buf, count);
	else
		pci_config_write(vm->pci, offset, buf, count);
}

static void on_device_reset(void *ctx)
{
	struct vm *vm = ctx;

	log_debug("the client resets the device");
	reset_function(vm);
}

static void on_dma_changed(void *ctx)
{
	struct vm *vm = ctx;

	update_dma(vm);
	xhci_memory_changed(vm->xhci);
}

static void on_irqs_changed(void *ctx, unsigned index)
{
	struct vm *vm = ctx;

	(void)index;
	guest_shows_itself(vm);
	xhci_replay_interrupts(vm->xhci);
}

struct vm_client vm_client(const struct vm *vm)
{
	struct vm_client client = {.connected = vm->guest != VM_GUEST_NONE};

	guest_mem_bytes(vm->mem, &client.shared_bytes, &client.unshared_bytes);
	return client;
}

static bool on_allow(void *ctx, int fd)
{
	struct vm *vm = ctx;
	struct ucred peer;

	if (!vm->options.vmms)
		return true;
	if (peer_read(fd, &peer) < 0)
		return false;
	if (peer_is_ours(&peer) || peers_have(vm->options.vmms, fd, &peer))
		return true;
	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: pid %d of user %u may not be the VMM: see --vmm-peers",
		    (int)peer.pid, (unsigned)peer.uid);
	return false;
}

static void on_client(void *ctx, bool connected)
{
	struct vm *vm = ctx;

	set_guest(vm, connected ? VM_GUEST_UNKNOWN : VM_GUEST_NONE);
	/* the server cannot say inside this callback whether it still listens */
	if (!connected)
		loop_defer(vm->loop, &vm->report);
}

static void on_report(void *ctx)
{
	struct vm *vm = ctx;

	if (vm->guest == VM_GUEST_NONE && !vm->ended && vm->server &&
	    !vuser_server_listening(vm->server)) {
		vm->ended = true;
		vm->options.ended(vm->options.ctx);
	}
	if (vm->emptying && vm_is_empty(vm)) {
		vm->emptying = false;
		vm->options.emptied(vm->options.ctx);
	}
}

static void describe_device(struct vm *vm)
{
	struct vuser_device *device = &vm->device;

	device->regions[VM_REGION_BAR0] = (struct vuser_region){
		.size = XHCI_BAR_SIZE_BYTES, .readable = true, .writable = true};
	device->regions[VM_REGION_CONFIG] = (struct vuser_region){
		.size = PCI_CONFIG_SIZE_BYTES, .readable = true, .writable = true};
	device->irq_counts[VM_IRQ_MSI] = XHCI_INTERRUPTERS;
	device->irq_counts[VM_IRQ_MSIX] = vm->options.with_msix ? XHCI_INTERRUPTERS : 0;
	device->ctx = vm;
	device->region_read = on_region_read;
	device->region_write = on_region_write;
	device->reset = on_device_reset;
	device->dma_changed = on_dma_changed;
	device->irqs_changed = on_irqs_changed;
	device->allow = on_allow;
	device->client = on_client;
}

/* --- devices --- */

static void on_destroyed(void *ctx)
{
	struct vm_unplug *unplug = ctx;
	struct vm *vm = unplug->vm;

	vm->device_count--;
	if (vm->emptying && vm_is_empty(vm))
		loop_defer(vm->loop, &vm->report);
	if (unplug->done)
		unplug->done(unplug);
}

static void on_released(void *ctx, struct usbdev *dev)
{
	log_info("%s: unplugged", dev->label);
	usbdev_destroy(dev, on_destroyed, ctx);
}

int vm_unplug(struct vm *vm, unsigned port, struct vm_unplug *unplug)
{
	if (!unplug)
		unplug = &vm->unasked;
	unplug->vm = vm;
	return xhci_detach(vm->xhci, port, on_released, unplug);
}

static void on_device_gone(void *ctx, unsigned port)
{
	struct vm *vm = ctx;

	(void)!vm_unplug(vm, port, NULL);
	if (vm->options.gone)
		vm->options.gone(vm->options.ctx, port);
}

static void on_submitted(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct usbdev_tap *listener = CONTAINER_OF(tap, struct vm, relay)->listener;

	if (listener)
		listener->submitted(listener, dev, transfer);
}

static void on_completed(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct usbdev_tap *listener = CONTAINER_OF(tap, struct vm, relay)->listener;

	if (listener)
		listener->completed(listener, dev, transfer);
}

void vm_set_tap(struct vm *vm, struct usbdev_tap *tap)
{
	vm->listener = tap;
	for (unsigned port = 1; port <= xhci_port_count(vm->xhci); port++) {
		struct usbdev *dev = xhci_port_device(vm->xhci, port);

		if (dev)
			usbdev_set_tap(dev, tap ? &vm->relay : NULL);
	}
}

static_assert(VM_PORT_MAX == 2 * XHCI_PORTS_MAX, "both kinds");

static bool is_reserved(const struct vm_reserved *reserved, unsigned port)
{
	for (unsigned i = 0; reserved && i < reserved->count; i++) {
		if (reserved->ports[i] == port)
			return true;
	}
	return false;
}

unsigned vm_port_count(const struct vm *vm)
{
	return xhci_port_count(vm->xhci);
}

enum vm_port_kind vm_port_kind(const struct vm *vm, unsigned port)
{
	return xhci_port_is_usb3(vm->xhci, port) ? VM_PORT_KIND_USB3 : VM_PORT_KIND_USB2;
}

static bool is_free_for(const struct vm *vm, const struct usbdev *dev, unsigned port)
{
	return port >= 1 && port <= xhci_port_count(vm->xhci) &&
	       !xhci_port_device(vm->xhci, port) &&
	       xhci_port_is_usb3(vm->xhci, port) == usbdev_speed_is_usb3(dev->speed);
}

/* Return: 0 if no port suits @dev; xhci_attach() then gives the reason. */
static unsigned choose_port(const struct vm *vm, const struct usbdev *dev,
			    unsigned wanted, const struct vm_reserved *reserved)
{
	if (is_free_for(vm, dev, wanted))
		return wanted;
	for (unsigned port = 1; port <= xhci_port_count(vm->xhci); port++) {
		if (!is_reserved(reserved, port) && is_free_for(vm, dev, port))
			return port;
	}
	for (unsigned i = 0; reserved && i < reserved->count; i++) {
		if (is_free_for(vm, dev, reserved->ports[i]))
			return reserved->ports[i];
	}
	return 0;
}

int vm_plug(struct vm *vm, struct usbdev *dev, unsigned port,
	    const struct vm_reserved *reserved, struct err *err)
{
	int r = xhci_attach(vm->xhci, dev, choose_port(vm, dev, port, reserved), err);

	vm->device_count++;
	if (r < 0)
		usbdev_destroy(dev, on_destroyed, &vm->unasked);
	else if (vm->listener)
		usbdev_set_tap(dev, &vm->relay);
	return r;
}

void vm_unplug_all(struct vm *vm)
{
	vm->emptying = true;
	/* -ENOENT is fine: an empty port */
	for (unsigned port = 1; port <= xhci_port_count(vm->xhci); port++)
		(void)!vm_unplug(vm, port, NULL);
	if (vm_is_empty(vm))
		loop_defer(vm->loop, &vm->report);
}

bool vm_is_empty(const struct vm *vm)
{
	return vm->device_count == 0 && xhci_idle(vm->xhci);
}

/* --- life --- */

static struct pci_function *create_function(struct vm *vm)
{
	const struct pci_identity identity = {
		/* the numbers of QEMU's own xHCI, so every guest has a driver for it */
		.vendor_id = 0x1b36,
		.device_id = 0x000d,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x1100,
		.class_code = 0x0c0330,
		.revision = 1,
		.vectors = XHCI_INTERRUPTERS,
		.with_msix = vm->options.with_msix,
		.bar0_size_bytes = XHCI_BAR_SIZE_BYTES,
		.msix_table_offset = XHCI_BAR_MSIX_TABLE,
		.msix_pba_offset = XHCI_BAR_MSIX_PBA,
		/* SBRN USB 3.0, FLADJ none, DBESL 0 (xHCI 5.2.3-5) */
		.extra_offset = 0x60,
		.extra_config = {0x30, 0x20, 0x00},
		.extra_bytes = 3,
	};

	return pci_function_create(&identity, &pci_ops, vm);
}

struct vm *vm_create(struct loop *loop, const struct vm_options *options)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct xhci_env env = {
		.ctx = vm,
		.now_ns = on_xhci_now,
		.wake_at = on_xhci_wake_at,
		.kick = on_xhci_kick,
		.interrupt = on_xhci_interrupt,
	};

	if (!vm)
		return NULL;
	vm->options = *options;
	vm->loop = loop;
	vm->unasked.vm = vm;
	vm->relay.submitted = on_submitted;
	vm->relay.completed = on_completed;
	vm->run = (struct loop_task){.cb = on_run, .ctx = vm};
	vm->report = (struct loop_task){.cb = on_report, .ctx = vm};
	describe_device(vm);
	vm->wake = loop_timer_create(loop, on_run, vm);
	vm->mem = guest_mem_create();
	if (vm->mem && options->memory_files)
		guest_mem_set_file_systems(vm->mem, options->memory_files);
	vm->pci = create_function(vm);
	if (vm->wake && vm->mem && vm->pci)
		vm->xhci = xhci_create(&env, vm->mem, options->ports);
	if (!vm->xhci) {
		vm_destroy(vm);
		return NULL;
	}
	xhci_on_gone(vm->xhci, on_device_gone, vm);
	return vm;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	vm_stop_serving(vm);
	assert(!vm->xhci || vm_is_empty(vm));
	loop_undefer(vm->loop, &vm->run);
	loop_undefer(vm->loop, &vm->report);
	loop_timer_destroy(vm->wake);
	xhci_destroy(vm->xhci);
	pci_function_destroy(vm->pci);
	guest_mem_destroy(vm->mem);
	free(vm);
}

int vm_serve(struct vm *vm, int fd, struct err *err)
{
	assert(!vm->server);
	vm->server = vuser_server_create(vm->loop, fd, &vm->device, vm->mem, err);
	return vm->server ? 0 : -err->code;
}

void vm_stop_serving(struct vm *vm)
{
	vuser_server_destroy(vm->server);
	vm->server = NULL;
	if (vm->xhci)
		set_guest(vm, VM_GUEST_NONE);
}
