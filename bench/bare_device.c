/* SPDX-License-Identifier: MIT
 * bare_device.c - transfers by libusb, in this process or another one
 */
#include "bench/bare_device.h"

#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

struct bare_device {
	int fd;
	libusb_context *context;
	libusb_device_handle *handle;
	struct libusb_transfer *transfers[BARE_DEPTH_MAX];
	struct bare_shared *shared;
	void (*ended)(void *context, unsigned index);
	void *ended_context;
};

static void check(const char *what, int r)
{
	if (r < 0) {
		(void)fprintf(stderr, "bench: libusb, %s: %s\n", what,
			      libusb_error_name(r));
		exit(1);
	}
}

static void find_endpoints(struct bare_device *device)
{
	struct libusb_config_descriptor *config;
	const struct libusb_interface_descriptor *interface;

	check("configuration", libusb_get_active_config_descriptor(
				       libusb_get_device(device->handle), &config));
	interface = &config->interface[0].altsetting[0];
	for (unsigned i = 0; i < interface->bNumEndpoints; i++) {
		uint8_t address = interface->endpoint[i].bEndpointAddress;

		if (address & LIBUSB_ENDPOINT_IN)
			device->shared->in = address;
		else
			device->shared->out = address;
	}
	libusb_free_config_descriptor(config);
}

struct bare_device *bare_device_open(const char *path, struct bare_shared *shared,
				     void (*ended)(void *context, unsigned index),
				     void *context)
{
	struct bare_device *device = calloc(1, sizeof(*device));

	if (!device)
		bench_die("memory", -ENOMEM);
	device->shared = shared;
	device->ended = ended;
	device->ended_context = context;
	device->fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->fd < 0)
		bench_die(path, -errno);
	check("option", libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY));
	check("init", libusb_init(&device->context));
	check("wrap",
	      libusb_wrap_sys_device(device->context, device->fd, &device->handle));
	check("detach", libusb_set_auto_detach_kernel_driver(device->handle, 1));
	check("claim", libusb_claim_interface(device->handle, 0));
	find_endpoints(device);
	for (unsigned i = 0; i < BARE_DEPTH_MAX; i++) {
		device->transfers[i] = libusb_alloc_transfer(0);
		if (!device->transfers[i])
			bench_die("memory", -ENOMEM);
	}
	return device;
}

void bare_device_close(struct bare_device *device)
{
	for (unsigned i = 0; i < BARE_DEPTH_MAX; i++)
		libusb_free_transfer(device->transfers[i]);
	check("release", libusb_release_interface(device->handle, 0));
	libusb_close(device->handle);
	libusb_exit(device->context);
	(void)close(device->fd);
	free(device);
}

static void LIBUSB_CALL landed(struct libusb_transfer *transfer)
{
	struct bare_device *device = transfer->user_data;
	unsigned index = 0;

	if (transfer->status != LIBUSB_TRANSFER_COMPLETED)
		bench_die("a bare transfer's status", (int)transfer->status);
	while (device->transfers[index] != transfer)
		index++;
	device->ended(device->ended_context, index);
}

void bare_device_start(struct bare_device *device, unsigned index, uint8_t endpoint,
		       uint32_t offset, uint32_t bytes)
{
	libusb_fill_bulk_transfer(device->transfers[index], device->handle, endpoint,
				  device->shared->data + offset, (int)bytes, landed,
				  device, 0);
	check("submit", libusb_submit_transfer(device->transfers[index]));
}

void bare_device_wait(struct bare_device *device)
{
	check("events", libusb_handle_events(device->context));
}

/* Message to the relay about a transfer. Padded to the 32 bytes of header, address and
 * value of a posted register write. */
struct order {
	uint32_t index, endpoint, offset, bytes;
	uint32_t rest[4];
};

struct bare_relay {
	pid_t pid;
	int socket;
	int event;
	struct bare_shared *shared;
	void (*ended)(void *context, unsigned index);
	void *ended_context;
	uint32_t seen;
};

/* In the other process: signals that a transfer has ended. */
static void tell(void *context, unsigned index)
{
	struct bare_relay *relay = context;
	uint64_t one = 1;

	relay->shared->done[relay->seen++ % ARRAY_SIZE(relay->shared->done)] = index;
	atomic_thread_fence(memory_order_release);
	if (write(relay->event, &one, sizeof(one)) != sizeof(one))
		bench_die("an eventfd", -errno);
}

/* In the other process: serves until the socket closes. */
static void serve(struct bare_relay *relay, const char *path)
{
	struct bare_device *device = bare_device_open(path, relay->shared, tell, relay);
	const struct libusb_pollfd **fds = libusb_get_pollfds(device->context);
	struct pollfd polled[8] = {{.fd = relay->socket, .events = POLLIN}};
	struct timeval now = {0, 0};
	struct order order;
	unsigned count = 1;
	ssize_t got = 1;

	for (unsigned i = 0; fds && fds[i] && count < ARRAY_SIZE(polled); i++)
		polled[count++] =
			(struct pollfd){.fd = fds[i]->fd, .events = fds[i]->events};
	libusb_free_pollfds(fds);
	tell(relay, 0); /* the device is ours */
	while (got > 0) {
		bool usb = false;

		if (poll(polled, count, -1) < 0)
			bench_die("poll", -errno);
		for (unsigned i = 1; i < count; i++)
			usb = usb || polled[i].revents;
		if (usb)
			check("events", libusb_handle_events_timeout_completed(
						device->context, &now, NULL));
		if (!polled[0].revents)
			continue;
		got = recv(relay->socket, &order, sizeof(order), 0);
		if (got == sizeof(order))
			bare_device_start(device, order.index, (uint8_t)order.endpoint,
					  order.offset, order.bytes);
	}
	bare_device_close(device);
}

static uint64_t await_event(const struct bare_relay *relay)
{
	struct pollfd polled[] = {{.fd = relay->event, .events = POLLIN},
				  {.fd = relay->socket}};
	uint64_t count;

	if (poll(polled, ARRAY_SIZE(polled), -1) < 0 || polled[0].revents != POLLIN)
		bench_die("the relay has ended", -errno);
	if (read(relay->event, &count, sizeof(count)) != sizeof(count))
		bench_die("an eventfd", -errno);
	atomic_thread_fence(memory_order_acquire);
	return count;
}

struct bare_relay *bare_relay_open(const char *path, struct bare_shared *shared,
				   void (*ended)(void *context, unsigned index),
				   void *context)
{
	struct bare_relay *relay = calloc(1, sizeof(*relay));
	int sockets[2];

	if (!relay)
		bench_die("memory", -ENOMEM);
	relay->shared = shared;
	relay->ended = ended;
	relay->ended_context = context;
	relay->event = eventfd(0, EFD_CLOEXEC);
	if (relay->event < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		bench_die("a relay", -errno);
	relay->pid = fork();
	if (relay->pid < 0)
		bench_die("a relay", -errno);
	relay->socket = sockets[relay->pid == 0];
	(void)close(sockets[relay->pid != 0]);
	if (relay->pid == 0) {
		serve(relay, path);
		_exit(0);
	}
	(void)await_event(relay);
	relay->seen = 1;
	return relay;
}

void bare_relay_close(struct bare_relay *relay)
{
	int status;

	(void)close(relay->socket);
	if (waitpid(relay->pid, &status, 0) < 0 || status != 0)
		bench_die("the relay's end", status);
	(void)close(relay->event);
	free(relay);
}

void bare_relay_start(struct bare_relay *relay, unsigned index, uint8_t endpoint,
		      uint32_t offset, uint32_t bytes)
{
	struct order order = {index, endpoint, offset, bytes, {0}};

	if (send(relay->socket, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order))
		bench_die("a relay", -errno);
}

void bare_relay_wait(struct bare_relay *relay)
{
	uint64_t count = await_event(relay);

	while (count-- > 0)
		relay->ended(relay->ended_context,
			     relay->shared->done[relay->seen++ %
						 ARRAY_SIZE(relay->shared->done)]);
}
