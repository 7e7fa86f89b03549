/* SPDX-License-Identifier: MIT
 * bare.c - a mass storage device driven by libusb alone
 */
#include "bench/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

#define DEPTH_MAX  32u
#define DATA_BYTES (32u << 20)

struct bare {
	int fd;
	libusb_context *context;
	libusb_device_handle *handle;
	uint8_t in, out; /* endpoint addresses */
	uint32_t tag;
	uint8_t *data;
	struct libusb_transfer *transfers[DEPTH_MAX];
	/* of the data stage under way */
	uint32_t total_bytes, next_bytes, piece_bytes;
	unsigned flying;
};

static void check(const char *what, int r)
{
	if (r < 0) {
		(void)fprintf(stderr, "bench: libusb, %s: %s\n", what,
			      libusb_error_name(r));
		exit(1);
	}
}

static void find_endpoints(struct bare *bare)
{
	struct libusb_config_descriptor *config;
	const struct libusb_interface_descriptor *interface;

	check("configuration", libusb_get_active_config_descriptor(
				       libusb_get_device(bare->handle), &config));
	interface = &config->interface[0].altsetting[0];
	for (unsigned i = 0; i < interface->bNumEndpoints; i++) {
		uint8_t address = interface->endpoint[i].bEndpointAddress;

		if (address & LIBUSB_ENDPOINT_IN)
			bare->in = address;
		else
			bare->out = address;
	}
	libusb_free_config_descriptor(config);
}

/* One transfer and its end. */
static void bulk(struct bare *bare, uint8_t ep, void *buf, int len)
{
	int done = 0;

	check("bulk", libusb_bulk_transfer(bare->handle, ep, buf, len, &done, 0));
}

static void fly(struct bare *bare, struct libusb_transfer *transfer)
{
	uint32_t left = bare->total_bytes - bare->next_bytes;

	if (left == 0)
		return;
	transfer->buffer = bare->data + bare->next_bytes;
	transfer->length = (int)MIN_OF(left, bare->piece_bytes);
	bare->next_bytes += (uint32_t)transfer->length;
	bare->flying++;
	check("submit", libusb_submit_transfer(transfer));
}

static void LIBUSB_CALL landed(struct libusb_transfer *transfer)
{
	struct bare *bare = transfer->user_data;

	bare->flying--;
	if (transfer->status != LIBUSB_TRANSFER_COMPLETED)
		bench_die("a bare transfer's status", (int)transfer->status);
	fly(bare, transfer);
}

void bare_move(struct bare *bare, bool in, uint16_t sectors, uint32_t piece_bytes,
	       unsigned depth)
{
	struct bot_command command = {
		.cdb = {in ? 0x28 : 0x2a, [7] = (uint8_t)(sectors >> 8),
			[8] = (uint8_t)sectors},
		.cdb_bytes = 10,
		.in = in,
		.length = sectors * BOT_SECTOR,
	};
	uint8_t cbw[BOT_CBW_BYTES];
	uint8_t csw[BOT_CSW_BYTES];

	bot_make_cbw(&command, ++bare->tag, cbw);
	bulk(bare, bare->out, cbw, sizeof(cbw));
	bare->total_bytes = command.length;
	bare->piece_bytes = piece_bytes;
	bare->next_bytes = 0;
	for (unsigned i = 0; i < depth && i < DEPTH_MAX; i++) {
		libusb_fill_bulk_transfer(bare->transfers[i], bare->handle,
					  in ? bare->in : bare->out, NULL, 0, landed,
					  bare, 0);
		fly(bare, bare->transfers[i]);
	}
	while (bare->flying > 0)
		check("events", libusb_handle_events(bare->context));
	bulk(bare, bare->in, csw, sizeof(csw));
	if (csw[12] != BOT_STATUS_PASSED)
		bench_die("a bare command's status", csw[12]);
}

struct bare *bare_open(const char *path)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	if (!bare)
		bench_die("memory", -ENOMEM);
	bare->fd = open(path, O_RDWR | O_CLOEXEC);
	if (bare->fd < 0)
		bench_die(path, -errno);
	check("option", libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY));
	check("init", libusb_init(&bare->context));
	check("wrap", libusb_wrap_sys_device(bare->context, bare->fd, &bare->handle));
	check("detach", libusb_set_auto_detach_kernel_driver(bare->handle, 1));
	check("claim", libusb_claim_interface(bare->handle, 0));
	find_endpoints(bare);
	bare->data = malloc(DATA_BYTES);
	if (!bare->data)
		bench_die("memory", -ENOMEM);
	memset(bare->data, 0x5a, DATA_BYTES);
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		bare->transfers[i] = libusb_alloc_transfer(0);
		if (!bare->transfers[i])
			bench_die("memory", -ENOMEM);
	}
	return bare;
}

void bare_close(struct bare *bare)
{
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		libusb_free_transfer(bare->transfers[i]);
	check("release", libusb_release_interface(bare->handle, 0));
	libusb_close(bare->handle);
	libusb_exit(bare->context);
	(void)close(bare->fd);
	free(bare->data);
	free(bare);
}
