/* SPDX-License-Identifier: MIT
 * fuzz_stick.c - right and wrong commands to a stick, with its data compared byte by byte
 *
 * The input sends commands (READ and WRITE as a driver does, cut into transfers anywhere; or any
 * bytes as CBW), moves data, cancels transfers, resets in the middle, makes the image fail, and
 * delays the worker. The target keeps a model of the image. A READ that passes must return the
 * model's data, and a WRITE that passes must change exactly that. A WRITE that does not pass may
 * write any part of its data, but only to its range. At the end, reset recovery must lead to a
 * stick that works.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "usbdev/stick/device.h"
#include "usbdev/stick/image.h"
#include "usbdev/stick/stick.h"
#include "usbdev/usbdev.h"
#include "util/bytes.h"
#include "util/compiler.h"
#include "worker.h"

#define BLOCK       512u
#define BLOCKS      64u
#define IMAGE_BYTES (BLOCK * BLOCKS)
#define CBW_BYTES   31u
#define CSW_BYTES   13u
#define RUNS_MAX    400u

static char path[] = "/dev/shm/usbvfiod-fuzz.XXXXXX";
static int file = -1;
static uint8_t model[IMAGE_BYTES], now[IMAGE_BYTES];
static struct usbdev *dev;
static uint32_t tag;

/* ---- the image ---- */

static struct {
	int error; /* result of the next @errors calls */
	unsigned errors;
	bool never_now;
} faults;

ssize_t __real_image_read_now(struct image *image, const struct iovec *iov, int n,
			      uint64_t offset);
ssize_t __real_image_write_now(struct image *image, const struct iovec *iov, int n,
			       uint64_t offset);
int __real_image_read(const struct image *image, void *buf, uint32_t len,
		      uint64_t offset);
int __real_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset);
int __real_image_sync(const struct image *image);
ssize_t __wrap_image_read_now(struct image *image, const struct iovec *iov, int n,
			      uint64_t offset);
ssize_t __wrap_image_write_now(struct image *image, const struct iovec *iov, int n,
			       uint64_t offset);
int __wrap_image_read(const struct image *image, void *buf, uint32_t len,
		      uint64_t offset);
int __wrap_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset);
int __wrap_image_sync(const struct image *image);

static bool fails(void)
{
	if (faults.errors == 0)
		return false;
	faults.errors--;
	return true;
}

ssize_t __wrap_image_read_now(struct image *image, const struct iovec *iov, int n,
			      uint64_t offset)
{
	if (faults.never_now)
		return -EAGAIN;
	return fails() ? faults.error : __real_image_read_now(image, iov, n, offset);
}

ssize_t __wrap_image_write_now(struct image *image, const struct iovec *iov, int n,
			       uint64_t offset)
{
	if (faults.never_now)
		return -EAGAIN;
	return fails() ? faults.error : __real_image_write_now(image, iov, n, offset);
}

int __wrap_image_read(const struct image *image, void *buf, uint32_t len, uint64_t offset)
{
	return fails() ? faults.error : __real_image_read(image, buf, len, offset);
}

int __wrap_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset)
{
	return fails() ? faults.error : __real_image_write(image, buf, len, offset);
}

int __wrap_image_sync(const struct image *image)
{
	return fails() ? faults.error : __real_image_sync(image);
}

/* ---- transfers ---- */

/* @in_flight: submitted and not yet completed; @closed: its memory cannot be reached */
struct xfer {
	struct usbdev_transfer transfer;
	uint8_t *data;
	bool in_flight;
	bool closed;
};

static int on_iov(struct usbdev_transfer *transfer, uint32_t offset, uint32_t len,
		  struct iovec *iov, int iov_max)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	CHECK(iov_max > 0 && len <= transfer->length_bytes &&
	      offset <= transfer->length_bytes - len);
	if (x->closed)
		return -EFAULT;
	iov[0] = (struct iovec){x->data + offset, len};
	return len > 0;
}

static void on_done(struct usbdev_transfer *transfer)
{
	struct xfer *x = CONTAINER_OF(transfer, struct xfer, transfer);

	CHECK(x->in_flight);
	CHECK(transfer->actual_bytes <= transfer->length_bytes);
	x->in_flight = false;
}

static void begin(struct xfer *x, uint8_t ep_addr, uint32_t len)
{
	memset(x, 0, sizeof(*x));
	list_init(&x->transfer.node);
	x->transfer.type = USBDEV_TYPE_BULK;
	x->transfer.ep_addr = ep_addr;
	x->transfer.length_bytes = len;
	x->transfer.iov = on_iov;
	x->transfer.done = on_done;
	x->data = calloc(1, len + 1);
	CHECK(x->data);
}

/* Submits a transfer and waits until it completes; cancels it if nothing happens any more. */
static void finish(struct xfer *x)
{
	x->in_flight = true;
	usbdev_submit(dev, &x->transfer);
	for (unsigned runs = 0; x->in_flight; runs++) {
		bool worked = fuzz_worker_step();

		CHECK(runs < RUNS_MAX);
		fuzz_run(1);
		if (!worked && runs > 8 && x->in_flight)
			usbdev_cancel(dev, &x->transfer);
	}
}

static enum usbdev_status control(uint8_t request_type, uint8_t request, uint16_t value,
				  uint16_t index)
{
	struct xfer x;

	begin(&x, 0, 0);
	x.transfer.type = USBDEV_TYPE_CONTROL;
	x.transfer.setup = (struct usbdev_setup){
		.request_type = request_type,
		.request = request,
		.value = value,
		.index = index,
	};
	finish(&x);
	free(x.data);
	return x.transfer.status;
}

/* A raw command may still want data, and takes the next CBW for that. */
static bool raw_pending;

/* Reset Recovery (BOT 5.3.4). */
static void recover(void)
{
	CHECK(control(0x21, 0xff, 0, 0) == USBDEV_STATUS_OK);
	CHECK(control(2, 1, 0, STICK_EP_IN) == USBDEV_STATUS_OK);
	CHECK(control(2, 1, 0, STICK_EP_OUT) == USBDEV_STATUS_OK);
	raw_pending = false;
}

static void make_cbw(uint8_t *cbw, uint32_t bytes, bool in, const uint8_t *cdb,
		     unsigned cdb_len)
{
	memset(cbw, 0, CBW_BYTES);
	put_le32(cbw, 0x43425355);
	put_le32(cbw + 4, ++tag);
	put_le32(cbw + 8, bytes);
	cbw[12] = in ? 0x80 : 0;
	cbw[14] = (uint8_t)cdb_len;
	memcpy(cbw + 15, cdb, cdb_len);
}

static bool send_cbw(const uint8_t *cbw, uint32_t len)
{
	struct xfer x;
	bool good;

	begin(&x, STICK_EP_OUT, len);
	memcpy(x.data, cbw, len);
	finish(&x);
	good = x.transfer.status == USBDEV_STATUS_OK && x.transfer.actual_bytes == len;
	free(x.data);
	return good;
}

/* Return: bCSWStatus, or -1 if there was none. */
static int take_csw(uint32_t *ret_residue)
{
	int status = -1;

	for (unsigned tries = 0; tries < 2 && status < 0; tries++) {
		struct xfer x;

		begin(&x, STICK_EP_IN, CSW_BYTES);
		finish(&x);
		if (x.transfer.status == USBDEV_STATUS_OK &&
		    x.transfer.actual_bytes == CSW_BYTES &&
		    get_le32(x.data) == 0x53425355 && get_le32(x.data + 4) == tag) {
			status = x.data[12];
			*ret_residue = get_le32(x.data + 8);
		} else if (x.transfer.status == USBDEV_STATUS_STALL) {
			CHECK(control(2, 1, 0, STICK_EP_IN) == USBDEV_STATUS_OK);
		} else {
			tries = 2;
		}
		free(x.data);
	}
	return status;
}

static void settle(void)
{
	unsigned runs = 0;

	do {
		CHECK(++runs < RUNS_MAX);
		fuzz_run(2);
	} while (fuzz_worker_step());
}

static void read_image(void)
{
	CHECK(pread(file, now, IMAGE_BYTES, 0) == IMAGE_BYTES);
}

/* Demands that the image differs from @model only in the @bytes from @lba on, and only by @data. */
static void check_changes(const uint8_t *data, uint32_t lba, uint32_t bytes)
{
	for (uint32_t i = 0; i < IMAGE_BYTES; i++) {
		uint32_t at = i - lba * BLOCK;

		CHECK(now[i] == model[i] || (at < bytes && now[i] == data[at]));
	}
}

/* Runs READ(10) or WRITE(10), with transfers of any sizes; the input may end it early. */
static void read_or_write(struct input *in, bool write)
{
	uint32_t lba = take_u8(in) % (BLOCKS + 8), blocks = take_u8(in) % 33;
	uint8_t how = take_u8(in), seed = take_u8(in);
	uint32_t bytes = blocks * BLOCK, done = 0, residue = 0;
	uint8_t cdb[10] = {write ? 0x2a : 0x28, 0, 0, 0, 0, (uint8_t)lba};
	uint8_t cbw[CBW_BYTES];
	uint8_t *data = calloc(1, bytes + 1);
	bool fits = lba + blocks <= BLOCKS, whole = true, could_be_raw = raw_pending;
	int status;

	CHECK(data);
	cdb[8] = (uint8_t)blocks;
	make_cbw(cbw, bytes, !write, cdb, sizeof(cdb));
	if (!send_cbw(cbw, CBW_BYTES)) {
		free(data);
		recover();
		return;
	}
	for (uint32_t i = 0; write && i < bytes; i++)
		data[i] = (uint8_t)(seed + i * 7 + i / BLOCK);
	while (done < bytes && whole) {
		uint32_t max = 1 + take_u16(in) % (bytes + 1);
		uint32_t len = MIN_OF(bytes - done, how & 1 ? bytes : max);
		struct xfer x;

		begin(&x, write ? STICK_EP_OUT : STICK_EP_IN, len);
		if (write)
			memcpy(x.data, data + done, len);
		x.closed = how >> 4 == 15 && done > 0;
		finish(&x);
		if (!write)
			memcpy(data + done, x.data, x.transfer.actual_bytes);
		done += x.transfer.actual_bytes;
		whole = x.transfer.status == USBDEV_STATUS_OK &&
			x.transfer.actual_bytes == len;
		if (x.transfer.status == USBDEV_STATUS_STALL)
			CHECK(control(2, 1, 0, write ? STICK_EP_OUT : STICK_EP_IN) ==
			      USBDEV_STATUS_OK);
		else if (!whole && x.transfer.status != USBDEV_STATUS_OK)
			done = UINT32_MAX; /* the stick will send no status */
		free(x.data);
		/* the input ends the command here */
		if (how & 2 && take_u8(in) % 4 == 0)
			done = UINT32_MAX;
	}
	status = done == UINT32_MAX ? -1 : take_csw(&residue);
	if (status < 0)
		recover();
	settle();
	read_image();
	if (status == 0) {
		CHECK(fits && residue == 0 && done == bytes);
		if (write)
			memcpy(model + lba * BLOCK, data, bytes);
		else
			CHECK(memcmp(model + lba * BLOCK, data, bytes) == 0);
		CHECK(memcmp(model, now, IMAGE_BYTES) == 0);
	}
	/* a command that did not pass may have written any part of its data, and nothing else */
	if (memcmp(model, now, IMAGE_BYTES) != 0 && !could_be_raw)
		check_changes(data, lba, write ? bytes : 0);

	memcpy(model, now, IMAGE_BYTES);
	free(data);
}

static void raw_cbw(struct input *in)
{
	uint8_t how = take_u8(in), cdb_len = 1 + take_u8(in) % 16;
	uint8_t cbw[64] = {0};
	uint32_t len = CBW_BYTES;
	const uint8_t *bytes;
	size_t n;

	if (how & 1) {
		n = take_bytes(in, sizeof(cbw), &bytes);
		memcpy(cbw, bytes, n);
		len = (uint32_t)n;
	} else {
		uint32_t data_bytes = how & 2 ? take_u32(in) : take_u16(in);

		n = take_bytes(in, cdb_len, &bytes);
		make_cbw(cbw, data_bytes, how & 4, bytes, (unsigned)n);
		cbw[14] = cdb_len;
	}
	(void)send_cbw(cbw, len);
}

static void raw_transfer(struct input *in)
{
	uint8_t how = take_u8(in);
	uint32_t len = how & 4 ? take_u16(in) : how >> 3;
	const uint8_t *bytes;
	struct xfer x;

	begin(&x, how & 1 ? STICK_EP_IN : STICK_EP_OUT, len);
	if (!(how & 1)) {
		size_t n = take_bytes(in, MIN_OF(len, 64u), &bytes);

		memcpy(x.data, bytes, n);
	}
	x.closed = (how & 2) && len > 100;
	finish(&x);
	free(x.data);
}

static void reset(void)
{
	usbdev_reset(dev);
	settle();
	CHECK(control(0, 9, 1, 0) == USBDEV_STATUS_OK);
	raw_pending = false;
}

void fuzz_set_up(void)
{
	file = mkstemp(path);
	CHECK(file >= 0);
}

/* Makes a new stick with a fresh image, and configures it. */
static void plug_in(uint8_t how)
{
	struct image image;
	struct stick_options options = {.image = &image};
	struct err err = {0};

	CHECK(mknod(path, S_IFREG | 0600, 0) == 0 || errno == EEXIST);
	CHECK(ftruncate(file, IMAGE_BYTES) == 0);
	for (uint32_t i = 0; i < IMAGE_BYTES; i++)
		model[i] = (uint8_t)(i ^ i / BLOCK);
	CHECK(pwrite(file, model, IMAGE_BYTES, 0) == IMAGE_BYTES);
	memset(&faults, 0, sizeof(faults));
	raw_pending = false;
	faults.never_now = how & 1;
	CHECK(image_open(&image, path, false, &err) == 0);
	dev = stick_create(fuzz_loop, &options, &err);
	CHECK(dev);
	CHECK(control(0, 9, 1, 0) == USBDEV_STATUS_OK);
}

static void on_destroyed(void *ctx)
{
	*(bool *)ctx = true;
}

void fuzz_one(struct input *in)
{
	static const int errors[] = {-EIO, -ENOSPC, -EINTR, -ENOMEM};
	uint8_t last[] = {0, 4, 1, 0, 0, 4, 1, 0};
	struct input end = {last, sizeof(last)};
	uint32_t residue = 0;
	bool destroyed = false;

	plug_in(take_u8(in));
	for (unsigned steps = 0; in->left > 0 && steps < 64; steps++) {
		uint8_t op = take_u8(in);

		switch (op % 12) {
		case 0:
		case 1:
		case 2:
			read_or_write(in, true);
			break;
		case 3:
		case 4:
			read_or_write(in, false);
			break;
		case 5:
		case 6:
			raw_cbw(in);
			break;
		case 7:
		case 8:
			raw_transfer(in);
			break;
		case 9:
			faults.error = errors[op / 12 % ARRAY_SIZE(errors)];
			faults.errors = op / 48;
			break;
		case 10:
			if (op & 16)
				reset();
			else
				recover();
			break;
		default:
			(void)take_csw(&residue);
		}
		/* accept whatever raw commands have written */
		if (op % 12 >= 5 && op % 12 <= 8) {
			settle();
			read_image();
			memcpy(model, now, IMAGE_BYTES);
			raw_pending = true;
		}
	}
	faults.errors = 0;
	settle();
	recover();
	settle();
	read_image();
	memcpy(model, now, IMAGE_BYTES);
	tag = 0;
	read_or_write(&end, true);
	read_or_write(&end, false);
	usbdev_destroy(dev, on_destroyed, &destroyed);
	settle();
	CHECK(destroyed);
}
