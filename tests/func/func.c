/* SPDX-License-Identifier: MIT
 * func.c - fixture of the functional tests
 */
#include "tests/func/func.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/bytes.h"

/* The daemon limits lines that a guest can cause to 10 per site and 5 s; tests are
 * shorter. */
#define LOG_BYTES_MAX 65536u

int func_setup(void **state)
{
	struct func *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	f->fifo_fd = -1;
	f->vmm.client.fd = -1;
	if (daemon_init(&f->daemon) < 0 || guest_ram_init(&f->ram, FUNC_ZONE_BYTES) < 0)
		return -1;
	return 0;
}

static int check_end(struct func *f)
{
	bool was_running = f->daemon.pid > 0;
	int status = was_running ? daemon_stop(&f->daemon) : 0;
	bool bad = false;

	if (status != 0) {
		print_error("the daemon ended with status %d\n", status);
		bad = true;
	}
	if (was_running && access(f->daemon.socket, F_OK) == 0) {
		print_error("the daemon left its socket\n");
		bad = true;
	}
	if (access(f->daemon.stderr_path, F_OK) == 0 && daemon_complained(&f->daemon)) {
		print_error("the daemon complained\n");
		bad = true;
	}
	if (bad || getenv("FUNC_VERBOSE")) {
		_cleanup_free_ char *text = daemon_stderr(&f->daemon);
		size_t len = text ? strlen(text) : 0;

		print_error("end of its stderr:\n%s\n", !text        ? ""
							: len > 8000 ? text + len - 8000
								     : text);
	}
	return bad ? -1 : 0;
}

int func_teardown(void **state)
{
	struct func *f = *state;
	int r;

	func_disconnect(f);
	r = check_end(f);
	if (f->fifo_fd >= 0)
		(void)close(f->fifo_fd);
	daemon_finish(&f->daemon);
	guest_ram_finish(&f->ram);
	free(f);
	return r;
}

const char *func_stick_spec(struct func *f, const char *speed)
{
	char name[32];
	char *spec = f->specs[f->spec_count];
	uint8_t sector[BOT_SECTOR] = {0};
	int fd;

	(void)snprintf(name, sizeof(name), "image%u", f->spec_count++);
	assert_ok(daemon_image(&f->daemon, name, FUNC_IMAGE_BYTES, f->image));
	fd = open(f->image, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < 4096; i++) {
		put_le32(sector, i);
		assert_int_equal(
			pwrite(fd, sector, sizeof(sector), (off_t)i * BOT_SECTOR),
			BOT_SECTOR);
	}
	(void)close(fd);
	(void)snprintf(spec, sizeof(f->specs[0]), "stick:file=%s,speed=%s", f->image,
		       speed);
	return spec;
}

const char *func_keyboard_spec(struct func *f, const char *speed)
{
	char *spec = f->specs[f->spec_count++];

	daemon_path(&f->daemon, "keys", f->fifo);
	assert_ok(mkfifo(f->fifo, 0600));
	/* O_RDWR opens at once, and the reader never sees an end of file */
	f->fifo_fd = open(f->fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(f->fifo_fd >= 0);
	(void)snprintf(spec, sizeof(f->specs[0]), "keyboard:input=%s,speed=%s", f->fifo,
		       speed);
	return spec;
}

void func_type(struct func *f, const char *text)
{
	assert_int_equal(write(f->fifo_fd, text, strlen(text)), strlen(text));
}

void func_start_args(struct func *f, const char *const *args)
{
	assert_ok(daemon_start(&f->daemon, args));
}

void func_start(struct func *f, const char *device, ...)
{
	const char *args[DAEMON_ARGS_MAX] = {NULL};
	unsigned n = 0;
	va_list ap;

	va_start(ap, device);
	for (; device && n + 2 < DAEMON_ARGS_MAX; device = va_arg(ap, const char *)) {
		args[n++] = "--device";
		args[n++] = device;
	}
	va_end(ap);
	func_start_args(f, args);
}

static int connect_daemon(struct func *f)
{
	int fd = daemon_connect(&f->daemon);

	if (fd < 0)
		print_error("no connection to the daemon: %s\n", strerror(-fd));
	assert_true(fd >= 0);
	return fd;
}

void func_boot(struct func *f, enum vfu_dialect dialect)
{
	int fd = connect_daemon(f);

	f->connected = true;
	assert_ok(vmm_boot(&f->vmm, fd, dialect, &f->ram));
}

void func_connect(struct func *f, enum vfu_dialect dialect)
{
	int fd = connect_daemon(f);

	f->connected = true;
	f->vmm = (struct vmm){.vectors = 0};
	for (unsigned i = 0; i < VMM_VECTORS_MAX; i++)
		f->vmm.irq_fds[i] = -1;
	vfu_adopt(&f->vmm.client, fd, dialect);
	assert_ok(vfu_version(&f->vmm.client));
}

void func_disconnect(struct func *f)
{
	if (f->driving)
		drv_finish(&f->drv);
	f->driving = false;
	if (f->connected)
		vmm_finish(&f->vmm);
	f->connected = false;
}

void func_drive(struct func *f, const struct drv_options *options)
{
	f->driving = true;
	assert_ok(drv_start(&f->drv, &f->vmm, &f->ram, options));
}

void func_find(struct func *f, unsigned class, struct drv_device *ret_device)
{
	for (int port = 1; port <= (int)f->drv.max_ports; port++) {
		port = drv_port_connected(&f->drv, (unsigned)port);
		assert_true(port > 0);
		assert_ok(drv_enumerate(&f->drv, (unsigned)port, ret_device));
		if (ret_device->interface_class == class)
			return;
	}
	fail_msg("no device of class %u", class);
}

void func_device(struct func *f, const char *spec, struct drv_device *ret_device)
{
	int port;

	func_start(f, spec, NULL);
	func_boot(f, VFU_DIALECT_QEMU);
	func_drive(f, NULL);
	port = drv_port_connected(&f->drv, 1);
	assert_true(port > 0);
	assert_ok(drv_enumerate(&f->drv, (unsigned)port, ret_device));
}

void func_stick(struct func *f, const char *speed, struct drv_device *ret_device,
		struct bot *ret_bot)
{
	func_device(f, func_stick_spec(f, speed), ret_device);
	bot_init(ret_bot, ret_device);
	assert_ok(bot_open(ret_bot));
}

void func_keyboard(struct func *f, struct drv_device *ret_device, struct hid *ret_hid)
{
	func_device(f, func_keyboard_spec(f, "high"), ret_device);
	assert_ok(hid_init(ret_hid, ret_device));
}

void assert_alive(struct func *f)
{
	struct vfu_device_info info;

	assert_ok(vfu_device_info(&f->vmm.client, &info));
	assert_true(daemon_running(&f->daemon));
}

void assert_running(struct func *f)
{
	uint32_t status = drv_op_read(&f->drv, XOP_USBSTS);

	assert_int_equal(status & (XSTS_HCH | XSTS_HSE | XSTS_HCE | XSTS_CNR), 0);
	assert_ok(f->drv.error);
}

void assert_log_bounded(struct func *f)
{
	_cleanup_free_ char *text = daemon_stderr(&f->daemon);

	assert_non_null(text);
	assert_in_range(strlen(text), 0, LOG_BYTES_MAX);
}

static uint32_t next_random(uint32_t x)
{
	x ^= x << 13;
	x ^= x >> 17;
	return x ^ (x << 5);
}

void fill_pattern(void *buf, size_t len, uint32_t seed)
{
	uint8_t *p = buf;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = next_random(x);
		p[i] = (uint8_t)(x >> 11);
	}
}

void assert_pattern(const void *buf, size_t len, uint32_t seed)
{
	const uint8_t *p = buf;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = next_random(x);
		if (p[i] != (uint8_t)(x >> 11))
			fail_msg("byte %zu of %zu is 0x%02x, expected 0x%02x", i, len,
				 p[i], (uint8_t)(x >> 11));
	}
}

void image_read(struct func *f, uint64_t offset, void *buf, size_t len)
{
	_cleanup_close_ int fd = open(f->image, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, len, (off_t)offset), len);
}

void image_write(struct func *f, uint64_t offset, const void *buf, size_t len)
{
	_cleanup_close_ int fd = open(f->image, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, len, (off_t)offset), len);
}

void assert_commands_work(struct func *f)
{
	assert_code(drv_command_slot(&f->drv, XTRB_NOOP_COMMAND, 0, 0, 0), XCC_SUCCESS);
}

void assert_no_transfer_event(struct func *f)
{
	/* events before that of the No Op are in the ring by then */
	assert_commands_work(f);
	assert_int_equal(drv_pending(&f->drv, XTRB_TRANSFER_EVENT), 0);
}

void assert_mended(struct func *f)
{
	f->drv.timeout_ms = DRV_TIMEOUT_MS;
	assert_alive(f);
	assert_ok(drv_reset(&f->drv));
	assert_int_equal(drv_op_read(&f->drv, XOP_USBSTS) & (XSTS_HSE | XSTS_HCE), 0);
	drv_setup(&f->drv);
	assert_ok(drv_run(&f->drv));
	assert_commands_work(f);
	assert_log_bounded(f);
}

void expect_status(struct func *f, uint32_t bits)
{
	for (unsigned i = 0; i < 200000; i++)
		if (drv_op_read(&f->drv, XOP_USBSTS) & bits)
			return;
	fail_msg("USBSTS 0x%x, expected one of 0x%x", drv_op_read(&f->drv, XOP_USBSTS),
		 bits);
}

bool func_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(DMA_CHECK)
	return true;
#elif defined(__has_feature)
	return __has_feature(address_sanitizer);
#else
	return false;
#endif
}
