/* SPDX-License-Identifier: MIT
 * test_faults.c - makes the daemon's calls fail, one after the other
 *
 * A script (a VMM, a guest that uses every emulated device, a client with every verb)
 * runs once to count the daemon's calls, then once for each call to fail. USBVFIOD_FAULTS
 * sets how many calls of each kind fail; ten times as many allocations do. "all" fails
 * each call with each error. "start alloc 7 1 0" runs one round, with the numbers that a
 * failed round prints. The test demands:
 *
 *   at the start    the daemon ends with a message and a status other than 0, or serves
 *                   normally
 *   later           each step of the script succeeds or fails with an error: no wait is
 *                   endless. The daemon drops at most one connection. Afterwards all
 *                   devices work, the image has all acknowledged data, no descriptor
 *                   and no allocation has leaked, and SIGTERM ends it with status 0
 */
#include "tests/func/func.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "tests/lib/faults.h"

#define WAIT_MS     4000
#define HOPELESS_MS 300
#define SETTLE_MS   3000
/* Factor between failing allocations and failing calls of another kind. */
#define ALLOC_SAMPLES 10u
#define DATA_BYTES    65536u
#define IMAGE_LBA     1024u
#define ISO_IN        5u /* DCI of 0x82 */
#define ISO_PACKETS   8u

#define OWN_DEVICES  3u
#define CLEAN_ROUNDS 5u
#define LAST_WORDS   500u

#define CLASS_HID     3u
#define CLASS_STORAGE 8u
#define CLASS_VENDOR  255u

/* When calls fail. */
enum phase {
	PHASE_START,
	PHASE_SERVING,
};

/* @count calls of @kind from the @nth on fail with error number @error; count 0: none. */
struct fault {
	enum phase phase;
	enum faults_kind kind;
	uint32_t nth;
	uint32_t count;
	uint32_t error;
};

/**
 * struct round - one daemon, and one fault
 * @written: the stick has acknowledged the guest's data
 * @lost: connections that the daemon dropped
 * @hopeless: calls fail for ever, so waits may time out
 * @wrong: number of demands that were not met
 * @left_over: those of @wrong that are leaks
 */
struct round {
	struct func *f;
	struct faults_page *page;
	char control_path[DAEMON_PATH_MAX];
	char second_image[DAEMON_PATH_MAX];
	char capture_path[DAEMON_PATH_MAX];
	char variables[2][2 * DAEMON_PATH_MAX];
	struct control_client *client;
	struct control_client *watcher;
	bool written;
	bool hopeless;
	unsigned lost;
	unsigned wrong;
	unsigned left_over;
	char text[2048];
};

/* Numbers of a round without a fault. */
struct baseline {
	uint32_t seen[FAULTS_KINDS];
	int64_t live;
	int fds;
};

static struct baseline baselines[2];

static __attribute__((format(printf, 2, 3))) void complain(struct round *r,
							   const char *format, ...)
{
	size_t used = strlen(r->text);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(r->text + used, sizeof(r->text) - used, format, ap);
	va_end(ap);
	used = strlen(r->text);
	(void)snprintf(r->text + used, sizeof(r->text) - used, "; ");
	r->wrong++;
}

static bool is_closed(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t byte;

	return fd >= 0 && poll(&p, 1, 0) > 0 &&
	       recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* The daemon has closed the connection, or the controller reports an error, as when it
 * accesses memory that the daemon could not map. */
static bool is_told(struct func *f)
{
	return is_closed(f->vmm.client.fd) ||
	       (f->driving && drv_op_read(&f->drv, XOP_USBSTS) & (XSTS_HSE | XSTS_HCE));
}

/* A step of the guest: @result is 0 or 1 (success), another completion code, or -errno.
 * Return: true to continue. */
static bool step(struct round *r, const char *what, int result)
{
	if (result == 0 || result == XCC_SUCCESS)
		return true;
	if (getenv("FUNC_VERBOSE"))
		print_message("# %s: %d\n", what, result);
	if (result == -ETIMEDOUT && !r->hopeless && !is_told(r->f))
		complain(r, "%s neither succeeded nor failed", what);
	return false;
}

static void arm(struct round *r, const struct fault *fault)
{
	r->hopeless = fault->count == FAULTS_FOR_EVER;
	faults_arm(r->page, fault->kind, fault->nth, fault->count, fault->error);
}

static int wait_ms(const struct round *r)
{
	return r->hopeless ? HOPELESS_MS : WAIT_MS;
}

/* ---- the guest ---- */

static bool open_vmm(struct round *r)
{
	struct func *f = r->f;
	int fd = daemon_connect(&f->daemon);

	if (fd < 0)
		return step(r, "connecting", fd);
	f->connected = true;
	if (!step(r, "booting", vmm_boot(&f->vmm, fd, VFU_DIALECT_QEMU, &f->ram)))
		return false;
	f->driving = true;
	if (!step(r, "starting the controller",
		  drv_start(&f->drv, &f->vmm, &f->ram, NULL)))
		return false;
	f->drv.timeout_ms = wait_ms(r);
	return true;
}

static void close_vmm(struct round *r)
{
	r->lost += is_closed(r->f->vmm.client.fd);
	func_disconnect(r->f);
}

/* Finds the device of this class in the last port: a device that a dropped client
 * attached is in an earlier port. After a fault, devices may be in other ports than
 * usual. */
static bool find(struct round *r, unsigned class, struct drv_device *ret_device)
{
	struct drv *drv = &r->f->drv;
	int first = drv_port_connected(drv, 1);

	for (int port = (int)drv->max_ports; first > 0 && port >= first; port--) {
		unsigned at = (unsigned)port;

		if (!(drv_portsc(drv, at) & XPORT_CCS))
			continue;
		if (!step(r, "enumerating", drv_enumerate(drv, at, ret_device)))
			return false;
		if (ret_device->interface_class == class)
			return true;
		if (!step(r, "disabling a slot", drv_slot_disable(ret_device->slot)))
			return false;
	}
	return step(r, "finding a device", -ENODEV);
}

static bool use_stick(struct round *r, uint32_t seed)
{
	struct func *f = r->f;
	struct drv_device device;
	struct guest_buf buf;
	struct bot bot;

	if (!find(r, CLASS_STORAGE, &device))
		return false;
	bot_init(&bot, &device);
	if (!step(r, "opening the stick", bot_open(&bot)))
		return false;
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, DATA_BYTES, 4096);
	/* the guest after the script reads its data */
	if (r->written) {
		if (!step(r, "reading",
			  bot_read(&bot, IMAGE_LBA, DATA_BYTES / BOT_SECTOR, buf.iova, 0,
				   0)))
			return false;
		for (uint32_t i = 0; i < DATA_BYTES; i++)
			if (buf.ptr[i] != (uint8_t)(i / 3)) {
				complain(r, "written data is lost");
				break;
			}
	}
	for (uint32_t i = 0; i < DATA_BYTES; i++)
		buf.ptr[i] = (uint8_t)(i / 3);
	r->written = false;
	if (!step(r, "writing",
		  bot_write(&bot, IMAGE_LBA, DATA_BYTES / BOT_SECTOR, buf.iova, 4096,
			    4)) ||
	    !step(r, "syncing", bot_sync(&bot)))
		return false;
	r->written = true;
	memset(buf.ptr, 0, DATA_BYTES);
	if (!step(r, "reading back",
		  bot_read(&bot, IMAGE_LBA, DATA_BYTES / BOT_SECTOR, buf.iova, 0, 0)))
		return false;
	for (uint32_t i = 0; i < DATA_BYTES; i++)
		if (buf.ptr[i] != (uint8_t)(i / 3)) {
			complain(r, "data read is not data written (%u)", seed);
			break;
		}
	return true;
}

static bool use_isoch(struct round *r, struct drv_device *device)
{
	struct drv_setup set_interface = {.request_type = 1, .request = 11, .value = 1};
	struct drv_slot *slot = device->slot;
	struct guest_buf buf =
		guest_alloc(&r->f->ram, GUEST_RAM_ZONE_HIGH, 1024 * ISO_PACKETS, 4096);
	struct drv_event event;
	uint64_t last = 0;

	if (!step(r, "choosing isochronous endpoints",
		  drv_control(slot, &set_interface, 0, NULL)))
		return false;
	for (unsigned i = 0; i < ISO_PACKETS; i++)
		last = drv_ring_push(&slot->endpoints[ISO_IN].ring,
				     (struct drv_trb){
					     .parameter = buf.iova + i * UINT64_C(1024),
					     .status = 1024,
					     .control = XTRB_TYPE(XTRB_ISOCH) | XTRB_ISP |
							XTRB_IOC | UINT32_C(1) << 31,
				     });
	drv_endpoint_doorbell(slot, ISO_IN);
	return step(r, "isochronous packets",
		    drv_wait_transfer(&r->f->drv, slot->id, ISO_IN, last, &event));
}

static bool use_zero(struct round *r)
{
	struct func *f = r->f;
	struct drv_device device;
	struct guest_buf buf;

	if (!find(r, CLASS_VENDOR, &device))
		return false;
	buf = guest_alloc(&f->ram, GUEST_RAM_ZONE_HIGH, DATA_BYTES, 4096);
	if (!step(r, "bulk in",
		  drv_transfer(device.slot, device.bulk_in, buf.iova, DATA_BYTES,
			       NULL)) ||
	    !step(r, "bulk out",
		  drv_transfer(device.slot, device.bulk_out, buf.iova, DATA_BYTES, NULL)))
		return false;
	/* leaves TDs that wait until the endpoint stops */
	return use_isoch(r, &device) &&
	       step(r, "stopping an endpoint", drv_stop_endpoint(device.slot, ISO_IN)) &&
	       step(r, "resetting a port",
		    drv_port_reset(&f->drv, device.slot->port, false));
}

static bool use_keyboard(struct round *r)
{
	uint8_t report[HID_REPORT_BYTES] = {0};
	struct drv_device device;
	struct hid hid;

	if (!find(r, CLASS_HID, &device) ||
	    !step(r, "setting up the keyboard", hid_init(&hid, &device)))
		return false;
	hid_queue(&hid, 4);
	func_type(r->f, "a");
	return step(r, "a key", hid_wait(&hid, report, WAIT_MS)) &&
	       step(r, "a key's end", hid_wait(&hid, report, WAIT_MS));
}

static bool be_guest(struct round *r, uint32_t seed)
{
	bool good =
		open_vmm(r) && use_stick(r, seed) && use_zero(r) && use_keyboard(r) &&
		step(r, "unmapping memory",
		     guest_ram_unmap(&r->f->ram, &r->f->vmm.client)) &&
		step(r, "mapping it again",
		     guest_ram_map(&r->f->ram, &r->f->vmm.client)) &&
		step(r, "resetting the function", vfu_device_reset(&r->f->vmm.client));

	close_vmm(r);
	return good;
}

/* ---- the client ---- */

/* True if the request succeeded. @ret_id: of the device in the answer; in a list, of the
 * device after OWN_DEVICES. */
static bool ask(struct round *r, struct control_client **client, const char *text,
		char ret_id[32])
{
	struct json_object *answer = NULL, *device = NULL, *id = NULL;
	struct json_object *request;
	struct err err = {0};
	bool done = false;
	char json[512];
	int result;

	if (!*client)
		return false;
	(void)snprintf(json, sizeof(json), "%s", text);
	for (char *at = json; *at; at++)
		if (*at == '\'')
			*at = '"';
	request = json_tokener_parse(json);
	result = control_call_ok(*client, request, -1, &answer, &err);
	json_object_put(request);
	if (result < 0 && getenv("FUNC_VERBOSE"))
		print_message("# %s: %d %s\n", text, result, err.text);
	if (result == -ETIMEDOUT && !r->hopeless)
		complain(r, "%s got no answer", text);
	if (result == 0) {
		done = true;
		if (!json_object_object_get_ex(answer, "device", &device) &&
		    json_object_object_get_ex(answer, "devices", &id) &&
		    json_object_array_length(id) > OWN_DEVICES)
			device = json_object_array_get_idx(id, OWN_DEVICES);
		if (ret_id && device && json_object_object_get_ex(device, "id", &id))
			(void)snprintf(ret_id, 32, "%s", json_object_get_string(id));
	} else if (result != -EREMOTEIO) {
		control_disconnect(*client);
		*client = NULL;
		r->lost++;
	}
	json_object_put(answer);
	return done;
}

static bool be_client(struct round *r, struct control_client **client)
{
	char text[512], id[32] = "";
	bool good;

	good = ask(r, client, "{'verb':'list'}", NULL);
	(void)snprintf(text, sizeof(text),
		       "{'verb':'capture','action':'start','path':'%s'}",
		       r->capture_path);
	good = ask(r, client, text, NULL) && good;
	(void)snprintf(text, sizeof(text),
		       "{'verb':'attach','spec':'stick:file=%s,speed=high'}",
		       r->second_image);
	good = ask(r, client, text, id) && good;
	good = ask(r, client, "{'verb':'stats'}", NULL) && good;
	(void)snprintf(text, sizeof(text), "{'verb':'reset','device':'%s'}", id);
	if (id[0])
		(void)ask(r, client, text, NULL);
	(void)snprintf(text, sizeof(text), "{'verb':'detach','device':'%s'}", id);
	if (id[0] && !ask(r, client, text, NULL)) {
		good = false;
		/* try again, for the next client */
		if (*client)
			(void)ask(r, client, text, NULL);
	}
	good = ask(r, client, "{'verb':'capture','action':'stop'}", NULL) && good;
	return ask(r, client, "{'verb':'rules','action':'list'}", NULL) && good;
}

static bool open_client(struct round *r, struct control_client **client)
{
	struct err err = {0};

	*client = control_connect(r->control_path, wait_ms(r), &err);
	if (!*client && !r->hopeless)
		complain(r, "no connection to the control socket: %s", err.text);
	return *client;
}

/* ---- a round ---- */

/* Starts the daemon; @fault: a fault during its start, or NULL. */
static void begin(struct round *r, void **state, const struct fault *fault)
{
	const char *preload = getenv("USBVFIOD_FAULTS_PRELOAD");
	const char *args[] = {
		"--hotplug-socket-path", NULL,       "--device", NULL, "--device",
		"zero:speed=high",       "--device", NULL,       NULL};
	struct func *f;
	char path[DAEMON_PATH_MAX];

	assert_ok(func_setup(state));
	f = r->f = *state;
	assert_non_null(preload);
	daemon_path(&f->daemon, "control.sock", r->control_path);
	daemon_path(&f->daemon, "capture.pcap", r->capture_path);
	assert_ok(daemon_image(&f->daemon, "second", 1 << 20, r->second_image));
	daemon_path(&f->daemon, "faults", path);
	r->page = faults_create(path);
	assert_non_null(r->page);
	(void)snprintf(r->variables[0], sizeof(r->variables[0]), "LD_PRELOAD=%s",
		       preload);
	(void)snprintf(r->variables[1], sizeof(r->variables[1]), "%s=%s", FAULTS_PAGE_ENV,
		       path);
	f->daemon.wrapper[0] = "env";
	f->daemon.wrapper[1] = r->variables[0];
	f->daemon.wrapper[2] = r->variables[1];
	args[1] = r->control_path;
	args[3] = func_keyboard_spec(f, "high");
	args[7] = func_stick_spec(f, "super");
	if (fault)
		arm(r, fault);
	f->vmm.client.fd = -1;
	func_start_args(f, args);
}

static int fds_when_settled(struct round *r, int expected)
{
	int count = -1;

	/* the daemon soon notices the end of the last connection */
	for (int ms = 0; ms < SETTLE_MS; ms++) {
		count = daemon_fd_count(&r->f->daemon);
		if (expected < 0 ? ms > 100 : count <= expected)
			break;
		(void)poll(NULL, 0, 1);
	}
	return count;
}

/* Ends the capture and detaches the device of a client whose connection the daemon
 * dropped. */
static void tidy(struct round *r, struct control_client **client)
{
	char text[64], id[32] = "";

	(void)ask(r, client, "{'verb':'capture','action':'stop'}", NULL);
	/* the device after OWN_DEVICES is that of the client */
	(void)snprintf(text, sizeof(text), "{'verb':'list'}");
	if (ask(r, client, text, id) && id[0]) {
		(void)snprintf(text, sizeof(text), "{'verb':'detach','device':'%s'}", id);
		(void)ask(r, client, text, NULL);
	}
}

/* Everything works as before the fault. */
static void demand_all(struct round *r, const struct fault *fault, struct baseline *base)
{
	struct control_client *client = NULL;
	int fds;

	if (!daemon_running(&r->f->daemon)) {
		complain(r, "the daemon has ended");
		return;
	}
	if (open_client(r, &client))
		tidy(r, &client);
	if (!be_client(r, &client))
		complain(r, "a new client gets no service");
	control_disconnect(client);
	if (!be_guest(r, 2))
		complain(r, "a new guest gets no service");
	if (fault->count != FAULTS_FOR_EVER && r->lost > 1)
		complain(r, "the daemon dropped %u connections", r->lost);
	control_disconnect(r->client);
	control_disconnect(r->watcher);
	fds = fds_when_settled(r, fault->count > 0 ? base->fds : -1);
	if (fault->count == 0) {
		base->fds = MAX_OF(base->fds, fds);
	} else if (fds > base->fds) {
		complain(r, "%d descriptors, %d without a fault", fds, base->fds);
		r->left_over++;
	}
}

/* The daemon ends without leaking. */
static void demand_end(struct round *r, const struct fault *fault, struct baseline *base)
{
	int64_t live;
	int status;

	if (r->f->daemon.pid <= 0)
		return;
	status = daemon_stop(&r->f->daemon);
	if (status != 0)
		complain(r, "it ended with status %d", status);
	if (fault->count != FAULTS_FOR_EVER && access(r->f->daemon.socket, F_OK) == 0)
		complain(r, "it left its socket");
	live = atomic_load(&r->page->live);
	if (fault->count == 0) {
		base->live = MAX_OF(base->live, live);
	} else if (status == 0 && live > base->live) {
		complain(r, "%lld allocations leaked, %lld without a fault",
			 (long long)live, (long long)base->live);
		r->left_over++;
	}
}

static void demand_silence(struct round *r)
{
	if (access(r->f->daemon.stderr_path, F_OK) == 0 &&
	    daemon_complained(&r->f->daemon))
		complain(r, "an assert or a sanitizer complained");
}

static void serving_round(struct round *r, const struct fault *fault)
{
	struct baseline *base = &baselines[PHASE_SERVING];
	bool good;

	assert_ok(daemon_wait_listening(&r->f->daemon, r->control_path));
	assert_true(open_client(r, &r->watcher));
	/* the daemon serves a VMM only after its start */
	assert_true(open_vmm(r));
	close_vmm(r);
	assert_true(ask(r, &r->watcher, "{'verb':'list'}", NULL));
	arm(r, fault);
	good = open_client(r, &r->client) && be_client(r, &r->client);
	good = be_guest(r, 1) && good;
	good = ask(r, &r->watcher, "{'verb':'stats'}", NULL) && good;
	faults_disarm(r->page);
	r->hopeless = false;
	if (fault->count == 0) {
		if (!good)
			complain(r, "a step failed without a fault");
		for (unsigned i = 0; i < FAULTS_KINDS; i++)
			base->seen[i] = atomic_load(&r->page->seen[i]);
	}
	demand_all(r, fault, base);
	demand_end(r, fault, base);
	demand_silence(r);
}

/* The log says what was wrong, and no socket is left. */
static void demand_refusal(struct round *r, const struct fault *fault, int status)
{
	_cleanup_free_ char *text = daemon_stderr(&r->f->daemon);

	if (status != EXIT_FAILURE && status != 2 && status != 127)
		complain(r, "it ended with status %d", status);
	if (!text || !text[0])
		complain(r, "its stderr is empty");
	/* a daemon that cannot look at its socket does not remove it */
	if (fault->count != FAULTS_FOR_EVER && access(r->f->daemon.socket, F_OK) == 0)
		complain(r, "it left its socket");
}

static void starting_round(struct round *r, const struct fault *fault)
{
	struct baseline *base = &baselines[PHASE_START];
	int listening = daemon_wait_listening(&r->f->daemon, r->control_path);
	int status = -ETIMEDOUT;
	bool served = false;

	/* a client gets its answer once the loop runs, a VMM once the devices are ready;
	 * or the daemon ends */
	if (listening == 0 && open_client(r, &r->watcher) &&
	    ask(r, &r->watcher, "{'verb':'list'}", NULL)) {
		served = open_vmm(r);
		close_vmm(r);
	}
	faults_disarm(r->page);
	r->hopeless = false;
	if (fault->count == 0)
		for (unsigned i = 0; i < FAULTS_KINDS; i++)
			base->seen[i] = atomic_load(&r->page->seen[i]);
	if (!r->watcher || !served)
		status = daemon_wait(&r->f->daemon, SETTLE_MS);
	if (status != -ETIMEDOUT) {
		r->wrong = 0;
		r->text[0] = '\0';
		control_disconnect(r->watcher);
		demand_refusal(r, fault, status);
	} else if (listening < 0 && listening != -ECHILD) {
		complain(r, "it neither serves nor ends");
	} else {
		demand_all(r, fault, base);
		demand_end(r, fault, base);
	}
	demand_silence(r);
}

static void print_last_words(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len > LAST_WORDS && !getenv("FUNC_VERBOSE"))
		text += len - LAST_WORDS;
	print_message("# stderr:\n%s\n", text ? text : "");
}

/* Return: 1 if a demand was not met. @ret_left_over: only leaks. */
static unsigned run_once(const struct fault *fault, bool *ret_left_over)
{
	struct round r = {0};
	void *state = NULL;

	begin(&r, &state, fault->phase == PHASE_START ? fault : NULL);
	if (fault->phase == PHASE_START)
		starting_round(&r, fault);
	else
		serving_round(&r, fault);
	if (r.wrong > 0) {
		_cleanup_free_ char *text = daemon_stderr(&r.f->daemon);

		print_message("# %s %s %u %u %u: %s: %s\n",
			      fault->phase == PHASE_START ? "start" : "serving",
			      faults_kind_name(fault->kind), fault->nth, fault->count,
			      fault->error, r.page->where, r.text);
		print_last_words(text);
	}
	faults_destroy(r.page);
	func_disconnect(r.f);
	if (r.f->fifo_fd >= 0)
		(void)close(r.f->fifo_fd);
	daemon_finish(&r.f->daemon);
	guest_ram_finish(&r.f->ram);
	free(r.f);
	*ret_left_over = r.left_over > 0 && r.left_over == r.wrong;
	return r.wrong > 0;
}

/* run_once(), with a second try after leaks. The daemon creates some objects when it
 * first needs them, which not every round does. So rounds without a fault first raise the
 * baseline. */
static unsigned run_round(const struct fault *fault)
{
	struct fault none = {.phase = fault->phase};
	bool left_over, ignored;

	if (run_once(fault, &left_over) == 0)
		return 0;
	if (!left_over)
		return 1;
	for (unsigned i = 0; i < CLEAN_ROUNDS; i++)
		if (run_once(&none, &ignored) > 0)
			return 1;
	return run_once(fault, &left_over);
}

/* Fails calls of one kind in one phase. */
static void fail_each(enum phase phase, enum faults_kind kind)
{
	const char *which = getenv("USBVFIOD_FAULTS");
	bool all = which && strcmp(which, "all") == 0;
	unsigned samples = which && !all ? (unsigned)strtoul(which, NULL, 10) : 1;
	unsigned most = all                    ? UINT32_MAX
			: kind == FAULTS_ALLOC ? ALLOC_SAMPLES * samples
					       : samples;
	uint32_t calls = baselines[phase].seen[kind];
	uint32_t part = most > 0 && calls > most ? (calls - 1) / most + 1 : 1;
	unsigned errors = all ? faults_errors(kind) : 1;
	unsigned wrong = 0;

	/* one call in each part, each time with another error */
	for (uint32_t nth = (7 * kind) % part; nth < calls; nth += part)
		for (unsigned e = 0; e < errors; e++)
			wrong += run_round(&(struct fault){phase, kind, nth, 1,
							   nth / part + kind + e});
	if (all && calls > 0)
		wrong += run_round(
			&(struct fault){phase, kind, calls / 2, FAULTS_FOR_EVER, kind});
	assert_int_equal(wrong, 0);
}

static void count_calls(void **state)
{
	struct fault none = {.phase = PHASE_START};

	(void)state;
	assert_int_equal(run_round(&none), 0);
	none.phase = PHASE_SERVING;
	assert_int_equal(run_round(&none), 0);
	if (!func_is_sanitized())
		assert_true(baselines[PHASE_START].seen[FAULTS_ALLOC] > 100);
	assert_true(baselines[PHASE_START].seen[FAULTS_OPEN] > 1);
	assert_true(baselines[PHASE_SERVING].seen[FAULTS_RECEIVE] > 100);
	for (unsigned i = 0; i < FAULTS_KINDS; i++)
		print_message("# %s: %u at the start, %u later\n", faults_kind_name(i),
			      baselines[PHASE_START].seen[i],
			      baselines[PHASE_SERVING].seen[i]);
}

/* *state is the kind. */
static void test_start(void **state)
{
	if (baselines[PHASE_START].fds == 0)
		count_calls(state);
	fail_each(PHASE_START, (enum faults_kind)(uintptr_t)*state);
}

static void test_serving(void **state)
{
	if (baselines[PHASE_SERVING].fds == 0)
		count_calls(state);
	fail_each(PHASE_SERVING, (enum faults_kind)(uintptr_t)*state);
}

/* One round, with the numbers in USBVFIOD_FAULTS. */
static void test_one(void **state)
{
	struct fault fault = {0};
	char phase[16], kind[16];
	int n;

	n = sscanf(*state, "%15s %15s %u %u %u", phase, kind, &fault.nth, &fault.count,
		   &fault.error);
	assert_int_equal(n, 5);
	fault.phase = strcmp(phase, "start") == 0 ? PHASE_START : PHASE_SERVING;
	while (fault.kind < FAULTS_KINDS &&
	       strcmp(faults_kind_name(fault.kind), kind) != 0)
		fault.kind++;
	assert_in_range(fault.kind, 0, FAULTS_KINDS - 1);
	count_calls(state);
	assert_int_equal(run_round(&fault), 0);
}

int main(void)
{
	struct CMUnitTest tests[1 + 2 * FAULTS_KINDS] = {cmocka_unit_test(count_calls)};
	char *which = getenv("USBVFIOD_FAULTS");
	char names[2 * FAULTS_KINDS][32];
	size_t count = 1;

	for (unsigned i = 0; i < 2 * FAULTS_KINDS; i++) {
		enum faults_kind kind = i % FAULTS_KINDS;
		bool serving = i >= FAULTS_KINDS;

		(void)snprintf(names[i], sizeof(names[i]), "%s: %s",
			       serving ? "serving" : "start", faults_kind_name(kind));
		tests[count++] = (struct CMUnitTest){
			.name = names[i],
			.test_func = serving ? test_serving : test_start,
			.initial_state = (void *)(uintptr_t)kind,
		};
	}
	if (getenv("USBVFIOD_FAULTS_ONLY"))
		cmocka_set_test_filter(getenv("USBVFIOD_FAULTS_ONLY"));
	if (which && strchr(which, ' ')) {
		tests[0] = (struct CMUnitTest){
			.name = which,
			.test_func = test_one,
			.initial_state = which,
		};
		count = 1;
	}
	return _cmocka_run_group_tests("faults", tests, count, NULL, NULL);
}
