/* SPDX-License-Identifier: MIT
 * test_vm.c - tests of src/daemon/vm.c
 *
 * Loop, memory and PCI function are the real ones; the server and the controller
 * are the fakes below, which note what vm.c asks of them and let a test play
 * the client and the hardware.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/vm.h"
#include "fake_device.h"
#include "mem/guest_mem.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/log.h"
#include "util/loop.h"
#include "vuser/server.h"
#include "xhci/xhci.h"

#define REGION_BAR0   0
#define REGION_CONFIG 7
#define REG_COMMAND   0x04
#define REG_BAR0      0x10
#define MSIX_CONTROL  0x82
#define MSI_CONTROL   0x92
#define PORTS         4u /* of the fake controller, in all */

/* --- the fake server --- */

struct vuser_server {
	const struct vuser_device *device;
	struct guest_mem *mem;
	bool listening;
	unsigned raised, raised_index, raised_vector;
};

static struct vuser_server server;

struct vuser_server *vuser_server_create(struct loop *loop, int fd,
					 const struct vuser_device *device,
					 struct guest_mem *mem, struct err *err)
{
	(void)loop;
	if (fd < 0) {
		(void)err_set(err, EBADF, "no socket");
		return NULL;
	}
	server.device = device;
	server.mem = mem;
	return &server;
}

void vuser_server_destroy(struct vuser_server *s)
{
	if (s)
		s->device = NULL;
}

void vuser_irq_raise(struct vuser_server *s, unsigned index, unsigned vector)
{
	s->raised++;
	s->raised_index = index;
	s->raised_vector = vector;
}

bool vuser_server_listening(const struct vuser_server *s)
{
	return s->listening;
}

/* --- the fake controller --- */

struct xhci {
	struct xhci_env env;
	bool bus_master;
	unsigned runs, resets, replays, memory_changes;
	uint64_t written;
	struct usbdev *ports[PORTS + 1];
	unsigned first_usb3; /* 0: none is */
	unsigned attaches;
	void (*released)(void *ctx, struct usbdev *dev);
	void *released_ctx;
	struct usbdev *detached[PORTS];
	unsigned detached_count;
	void (*gone)(void *ctx, unsigned port);
	void *gone_ctx;
};

static struct xhci xhci;

struct xhci *xhci_create(const struct xhci_env *env, struct guest_mem *mem,
			 unsigned ports)
{
	(void)mem;
	(void)ports;
	xhci.env = *env;
	return &xhci;
}

void xhci_destroy(struct xhci *x)
{
	(void)x;
}

uint64_t xhci_mmio_read(struct xhci *x, uint32_t offset, unsigned size)
{
	(void)size;
	return x->written + offset;
}

void xhci_mmio_write(struct xhci *x, uint32_t offset, uint64_t value, unsigned size)
{
	(void)offset;
	(void)size;
	x->written = value;
	x->env.kick(x->env.ctx);
	x->env.kick(x->env.ctx);
}

/* All that was detached is released in the first run. */
void xhci_run(struct xhci *x)
{
	x->runs++;
	while (x->detached_count > 0)
		x->released(x->released_ctx, x->detached[--x->detached_count]);
}

void xhci_reset(struct xhci *x)
{
	x->resets++;
}

void xhci_set_bus_master(struct xhci *x, bool enabled)
{
	x->bus_master = enabled;
}

void xhci_memory_changed(struct xhci *x)
{
	x->memory_changes++;
}

void xhci_replay_interrupts(struct xhci *x)
{
	x->replays++;
}

int xhci_attach(struct xhci *x, struct usbdev *dev, unsigned port, struct err *err)
{
	x->attaches++;
	if (port > 0 && x->ports[port])
		return err_set(err, EBUSY, "taken");
	if (port > 0) {
		x->ports[port] = dev;
		return (int)port;
	}
	for (unsigned i = 1; i <= PORTS; i++) {
		if (!x->ports[i]) {
			x->ports[i] = dev;
			return (int)i;
		}
	}
	return err_set(err, ENOSPC, "no free port");
}

int xhci_detach(struct xhci *x, unsigned port,
		void (*released)(void *ctx, struct usbdev *dev), void *ctx)
{
	if (!x->ports[port])
		return -ENOENT;
	x->released = released;
	x->released_ctx = ctx;
	x->detached[x->detached_count++] = x->ports[port];
	x->ports[port] = NULL;
	x->env.kick(x->env.ctx);
	return 0;
}

void xhci_on_gone(struct xhci *x, void (*gone)(void *ctx, unsigned port), void *ctx)
{
	x->gone = gone;
	x->gone_ctx = ctx;
}

struct usbdev *xhci_port_device(const struct xhci *x, unsigned port)
{
	return x->ports[port];
}

unsigned xhci_port_count(const struct xhci *x)
{
	(void)x;
	return PORTS;
}

bool xhci_port_is_usb3(const struct xhci *x, unsigned port)
{
	return x->first_usb3 > 0 && port >= x->first_usb3;
}

bool xhci_idle(const struct xhci *x)
{
	return x->detached_count == 0;
}

/* --- the tests' surroundings --- */

static struct loop *loop;
static struct vm *vm;
static unsigned ended, emptied, gone_port;
static uint8_t guest_page[4096];

static void on_ended(void *ctx)
{
	assert_ptr_equal(ctx, &ended);
	ended++;
}

static void on_emptied(void *ctx)
{
	assert_ptr_equal(ctx, &ended);
	emptied++;
}

/* The port can be used again already. */
static void on_gone(void *ctx, unsigned port)
{
	assert_ptr_equal(ctx, &ended);
	assert_null(xhci.ports[port]);
	gone_port = port;
}

static struct usbdev *device_create(void)
{
	return device_new(loop, USBDEV_SPEED_HIGH, "fake");
}

static int setup_with(bool with_msix)
{
	struct vm_options options = {
		.ports = 2,
		.with_msix = with_msix,
		.ended = on_ended,
		.emptied = on_emptied,
		.gone = on_gone,
		.ctx = &ended,
	};
	struct err err;

	memset(&server, 0, sizeof(server));
	memset(&xhci, 0, sizeof(xhci));
	log_init(LOG_LEVEL_ERROR, false);
	server.listening = true;
	ended = emptied = destroyed = gone_port = 0;
	destroy_later = false;
	loop = loop_create();
	vm = loop ? vm_create(loop, &options) : NULL;
	return vm && vm_serve(vm, 3, &err) == 0 ? 0 : -1;
}

static int setup(void **state)
{
	(void)state;
	return setup_with(true);
}

static int setup_no_msix(void **state)
{
	(void)state;
	return setup_with(false);
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(vm);
	loop_destroy(loop);
	return 0;
}

/* One turn; nothing that is waited for takes longer. */
static void turn(void)
{
	assert_int_equal(loop_turn(loop, false), 0);
}

static void region_write(unsigned region, uint64_t offset, uint32_t value, size_t count)
{
	uint8_t bytes[4];

	put_le32(bytes, value);
	server.device->region_write(server.device->ctx, region, offset, bytes, count);
}

static uint32_t region_read(unsigned region, uint64_t offset, size_t count)
{
	uint8_t bytes[4] = {0};

	server.device->region_read(server.device->ctx, region, offset, bytes, count);
	return get_le32(bytes);
}

static void client(bool connected)
{
	if (!connected)
		guest_mem_unmap_all(server.mem);
	server.device->client(server.device->ctx, connected);
}

static void map_memory(void)
{
	assert_int_equal(guest_mem_map_bytes(server.mem, 0, guest_page,
					     sizeof(guest_page),
					     GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	server.device->dma_changed(server.device->ctx);
}

static void unmap_memory(void)
{
	assert_int_equal(guest_mem_unmap(server.mem, 0, sizeof(guest_page), NULL), 0);
	server.device->dma_changed(server.device->ctx);
}

/* --- tests --- */

static void test_identity(void **state)
{
	const struct vuser_device *device = server.device;

	(void)state;
	for (unsigned i = 0; i < VUSER_REGIONS; i++)
		assert_int_equal(device->regions[i].size, i == REGION_BAR0     ? 0x10000
							  : i == REGION_CONFIG ? 4096
									       : 0);
	assert_int_equal(device->irq_counts[0], 0);
	assert_int_equal(device->irq_counts[1], XHCI_INTERRUPTERS);
	assert_int_equal(device->irq_counts[2], XHCI_INTERRUPTERS);
	assert_int_equal(device->irq_counts[3] + device->irq_counts[4], 0);
	assert_int_equal(region_read(REGION_CONFIG, 0x00, 4), 0x000d1b36);
	assert_int_equal(region_read(REGION_CONFIG, 0x08, 4) >> 8, 0x0c0330);
	assert_int_equal(region_read(REGION_CONFIG, 0x60, 4), 0x002030);
	assert_int_equal(region_read(REGION_CONFIG, 0x3d, 1), 0); /* no INTx */
	assert_int_equal(region_read(REGION_CONFIG, MSIX_CONTROL - 2, 1), 0x11);
	assert_int_equal(region_read(REGION_CONFIG, MSI_CONTROL - 2, 1), 0x05);
}

static void test_no_msix(void **state)
{
	(void)state;
	assert_int_equal(server.device->irq_counts[1], XHCI_INTERRUPTERS);
	assert_int_equal(server.device->irq_counts[2], 0);
	assert_int_equal(
		region_read(REGION_CONFIG, region_read(REGION_CONFIG, 0x34, 1), 1), 0x05);
	client(true);
	region_write(REGION_CONFIG, MSI_CONTROL, 0x1, 2);
	assert_int_equal(xhci.replays, 1);
	xhci.env.interrupt(xhci.env.ctx, 5);
	assert_int_equal(server.raised, 1);
	assert_int_equal(server.raised_index, 1);
	assert_int_equal(server.raised_vector, 0);
}

static void test_registers_and_deferred_work(void **state)
{
	(void)state;
	client(true);
	region_write(REGION_BAR0, 0x40, 0x1234, 4);
	assert_int_equal(xhci.written, 0x1234);
	assert_int_equal(xhci.runs, 0); /* not before the write is answered */
	turn();
	assert_int_equal(xhci.runs, 1); /* two kicks, one run */
	assert_int_equal(region_read(REGION_BAR0, 0x44, 4), 0x1234 + 0x44);
	turn();
	assert_int_equal(xhci.runs, 1);
}

static void test_timer(void **state)
{
	(void)state;
	xhci.env.wake_at(xhci.env.ctx, clock_now_ns() + 1000000);
	assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(xhci.runs, 1);
	xhci.env.wake_at(xhci.env.ctx, 1); /* long past */
	assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(xhci.runs, 2);
	xhci.env.wake_at(xhci.env.ctx, clock_now_ns());
	xhci.env.wake_at(xhci.env.ctx, 0);
	turn();
	assert_int_equal(xhci.runs, 2);
}

static void test_bus_master_needs_memory_and_client(void **state)
{
	(void)state;
	client(true);
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	assert_false(xhci.bus_master);
	map_memory();
	assert_true(xhci.bus_master);
	assert_int_equal(xhci.memory_changes, 1);
	unmap_memory(); /* re-mapping all of it, as firmware makes VMMs do */
	assert_false(xhci.bus_master);
	map_memory();
	assert_true(xhci.bus_master);
	region_write(REGION_CONFIG, REG_COMMAND, 0x2, 2);
	assert_false(xhci.bus_master);
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	client(false);
	assert_false(xhci.bus_master);
	/* the next client has the same guest, or another one's memory */
	client(true);
	assert_false(xhci.bus_master);
	map_memory();
	assert_false(xhci.bus_master);
	(void)region_read(REGION_BAR0, 0, 4);
	assert_true(xhci.bus_master);
	assert_int_equal(xhci.resets, 0);
	assert_int_equal(region_read(REGION_CONFIG, REG_COMMAND, 2), 0x6);
}

static void any_access(unsigned way)
{
	switch (way) {
	case 0:
		(void)region_read(REGION_BAR0, 0, 4);
		break;
	case 1:
		region_write(REGION_BAR0, 0x20, 0, 4);
		break;
	case 2:
		server.device->irqs_changed(server.device->ctx, 2);
		break;
	default:
		region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
		break;
	}
}

/* A client that only looks, or takes away, says nothing of its guest. */
static void test_a_guest_that_goes_on_shows_itself(void **state)
{
	(void)state;
	client(true);
	map_memory();
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	for (unsigned way = 0; way < 4; way++) {
		client(false);
		client(true);
		map_memory();
		(void)region_read(REGION_CONFIG, REG_COMMAND, 2);
		(void)region_read(REGION_CONFIG, REG_BAR0, 4);
		region_write(REGION_CONFIG, 0x0c, 0, 1);
		assert_false(xhci.bus_master);
		any_access(way);
		assert_true(xhci.bus_master);
	}
	client(false);
	client(true);
	map_memory();
	region_write(REGION_CONFIG, REG_COMMAND, 0x2, 2);
	assert_false(xhci.bus_master);
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	assert_true(xhci.bus_master);
	assert_int_equal(xhci.resets, 0);
}

static void test_device_reset(void **state)
{
	(void)state;
	client(true);
	map_memory();
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	region_write(REGION_CONFIG, MSIX_CONTROL, 0x8000, 2);
	server.device->reset(server.device->ctx);
	assert_int_equal(xhci.resets, 1);
	assert_false(xhci.bus_master);
	assert_int_equal(region_read(REGION_CONFIG, REG_COMMAND, 2), 0);
	assert_int_equal(region_read(REGION_CONFIG, MSIX_CONTROL, 2),
			 XHCI_INTERRUPTERS - 1);
}

static void test_first_sizing_resets(void **state)
{
	(void)state;
	client(true);
	map_memory();
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	region_write(REGION_CONFIG, REG_BAR0, 0xffffffff, 4);
	assert_int_equal(xhci.resets, 1);
	assert_false(xhci.bus_master);
	assert_int_equal(region_read(REGION_CONFIG, REG_BAR0, 4), 0xffff0004);
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	region_write(REGION_CONFIG, REG_BAR0, 0xffffffff, 4); /* the guest's own */
	assert_int_equal(xhci.resets, 1);
	assert_true(xhci.bus_master);
	client(false);
	client(true);
	region_write(REGION_CONFIG, REG_BAR0, 0xffffffff, 4);
	assert_int_equal(xhci.resets, 2);
}

static void test_interrupts(void **state)
{
	(void)state;
	client(true);
	xhci.env.interrupt(xhci.env.ctx, 2);
	assert_int_equal(server.raised, 0);
	region_write(REGION_CONFIG, MSIX_CONTROL, 0x8000, 2);
	assert_int_equal(xhci.replays, 1);
	xhci.env.interrupt(xhci.env.ctx, 2);
	assert_int_equal(server.raised, 1);
	assert_int_equal(server.raised_index, 2);
	assert_int_equal(server.raised_vector, 2);
	server.device->irqs_changed(server.device->ctx, 2);
	assert_int_equal(xhci.replays, 2);
}

static void test_ended(void **state)
{
	(void)state;
	client(true);
	client(false);
	turn();
	assert_int_equal(ended, 0); /* another may come */
	server.listening = false;
	client(true);
	client(false);
	assert_int_equal(ended, 0); /* not inside the server */
	turn();
	assert_int_equal(ended, 1);
	client(false);
	turn();
	assert_int_equal(ended, 1); /* once */
}

static void test_unplug_all(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), 1);
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), 2);
	assert_false(vm_is_empty(vm));
	vm_unplug_all(vm);
	assert_int_equal(destroyed, 0);
	assert_false(vm_is_empty(vm));
	for (unsigned i = 0; i < 3; i++)
		turn();
	assert_int_equal(destroyed, 2);
	assert_int_equal(emptied, 1);
	assert_true(vm_is_empty(vm));
}

/* A device may have something to give back when its transfers have ended. */
static void test_unplug_takes_time(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), 1);
	destroy_later = true;
	vm_unplug_all(vm);
	for (unsigned i = 0; i < 3; i++)
		turn();
	assert_non_null(destroying);
	assert_false(vm_is_empty(vm));
	assert_int_equal(emptied, 0);
	assert_int_equal(gone_port, 0); /* it was us */
	device_finish(destroying);
	turn();
	assert_int_equal(emptied, 1);
	assert_true(vm_is_empty(vm));
}

static void test_wanted_port(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(vm_plug(vm, device_create(), 3, NULL, &err), 3);
	assert_int_equal(vm_plug(vm, device_create(), 3, NULL, &err), 1);
	vm_unplug_all(vm);
	turn();
	turn();
	assert_int_equal(emptied, 1);
}

static void test_reserved_ports(void **state)
{
	const struct vm_reserved reserved = {2, {2, 1}};
	struct err err;

	(void)state;
	assert_int_equal(vm_plug(vm, device_create(), 0, &reserved, &err), 3);
	/* its own device */
	assert_int_equal(vm_plug(vm, device_create(), 1, &reserved, &err), 1);
	for (unsigned port = 4; port <= PORTS; port++)
		assert_int_equal(vm_plug(vm, device_create(), 0, &reserved, &err), port);
	/* there is no other one */
	assert_int_equal(vm_plug(vm, device_create(), 0, &reserved, &err), 2);
	assert_int_equal(vm_plug(vm, device_create(), 0, &reserved, &err), -ENOSPC);
	vm_unplug_all(vm);
	turn();
	turn();
	assert_int_equal(emptied, 1);
}

/* The port is chosen before the controller is asked. */
static void test_port_of_the_kind(void **state)
{
	struct err err;

	(void)state;
	xhci.first_usb3 = 2;
	assert_int_equal(vm_port_count(vm), PORTS);
	assert_int_equal(vm_port_kind(vm, 1), VM_PORT_KIND_USB2);
	assert_int_equal(vm_port_kind(vm, 2), VM_PORT_KIND_USB3);
	assert_int_equal(
		vm_plug(vm, device_new(loop, USBDEV_SPEED_SUPER, "fast"), 0, NULL, &err),
		2);
	assert_int_equal(vm_plug(vm, device_create(), 3, NULL, &err), 1);
	assert_int_equal(vm_plug(vm, device_new(loop, USBDEV_SPEED_SUPER, "fast"),
				 PORTS + 1, NULL, &err),
			 3);
	assert_int_equal(xhci.attaches, 3);
	vm_unplug_all(vm);
	turn();
	turn();
	assert_int_equal(emptied, 1);
}

/* A caller that passes a struct vm_unplug hears of the end of that device only. */
static unsigned unplugged;

static void on_unplugged(struct vm_unplug *unplug)
{
	assert_ptr_equal(unplug->vm, vm);
	unplugged++;
}

static void test_unplug_one(void **state)
{
	struct vm_unplug unplug = {.done = on_unplugged};
	struct err err;

	(void)state;
	unplugged = 0;
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), 1);
	assert_int_equal(vm_unplug(vm, 2, &unplug), -ENOENT);
	assert_int_equal(vm_unplug(vm, 1, &unplug), 0);
	assert_int_equal(unplugged, 0);
	turn();
	assert_int_equal(destroyed, 1);
	assert_int_equal(unplugged, 1);
	assert_true(vm_is_empty(vm));
}

static void test_unplug_nothing(void **state)
{
	(void)state;
	vm_unplug_all(vm);
	assert_int_equal(emptied, 0);
	turn();
	assert_int_equal(emptied, 1);
}

static void test_device_gone(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), 1);
	xhci.gone(xhci.gone_ctx, 1);
	assert_int_equal(gone_port, 1);
	turn();
	assert_int_equal(destroyed, 1);
	assert_true(vm_is_empty(vm));
	assert_int_equal(emptied, 0);
	xhci.gone(xhci.gone_ctx, 1); /* late */
}

static void test_no_port(void **state)
{
	struct err err;

	(void)state;
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), i + 1);
	assert_int_equal(vm_plug(vm, device_create(), 0, NULL, &err), -ENOSPC);
	assert_int_equal(destroyed, 1); /* taken, also on failure */
	vm_unplug_all(vm);
	turn();
	turn();
	assert_int_equal(emptied, 1);
}

static void test_stop_serving(void **state)
{
	(void)state;
	client(true);
	map_memory();
	region_write(REGION_CONFIG, REG_COMMAND, 0x6, 2);
	region_write(REGION_CONFIG, MSIX_CONTROL, 0x8000, 2);
	vm_stop_serving(vm);
	assert_null(server.device);
	assert_false(xhci.bus_master);
	xhci.env.interrupt(xhci.env.ctx, 0); /* goes nowhere */
	assert_int_equal(server.raised, 0);
	server.listening = false;
	vm_unplug_all(vm);
	turn();
	assert_int_equal(emptied, 1);
	assert_int_equal(ended, 0);
}

static void test_serve_fails(void **state)
{
	struct err err = {0};

	(void)state;
	vm_stop_serving(vm);
	assert_int_equal(vm_serve(vm, -1, &err), -EBADF);
	assert_string_equal(err.text, "no socket");
}

#define VM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(test_identity),
		cmocka_unit_test_setup_teardown(test_no_msix, setup_no_msix, teardown),
		VM_TEST(test_registers_and_deferred_work),
		VM_TEST(test_timer),
		VM_TEST(test_bus_master_needs_memory_and_client),
		VM_TEST(test_a_guest_that_goes_on_shows_itself),
		VM_TEST(test_device_reset),
		VM_TEST(test_first_sizing_resets),
		VM_TEST(test_interrupts),
		VM_TEST(test_ended),
		VM_TEST(test_unplug_all),
		VM_TEST(test_unplug_takes_time),
		VM_TEST(test_wanted_port),
		VM_TEST(test_reserved_ports),
		VM_TEST(test_port_of_the_kind),
		VM_TEST(test_unplug_one),
		VM_TEST(test_unplug_nothing),
		VM_TEST(test_device_gone),
		VM_TEST(test_no_port),
		VM_TEST(test_stop_serving),
		VM_TEST(test_serve_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
