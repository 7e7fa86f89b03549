/* SPDX-License-Identifier: MIT
 * fuzz_vuser_state.c - hostile VMMs, after a legal bring-up, over a real socket
 *
 * It begins with the daemon's own combination of server, function, controller and devices
 * (daemon/vm.c), and with a client that has negotiated a version, mapped memory, passed eventfds
 * and enumerated the devices, all by messages. Each record is an operation of one of CLIENTS
 * clients: messages good and bad, whole and in parts, with descriptors of all kinds that the client
 * changes later (fd_kinds.h); transfers, so that the controller uses memory and raises interrupts;
 * connects and disconnects; and time.
 *
 * Besides the sanitizers' checks, the target checks that the server never waits (fuzz.h has the
 * limit), that it sends a sequence of whole replies, that no descriptor and no mapping is left at
 * the end, and that a new client can then bring everything up again.
 */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "daemon/vm.h"
#include "fake_time.h"
#include "fd_kinds.h"
#include "records.h"
#include "state.h"
#include "tests/lib/pass_fds.h"
#include "usbdev/keyboard/keyboard.h"
#include "usbdev/zero/zero.h"
#include "util/bytes.h"
#include "util/compiler.h"
#include "util/fds.h"
#include "vuser/signaller.h"
#include "vuser/wire.h"

#define CLIENTS       3u
#define OPS_MAX       300u
#define FDS_AT_A_TIME 40u
#define MESSAGE_MAX   512u
#define TURNS_MAX     200u
#define VECTORS       4u
#define END_TURNS     20000u
#define END_WAIT_MS   10000u
#define OP_TURN_NS    UINT64_C(100000)

/**
 * struct client - our end of a connection
 * @fd:		-1 = none
 * @left:	bytes of a reply still to come
 * @head, @have: header of the next reply, bytes of it so far
 * @data, @data_bytes: payload of the last whole reply, as far as it fits
 * @rest, @rest_bytes: unsent part of a message
 */
struct client {
	int fd;
	uint32_t left;
	uint8_t head[VUSER_HEADER_SIZE];
	size_t have;
	struct vuser_header last;
	uint8_t data[MESSAGE_MAX];
	uint32_t data_bytes;
	unsigned replies;
	uint8_t rest[MESSAGE_MAX];
	size_t rest_bytes;
};

static struct world world;
static struct vm *vm;
static struct client clients[CLIENTS];
static struct client *driver; /* the client whose guest uses the devices */
static int ram_fd, vector_fds[VECTORS];
static uint16_t next_id;

/* a second thread, in libFuzzer only, which fills an eventfd at the same time */
static bool fills;
static pthread_t filler;
static sem_t fill_order;

/* ---- messages ---- */

static void send_bytes(const struct client *client, const void *bytes, size_t len,
		       const int *fds, unsigned nfds)
{
	struct iovec iov = {(void *)bytes, len};

	/* drop the bytes that do not fit, as a confused client would */
	if (client->fd >= 0)
		(void)!pass_fds(client->fd, &iov, 1, fds, nfds);
}

static size_t make_message(uint8_t *message, unsigned cmd, unsigned flags,
			   const void *payload, size_t len)
{
	struct vuser_header header = {.id = next_id++,
				      .cmd = (uint16_t)cmd,
				      .size = (uint32_t)(sizeof(header) + len),
				      .flags = flags};

	memcpy(message, &header, sizeof(header));
	if (len > 0)
		memcpy(message + sizeof(header), payload, len);
	return sizeof(header) + len;
}

static void send_message(const struct client *client, unsigned cmd, unsigned flags,
			 const void *payload, size_t len, const int *fds, unsigned nfds)
{
	uint8_t message[MESSAGE_MAX];

	CHECK(sizeof(struct vuser_header) + len <= sizeof(message));
	send_bytes(client, message, make_message(message, cmd, flags, payload, len), fds,
		   nfds);
}

static void begin_reply(struct client *client)
{
	struct vuser_header *header = &client->last;

	memcpy(header, client->head, sizeof(*header));
	CHECK(header->size >= sizeof(*header) && header->size <= VUSER_MSG_MAX);
	CHECK((header->flags & ~VUSER_FLAG_ERROR) == VUSER_FLAG_TYPE_REPLY);
	CHECK(!header->error == !(header->flags & VUSER_FLAG_ERROR));
	client->have = 0;
	client->data_bytes = 0;
	client->left = header->size - (uint32_t)sizeof(*header);
}

/* Receives replies; each must begin where the previous one ended. */
static void take_replies(struct client *client)
{
	static uint8_t buffer[1u << 16];
	ssize_t n;

	if (client->fd < 0)
		return;
	n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	for (ssize_t at = 0; at < n; at++) {
		if (client->left > 0) {
			if (client->data_bytes < MESSAGE_MAX)
				client->data[client->data_bytes++] = buffer[at];
			client->left--;
		} else {
			client->head[client->have++] = buffer[at];
			if (client->have < sizeof(client->head))
				continue;
			begin_reply(client);
		}
		client->replies += client->left == 0;
	}
}

/* Waits for the reply to the last message. Return: false for an error, or if none comes */
static bool await_reply(struct client *client, uint16_t id)
{
	for (unsigned n = 0; n < TURNS_MAX && client->fd >= 0; n++) {
		unsigned before = client->replies;

		fuzz_run(1);
		take_replies(client);
		if (client->replies != before && client->last.id == id)
			return client->last.error == 0;
	}
	return false;
}

static bool transact(struct client *client, unsigned cmd, const void *payload, size_t len,
		     const int *fds, unsigned nfds)
{
	uint16_t id = next_id;

	take_replies(client);
	send_message(client, cmd, 0, payload, len, fds, nfds);
	return await_reply(client, id);
}

/* ---- the guest's access to the controller ---- */

static void region_write(struct world *w, unsigned region, uint64_t offset,
			 const void *bytes, size_t count)
{
	uint8_t payload[64];
	struct vuser_region_access access = {offset, region, (uint32_t)count};

	(void)w;
	CHECK(count <= sizeof(payload) - sizeof(access));
	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), bytes, count);
	send_message(driver, VUSER_CMD_REGION_WRITE, VUSER_FLAG_NO_REPLY, payload,
		     sizeof(access) + count, NULL, 0);
}

static void bus_write(struct world *w, uint32_t offset, uint64_t value, unsigned size)
{
	uint8_t bytes[8];

	put_le64(bytes, value);
	region_write(w, 0, offset, bytes, size);
}

static void bus_config_write(struct world *w, uint32_t offset, const void *buf,
			     size_t count)
{
	region_write(w, 7, offset, buf, count);
}

static uint32_t bus_read32(struct world *w, uint32_t offset)
{
	struct vuser_region_access access = {offset, 0, 4};

	(void)w;
	if (!transact(driver, VUSER_CMD_REGION_READ, &access, sizeof(access), NULL, 0) ||
	    driver->data_bytes < sizeof(access) + 4)
		return UINT32_MAX;
	return get_le32(driver->data + sizeof(access));
}

static void bus_run(struct world *w)
{
	for (unsigned n = 0; n < 3; n++) {
		w->now_ns += OP_TURN_NS;
		fake_time_run();
		fuzz_run(2);
		take_replies(driver);
	}
}

static const struct world_bus bus = {bus_read32, bus_write, bus_config_write, bus_run};

/* ---- bring-up ---- */

static void connect_client(struct client *client)
{
	if (client->fd < 0)
		*client = (struct client){.fd = fuzz_connect("vuser-state")};
}

static bool agree(struct client *client, unsigned who)
{
	static const char *const json[] = {
		"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,"
		"\"pgsizes\":4096,\"max_dma_maps\":65535,\"write_multiple\":true}}",
		"{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":1048576,"
		"\"migration\":{\"pgsize\":4096}}}",
	};
	const char *text = json[who % ARRAY_SIZE(json)];
	uint8_t payload[256] = {0, 0, (uint8_t)(who % 2)};
	size_t len = 4 + strlen(text) + 1;

	memcpy(payload + 4, text, len - 4);
	return transact(client, VUSER_CMD_VERSION, payload, len, NULL, 0);
}

static bool dma_map(struct client *client, uint64_t iova, uint64_t size, uint64_t offset,
		    int fd)
{
	struct vuser_dma_map map = {sizeof(map), 3, offset, iova, size};

	return transact(client, VUSER_CMD_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

static bool set_irqs(struct client *client, unsigned index, unsigned start,
		     unsigned count, const int *fds, unsigned nfds)
{
	struct vuser_irq_set set = {sizeof(set),
				    VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER, index,
				    start, count};

	return transact(client, VUSER_CMD_DEVICE_SET_IRQS, &set, sizeof(set), fds, nfds);
}

static bool enable_msix(struct world *w)
{
	struct vuser_region_access access = {0x34, 7, 1};
	const uint8_t enable[] = {0x07, 0x80};

	/* MSI-X is the first capability */
	if (!transact(driver, VUSER_CMD_REGION_READ, &access, sizeof(access), NULL, 0))
		return false;
	bus_config_write(w, driver->data[sizeof(access)] + 2u, enable, sizeof(enable));
	return true;
}

/* Does everything that a VMM and its guest do before they use the devices. */
static bool bring_up(struct world *w, struct client *client, unsigned who)
{
	driver = client;
	connect_client(client);
	memset(w->ram, 0, STRUCTURES_END);
	if (client->fd < 0 || !agree(client, who) ||
	    !dma_map(client, 0, RAM_BYTES, 0, ram_fd) ||
	    !set_irqs(client, 2, 0, VECTORS, vector_fds, VECTORS) ||
	    !transact(client, VUSER_CMD_DEVICE_RESET, NULL, 0, NULL, 0) ||
	    !enable_msix(w))
		return false;
	guest_lay_out(w);
	guest_start(w);
	for (unsigned i = 0; i < DEVICES; i++)
		if (w->places[i].state == PLACE_PLUGGED &&
		    !guest_enumerate(w, &w->places[i]))
			return false;
	return true;
}

static void plug(struct world *w, unsigned i, struct usbdev *dev, enum device_kind kind)
{
	struct err err;
	int port = dev ? vm_plug(vm, dev, 0, NULL, &err) : -1;

	CHECK(port > 0);
	w->places[i] = (struct place){.world = w,
				      .kind = kind,
				      .speed = dev->speed,
				      .state = PLACE_PLUGGED,
				      .port = (unsigned)port};
}

static void on_vm(void *ctx)
{
	(void)ctx;
}

static void begin(struct world *w)
{
	struct vm_options options = {
		.ports = 2, .with_msix = true, .ended = on_vm, .emptied = on_vm};
	uint8_t *ram = w->ram;
	struct err err;

	*w = (struct world){.ram = ram, .bus = &bus, .now_ns = 1};
	fd_kinds_restore();
	vm = vm_create(fuzz_loop, &options);
	CHECK(vm && vm_serve(vm, fuzz_listen("vuser-state"), &err) == 0);
	plug(w, 1, zero_create(fuzz_loop, &(struct zero_options){0}, &err), DEVICE_ZERO);
	plug(w, 2, keyboard_create(fuzz_loop, &(struct keyboard_options){0}, &err),
	     DEVICE_KEYBOARD);
}

/* ---- the second thread ---- */

static void *fill_as_told(void *ctx)
{
	(void)ctx;
	for (;;) {
		while (sem_wait(&fill_order) != 0)
			;
		fd_kinds_fill_slowly();
	}
	return NULL;
}

static void order_fill(void)
{
	if (!records_are_fuzzed())
		return;
	if (!fills) {
		CHECK(sem_init(&fill_order, 0, 0) == 0);
		CHECK(pthread_create(&filler, NULL, fill_as_told, NULL) == 0);
	}
	fills = true;
	CHECK(sem_post(&fill_order) == 0);
}

static void end_filling(void)
{
	if (!fills)
		return;
	/* the thread may wait for the counter to become writable */
	(void)pthread_cancel(filler);
	CHECK(pthread_join(filler, NULL) == 0);
	fills = false;
}

/* ---- operations ---- */

static struct client *client_of(const struct record *r)
{
	/* mostly the client whose guest uses the devices */
	return r->a % 8 < 5 ? driver : &clients[r->a % CLIENTS];
}

static unsigned take_fds(const struct record *r, unsigned count, int *fds)
{
	count = MIN_OF(count, FDS_AT_A_TIME);
	for (unsigned i = 0; i < count; i++)
		fds[i] = fd_of(r->b + i * (r->c >> 4));
	return count;
}

static void op_map(const struct record *r)
{
	static const uint64_t iovas[] = {0x80000,  0x100000, 0x40000,
					 0x101000, 0,        UINT64_C(1) << 40};
	static const uint64_t lens[] = {0x10000,   0x1000, 0x200000,
					0x4000000, 0,      UINT64_C(1) << 43};
	struct vuser_dma_map map = {sizeof(map), r->c & 3, (r->arg >> 8 & 3) * 0x1000u,
				    iovas[r->arg % ARRAY_SIZE(iovas)],
				    lens[(r->arg >> 4) % ARRAY_SIZE(lens)]};
	int fd = fd_of(r->b);

	if (r->c & 4)
		map.iova = r->arg;
	send_message(client_of(r), VUSER_CMD_DMA_MAP, 0, &map, sizeof(map), &fd,
		     !(r->c & 8));
}

static void op_unmap(const struct record *r)
{
	static const uint64_t iovas[] = {0x80000, 0x100000, 0x40000, 0x101000, 0};
	struct vuser_dma_unmap unmap = {sizeof(unmap), 0,
					iovas[r->arg % ARRAY_SIZE(iovas)],
					r->c & 1 ? 0x10000u : RAM_BYTES};

	if (r->c & 2)
		unmap = (struct vuser_dma_unmap){sizeof(unmap), VUSER_UNMAP_FLAG_ALL,
						 r->c & 4 ? 1 : 0, 0};
	send_message(client_of(r), VUSER_CMD_DMA_UNMAP, 0, &unmap, sizeof(unmap), NULL,
		     0);
}

static void op_irqs(const struct record *r)
{
	static const uint32_t flags[] = {
		VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER,
		VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_TRIGGER,
		VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_TRIGGER,
		VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_MASK,
		VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_UNMASK,
		VUSER_IRQ_SET_EVENTFD | VUSER_IRQ_SET_UNMASK,
		VUSER_IRQ_SET_BOOL | VUSER_IRQ_SET_TRIGGER,
	};
	struct {
		struct vuser_irq_set set;
		uint8_t bools[64];
	} payload = {.set = {sizeof(payload.set), flags[r->arg % ARRAY_SIZE(flags)],
			     r->arg >> 4 & 3, r->arg >> 8 & 7, r->arg >> 12 & 15}};
	int fds[FDS_AT_A_TIME];
	unsigned nfds = 0;
	size_t len = sizeof(payload.set);

	memset(payload.bools, (int)(r->arg >> 16), sizeof(payload.bools));
	if (payload.set.flags & VUSER_IRQ_SET_EVENTFD)
		nfds = take_fds(r, r->c & 8 ? r->c & 7 : payload.set.count, fds);
	if (payload.set.flags & VUSER_IRQ_SET_BOOL)
		len += payload.set.count;
	send_message(client_of(r), VUSER_CMD_DEVICE_SET_IRQS, 0, &payload, len, fds,
		     nfds);
}

/* Sends any command, with a payload whose size field is right and the rest nearly random. */
static void op_any(const struct record *r)
{
	uint8_t payload[64] = {0};
	int fds[FDS_AT_A_TIME];

	for (unsigned i = 0; i < sizeof(payload); i += 4)
		put_le32(payload + i, i == 0 ? 32 : r->arg >> (i & 31));
	send_message(client_of(r), r->b % 20, r->c & 8 ? VUSER_FLAG_NO_REPLY : 0, payload,
		     r->arg % (sizeof(payload) + 1), fds,
		     r->c & 4 ? take_fds(r, r->arg >> 24, fds) : 0);
}

static void op_region(const struct record *r)
{
	static const uint32_t spots[] = {0,      0x40,   0x440,  0x800,
					 0x2fe0, 0x3000, 0x4000, 0x8000};
	uint8_t payload[64] = {0};
	struct vuser_region_access access = {spots[r->b % ARRAY_SIZE(spots)] +
						     r->arg % 64,
					     r->c & 0x10   ? 7
					     : r->c & 0x20 ? 2
							   : 0,
					     1 + r->c % 8};
	bool write = r->c & 0x40;

	if (access.region == 7)
		access.offset = r->b;
	memcpy(payload, &access, sizeof(access));
	put_le32(payload + sizeof(access), r->arg >> 8);
	send_message(client_of(r), write ? VUSER_CMD_REGION_WRITE : VUSER_CMD_REGION_READ,
		     r->c & 0x80 ? VUSER_FLAG_NO_REPLY : 0, payload,
		     sizeof(access) + (write ? access.count : 0), NULL, 0);
}

static void op_write_multi(const struct record *r)
{
	struct {
		struct vuser_write_multi head;
		struct vuser_write_multi_entry entries[8];
	} payload = {.head = {1 + r->b % 8}};
	size_t len =
		sizeof(payload.head) + payload.head.count * sizeof(payload.entries[0]);

	for (unsigned i = 0; i < payload.head.count; i++) {
		payload.entries[i].offset = 0x4000 + 4 * (r->arg >> (i & 7) & 3);
		payload.entries[i].count = r->c & 1 ? 4 : r->c;
		put_le32(payload.entries[i].data, r->arg % 8);
	}
	if (r->c & 2)
		payload.head.count = r->arg;
	send_message(client_of(r), VUSER_CMD_REGION_WRITE_MULTI, 0, &payload, len, NULL,
		     0);
}

/* Sends the rest of a message, or the first part of one; either may carry descriptors. */
static void op_part(const struct record *r)
{
	struct client *client = client_of(r);
	struct vuser_dma_map map = {sizeof(map), 3, 0, 0x100000, 0x10000};
	uint8_t message[MESSAGE_MAX];
	int fds[FDS_AT_A_TIME];
	unsigned nfds = r->c & 2 ? take_fds(r, 1 + r->c / 4, fds) : 0;
	size_t len, part;

	if (client->rest_bytes > 0) {
		part = r->c & 1 ? client->rest_bytes : 1 + r->arg % client->rest_bytes;
		send_bytes(client, client->rest, part, fds, nfds);
		client->rest_bytes -= part;
		memmove(client->rest, client->rest + part, client->rest_bytes);
		return;
	}
	len = make_message(message, r->c & 1 ? VUSER_CMD_DMA_MAP : r->b % 20, 0, &map,
			   sizeof(map));
	if (r->c & 0x80)
		put_le32(message + 4, r->arg); /* a false size */
	part = 1 + r->arg % (len - 1);
	send_bytes(client, message, part, fds, nfds);
	client->rest_bytes = len - part;
	memcpy(client->rest, message + part, client->rest_bytes);
}

static void op_connection(const struct record *r)
{
	struct client *client = &clients[r->a % CLIENTS];

	switch (r->b % 6) {
	case 0:
		close_fd(&client->fd);
		break;
	case 1:
		if (client->fd >= 0)
			(void)!shutdown(client->fd, r->c & 1 ? SHUT_WR : SHUT_RD);
		break;
	case 2:
	case 3:
		connect_client(client);
		break;
	case 4:
		connect_client(client);
		(void)agree(client, r->c);
		break;
	default:
		close_fd(&client->fd);
		fuzz_run(2);
		(void)bring_up(&world, client, r->c);
		break;
	}
}

/* A transfer and its interrupt; the buffer may be in memory that the client has chosen. */
static void op_transfer(const struct record *r)
{
	static const uint32_t buffers[] = {BUFFERS, 0x80000, 0x100000, 0x101000};
	struct world *w = &world;
	const struct place *place = &w->places[1 + r->b % 2];
	unsigned dci = place->kind == DEVICE_ZERO ? 2 + (r->b >> 1) % 6 : 3;
	struct guest_ring *ring;

	if (place->slot_id == 0 || place->slot_id > SLOTS_IN_USE)
		return;
	ring = &w->rings[place->slot_id][dci];
	for (unsigned n = r->c % 4; n-- > 0;)
		guest_put(w, ring,
			  buffers[r->c / 4 % ARRAY_SIZE(buffers)] + r->arg % 4096,
			  r->arg >> 8 & 0x1ffff,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) | XHCI_TRB_IOC |
				  (n > 0 && r->c & 0x40 ? XHCI_TRB_CH : 0));
	mmio_write32(w, XHCI_OFF_DOORBELLS + 4 * place->slot_id, dci);
}

static void op_change_fds(const struct record *r)
{
	if (r->c & 1)
		fd_kinds_truncate(r->arg);
	else
		fd_kinds_fill();
	if (r->c & 2)
		fd_kinds_restore();
	if (r->c & 4)
		fd_kinds_hold();
}

/* Fills the eventfd while the server raises interrupts: none of them may wait. */
static void op_fill_meanwhile(const struct record *r)
{
	struct vuser_irq_set set = {
		sizeof(set), VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_TRIGGER, 2, 0, VECTORS};

	fd_kinds_restore();
	order_fill();
	for (unsigned n = 0; n < 4u + r->b % 32; n++) {
		send_message(driver, VUSER_CMD_DEVICE_SET_IRQS, VUSER_FLAG_NO_REPLY, &set,
			     sizeof(set), NULL, 0);
		fuzz_run(1);
	}
	end_filling();
}

static void op_time(const struct record *r)
{
	static const uint64_t steps_ns[] = {1000000, 100000000, 1000000000, 6000000000};

	world.now_ns += steps_ns[r->b % ARRAY_SIZE(steps_ns)];
	fake_time_run();
}

/* Sends more requests than fit and receives no reply. */
static void op_flood(const struct record *r)
{
	struct vuser_region_access access = {0, 0, 64};

	for (unsigned n = 0; n < r->b; n++)
		send_message(client_of(r), VUSER_CMD_REGION_READ, 0, &access,
			     sizeof(access), NULL, 0);
}

static void op_run(const struct record *r)
{
	fuzz_run(1 + r->b % 4);
	if (r->c & 1)
		guest_take_events(&world);
}

static void op_take(const struct record *r)
{
	take_replies(client_of(r));
}

static void (*const operations[])(const struct record *r) = {
	op_map,         op_map,        op_unmap,      op_irqs,
	op_irqs,        op_any,        op_region,     op_part,
	op_write_multi, op_connection, op_connection, op_transfer,
	op_transfer,    op_transfer,   op_change_fds, op_fill_meanwhile,
	op_time,        op_flood,      op_run,        op_run,
	op_take,
};

/* ---- an input ---- */

static unsigned maps_of_given_files(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "memfd:") != NULL;
	fclose(file);
	return n;
}

void fuzz_set_up(void)
{
	fuzz_counts_fds = true;
	CHECK(signaller_prepare(true) == 0); /* lasts as long as the process */
	fake_time_set_up(&world.now_ns);
	fd_kinds_make();
	ram_fd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(ram_fd >= 0 && ftruncate(ram_fd, RAM_BYTES) == 0);
	world.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, ram_fd, 0);
	CHECK(world.ram != MAP_FAILED);
	for (unsigned i = 0; i < VECTORS; i++)
		vector_fds[i] = fd_of(FD_EVENTFD + i % 2);
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
}

static void close_clients(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		take_replies(&clients[i]);
		close_fd(&clients[i].fd);
	}
	fuzz_run(3);
}

static void end(struct world *w)
{
	close_clients();
	fd_kinds_restore();
	CHECK(bring_up(w, &clients[0], 0)); /* whatever happened before */
	close_clients();
	vm_stop_serving(vm);
	vm_unplug_all(vm);
	for (unsigned n = 0; !vm_is_empty(vm); n++) {
		CHECK(n < END_TURNS);
		w->now_ns += OP_TURN_NS;
		fake_time_run();
		fuzz_run(1);
	}
	vm_destroy(vm);
	fuzz_run(2);
	CHECK(fake_time_is_idle());
}

void fuzz_one(struct input *in)
{
	struct world *w = &world;
	struct record first = {0}, r;
	unsigned maps = maps_of_given_files();

	(void)take_record(in, &first);
	begin(w);
	CHECK(bring_up(w, &clients[0], first.b));
	for (unsigned n = 0; n < OPS_MAX && take_record(in, &r); n++) {
		operations[r.op % ARRAY_SIZE(operations)](&r);
		if (!(r.op & 0x80)) {
			w->now_ns += OP_TURN_NS;
			fake_time_run();
			fuzz_run(1);
		}
	}
	end(w);
	CHECK(guest_mem_wait_unmapped(END_WAIT_MS));
	CHECK(maps_of_given_files() == maps);
}
