/* SPDX-License-Identifier: MIT
 * stick_host.c - a host for tests of the stick
 */
#include "stick_host.h"

#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "usbdev/stick/stick.h"
#include "util/bytes.h"

struct stick_host sh;
struct stick_faults stick_faults;

static unsigned hold; /* this many calls from now on, one waits; 0: none does */
static sem_t held;
static sem_t release;

int __real_image_read(const struct image *image, void *buf, uint32_t len,
		      uint64_t offset);
int __real_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset);
int __real_image_sync(const struct image *image);
int __wrap_image_read(const struct image *image, void *buf, uint32_t len,
		      uint64_t offset);
int __wrap_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset);
int __wrap_image_sync(const struct image *image);

/* Runs on the worker's thread, which alone decrements @hold. */
static void stop_if_told(void)
{
	unsigned n = __atomic_load_n(&hold, __ATOMIC_SEQ_CST);

	if (n == 0)
		return;
	__atomic_store_n(&hold, n - 1, __ATOMIC_SEQ_CST);
	if (n > 1)
		return;
	sem_post(&held);
	sem_wait(&release);
}

int __wrap_image_read(const struct image *image, void *buf, uint32_t len, uint64_t offset)
{
	stick_faults.reads++;
	stop_if_told();
	if (stick_faults.read_error && offset + len > stick_faults.error_from)
		return stick_faults.read_error;
	return __real_image_read(image, buf, len, offset);
}

int __wrap_image_write(const struct image *image, const void *buf, uint32_t len,
		       uint64_t offset)
{
	stick_faults.writes++;
	stop_if_told();
	if (stick_faults.write_error && offset + len > stick_faults.error_from)
		return stick_faults.write_error;
	return __real_image_write(image, buf, len, offset);
}

int __wrap_image_sync(const struct image *image)
{
	stick_faults.syncs++;
	stick_faults.writes_at_sync = stick_faults.writes;
	stop_if_told();
	return stick_faults.sync_error ? stick_faults.sync_error
				       : __real_image_sync(image);
}

void stick_host_hold(unsigned nth)
{
	__atomic_store_n(&hold, nth, __ATOMIC_SEQ_CST);
}

void stick_host_held(void)
{
	sem_wait(&held);
}

void stick_host_release(void)
{
	sem_post(&release);
}

static void make_image(void)
{
	uint32_t size = STICK_HOST_BLOCKS * 512;
	int fd;

	(void)snprintf(sh.path, sizeof(sh.path), "/tmp/usbvfiod-test-stick-XXXXXX");
	fd = mkstemp(sh.path);
	assert_true(fd >= 0);
	sh.content = malloc(size);
	assert_non_null(sh.content);
	for (uint32_t i = 0; i < size; i += 4)
		put_le32(sh.content + i, i * 2654435761u);
	assert_int_equal(write(fd, sh.content, size), size);
	close(fd);
}

void stick_host_init(enum usbdev_speed speed, bool readonly, enum image_direct direct)
{
	struct image image;
	struct stick_options options = {.image = &image, .speed = speed};
	struct loop *loop = loop_create();
	struct err err = {0};
	struct usbdev *dev;

	memset(&sh, 0, sizeof(sh));
	memset(&stick_faults, 0, sizeof(stick_faults));
	stick_host_hold(0);
	sem_init(&held, 0, 0);
	sem_init(&release, 0, 0);
	make_image();
	dev = image_open(&image, sh.path, readonly, &err) == 0
		      ? stick_create(loop, &options, &err)
		      : NULL;
	if (!dev)
		fail_msg("%s", err.text);
	host_init(&sh.host, loop, dev);
	sh.stick = CONTAINER_OF(CONTAINER_OF(dev, struct emulated, usbdev), struct stick,
				emu);
	sh.stick->image.read_direct = direct;
	sh.stick->image.write_direct = direct;
	host_configure(&sh.host);
}

static int setup(enum image_direct direct)
{
	stick_host_init(USBDEV_SPEED_SUPER, false, direct);
	return 0;
}

int stick_setup_never(void **state)
{
	(void)state;
	return setup(IMAGE_DIRECT_NEVER);
}

int stick_setup_plain(void **state)
{
	(void)state;
	return setup(IMAGE_DIRECT_PLAIN);
}

int stick_setup_nowait(void **state)
{
	(void)state;
	return setup(IMAGE_DIRECT_NOWAIT);
}

int stick_teardown(void **state)
{
	(void)state;
	host_finish(&sh.host);
	assert_int_equal(unlink(sh.path), 0);
	free(sh.content);
	sem_destroy(&held);
	sem_destroy(&release);
	return 0;
}

void stick_host_pread(void *buf, uint32_t len, uint64_t offset)
{
	assert_int_equal(pread(sh.stick->image.fd, buf, len, (off_t)offset), len);
}

void stick_cbw(uint8_t cbw[31], uint32_t tag, uint32_t host_bytes, bool in,
	       const uint8_t *cdb, unsigned cdb_len)
{
	memset(cbw, 0, 31);
	put_le32(cbw, 0x43425355);
	put_le32(cbw + 4, tag);
	put_le32(cbw + 8, host_bytes);
	cbw[12] = in ? 0x80 : 0;
	cbw[14] = (uint8_t)cdb_len;
	memcpy(cbw + 15, cdb, cdb_len);
}

static uint32_t last_tag = 0x1000;

void stick_send_cbw(uint32_t host_bytes, bool in, const uint8_t *cdb, unsigned cdb_len)
{
	uint8_t cbw[31];

	stick_cbw(cbw, ++last_tag, host_bytes, in, cdb, cdb_len);
	assert_int_equal(host_out(&sh.host, STICK_EP_OUT, cbw, 31, NULL), 31);
}

static uint8_t check_csw(const uint8_t *csw, uint32_t *ret_residue)
{
	assert_int_equal(get_le32(csw), 0x53425355);
	assert_int_equal(get_le32(csw + 4), last_tag);
	if (ret_residue)
		*ret_residue = get_le32(csw + 8);
	return csw[12];
}

uint8_t stick_get_csw(uint32_t *ret_residue)
{
	uint8_t csw[13];

	assert_int_equal(host_in(&sh.host, STICK_EP_IN, csw, 13, NULL), 13);
	return check_csw(csw, ret_residue);
}

uint8_t stick_command(const uint8_t *cdb, unsigned cdb_len, bool in, void *data,
		      uint32_t len, uint32_t *ret_residue)
{
	enum usbdev_status status = USBDEV_STATUS_OK;
	uint8_t csw[13];

	stick_send_cbw(len, in, cdb, cdb_len);
	if (len > 0 && in)
		(void)host_in(&sh.host, STICK_EP_IN, data, len, &status);
	else if (len > 0)
		(void)host_out(&sh.host, STICK_EP_OUT, data, len, &status);
	if (status == USBDEV_STATUS_STALL)
		stick_clear_halt(in ? STICK_EP_IN : STICK_EP_OUT);
	else
		assert_int_equal(status, USBDEV_STATUS_OK);
	(void)host_in(&sh.host, STICK_EP_IN, csw, 13, &status);
	if (status == USBDEV_STATUS_STALL) {
		stick_clear_halt(STICK_EP_IN);
		(void)host_in(&sh.host, STICK_EP_IN, csw, 13, &status);
	}
	assert_int_equal(status, USBDEV_STATUS_OK);
	return check_csw(csw, ret_residue);
}

uint32_t stick_sense(void)
{
	static const uint8_t cdb[6] = {0x03, 0, 0, 0, 18};
	uint8_t d[18];

	assert_int_equal(stick_command(cdb, 6, true, d, 18, NULL), 0);
	assert_int_equal(d[0], 0x70);
	return (uint32_t)(d[2] << 16 | d[12] << 8 | d[13]);
}

void stick_clear_halt(uint8_t ep_addr)
{
	assert_int_equal(host_control(&sh.host, 0x02, 1, 0, ep_addr, NULL, 0), 0);
}

bool stick_halted(uint8_t ep_addr)
{
	uint8_t status[2];

	assert_int_equal(host_control(&sh.host, 0x82, 0, 0, ep_addr, status, 2), 2);
	return status[0] & 1;
}

void stick_recover(void)
{
	assert_int_equal(host_control(&sh.host, 0x21, 0xff, 0, 0, NULL, 0), 0);
	stick_clear_halt(STICK_EP_IN);
	stick_clear_halt(STICK_EP_OUT);
	assert_false(stick_halted(STICK_EP_IN));
	assert_false(stick_halted(STICK_EP_OUT));
}

void stick_cdb10(uint8_t cdb[10], uint8_t opcode, uint32_t lba, uint16_t blocks)
{
	memset(cdb, 0, 10);
	cdb[0] = opcode;
	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
}

void stick_assert_ready(void)
{
	static const uint8_t cdb[6] = {0};
	uint32_t residue;

	assert_int_equal(stick_command(cdb, 6, false, NULL, 0, &residue), 0);
	assert_int_equal(residue, 0);
}

void stick_send_rw(uint8_t opcode, uint32_t lba, uint32_t bytes)
{
	uint8_t cdb[10];

	stick_cdb10(cdb, opcode, lba, (uint16_t)(bytes / 512));
	stick_send_cbw(bytes, opcode == SCSI_OPCODE_READ_10, cdb, 10);
}

void stick_check_read(uint32_t lba, uint32_t bytes, uint32_t piece,
		      const uint8_t *expected)
{
	uint8_t *got = malloc(bytes);
	uint32_t at = 0;
	uint32_t residue;

	stick_send_rw(SCSI_OPCODE_READ_10, lba, bytes);
	while (at < bytes) {
		uint32_t n = MIN_OF(piece, bytes - at);

		assert_int_equal(host_in(&sh.host, STICK_EP_IN, got + at, n, NULL), n);
		at += n;
	}
	assert_int_equal(stick_get_csw(&residue), 0);
	assert_int_equal(residue, 0);
	assert_memory_equal(got, expected, bytes);
	free(got);
}
