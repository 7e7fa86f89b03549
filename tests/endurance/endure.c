/* SPDX-License-Identifier: MIT
 * endure.c - the daemon, the driver, and their disturbances
 */
#include "tests/endurance/endure.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "control/client.h"

#define TIMEOUT_MS    60000
#define TD_BYTES_MAX  (1u << 20)
#define LOG_BYTES     3000u
#define IN_FLIGHT_MAX 16u
#define IDLE_MS       2000
/* Allocation of a zone above which the controller restarts. */
#define USED_MAX(zone) ((zone)->size_bytes / 4 * 3)

/* Prints files of the daemon below its folder in /proc. */
static void print_files(const struct endure *e, const char *names)
{
	char pattern[64], line[256];
	glob_t files = {0};

	(void)snprintf(pattern, sizeof(pattern), "/proc/%d/%s", (int)e->daemon.pid,
		       names);
	if (e->daemon.pid <= 0 || glob(pattern, 0, NULL, &files) != 0)
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *file = fopen(files.gl_pathv[i], "re");

		(void)printf("%s:\n", files.gl_pathv[i]);
		while (file && fgets(line, sizeof(line), file))
			(void)printf("  %s", line);
		if (file)
			(void)fclose(file);
	}
	globfree(&files);
}

static void print_log(const struct endure *e)
{
	_cleanup_free_ char *text = daemon_stderr(&e->daemon);
	size_t len = text ? strlen(text) : 0;

	if (text)
		(void)printf("end of the daemon's log:\n%s\n",
			     len > LOG_BYTES ? text + len - LOG_BYTES : text);
}

static void print_why(const struct endure *e, const char *format, va_list ap)
{
	(void)printf("FAILED, seed %llu: ", (unsigned long long)e->seed);
	(void)vprintf(format, ap);
	(void)printf("\n");
}

void endure_fail(struct endure *e, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_why(e, format, ap);
	va_end(ap);
	print_log(e);
	/* the kernel stack of each thread (root only), and the descriptors that the loop
	 * watches */
	print_files(e, "task/*/stack");
	print_files(e, "fdinfo/*");
	daemon_finish(&e->daemon);
	exit(1);
}

uint64_t endure_random(struct endure *e, uint64_t below)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return (e->random >> 11) % below;
}

/* ---- the daemon and its clients ---- */

static void start_daemon(struct endure *e)
{
	const char *args[] = {"--hotplug-socket-path",
			      e->control_path,
			      "--sandbox-path",
			      e->daemon.dir,
			      "--device",
			      e->spec,
			      NULL};
	struct err err = {0};
	int r;

	if (e->spec[0] == '\0')
		args[4] = NULL;
	r = daemon_start(&e->daemon, args);
	if (r == 0)
		r = daemon_wait_listening(&e->daemon, e->control_path);
	if (r < 0)
		endure_fail(e, "starting the daemon: %s", strerror(-r));
	e->control = control_connect(e->control_path, TIMEOUT_MS, &err);
	if (!e->control)
		endure_fail(e, "%s", err.text);
	/* the daemon drops clients that stay silent after connecting */
	endure_ask(e, "{'verb':'hello'}", NULL);
}

static int connect_to_daemon(struct endure *e)
{
	int fd = daemon_connect(&e->daemon);

	if (fd < 0)
		endure_fail(e, "connecting: %s", strerror(-fd));
	return fd;
}

static void boot(struct endure *e)
{
	int r = vmm_boot(&e->vmm, connect_to_daemon(e), VFU_DIALECT_CH, &e->ram);

	if (r < 0)
		endure_fail(e, "booting: %s", strerror(-r));
}

static void restore(struct endure *e)
{
	int r;

	vmm_finish(&e->vmm);
	r = vmm_restore(&e->vmm, connect_to_daemon(e), VFU_DIALECT_CH, &e->ram);
	if (r == 0)
		r = vmm_enable_msix(&e->vmm, 1);
	if (r < 0)
		endure_fail(e, "restoring: %s", strerror(-r));
	(void)drv_collect(&e->drv, 0);
}

/* Starts a controller that is in its power-on state. */
static void drive(struct endure *e)
{
	const struct drv_options options = {.event_trbs = 1024, .transfer_trbs = 1024};
	int r;

	for (unsigned zone = 0; zone < 2; zone++)
		e->ram.ranges[zone].used_bytes = e->base_used[zone];
	r = drv_start(&e->drv, &e->vmm, &e->ram, &options);
	if (r < 0)
		endure_fail(e, "starting the controller: %s", strerror(-r));
	e->drv.timeout_ms = TIMEOUT_MS;
}

void endure_init(struct endure *e, uint64_t seed, uint64_t zone_bytes)
{
	*e = (struct endure){.seed = seed};
	while (e->seed == 0) {
		if (getrandom(&e->seed, 4, 0) < 0)
			e->seed = (uint64_t)getpid();
	}
	e->random = e->seed * 0x9e3779b97f4a7c15u;
	(void)printf("seed %llu\n", (unsigned long long)e->seed);
	if (daemon_init(&e->daemon) < 0 || guest_ram_init(&e->ram, zone_bytes) < 0) {
		(void)printf("FAILED: no folder or no memory\n");
		exit(1);
	}
	daemon_path(&e->daemon, "control.sock", e->control_path);
}

void endure_start(struct endure *e)
{
	for (unsigned zone = 0; zone < 2; zone++)
		e->base_used[zone] = e->ram.ranges[zone].used_bytes;
	start_daemon(e);
	boot(e);
	drive(e);
}

void endure_finish(struct endure *e)
{
	int r;

	drv_finish(&e->drv);
	vmm_finish(&e->vmm);
	control_disconnect(e->control);
	r = daemon_stop(&e->daemon);
	if (r != 0 || daemon_complained(&e->daemon))
		endure_fail(e, "the daemon ended with %d", r);
	daemon_finish(&e->daemon);
	guest_ram_finish(&e->ram);
}

void endure_ask(struct endure *e, const char *text, char id[16])
{
	struct json_object *answer = NULL, *request, *device, *value;
	struct err err = {0};
	char json[256];
	size_t i;

	for (i = 0; text[i] && i + 1 < sizeof(json); i++)
		json[i] = text[i] == '\'' ? '"' : text[i];
	json[i] = '\0';
	request = json_tokener_parse(json);
	if (!request || control_call_ok(e->control, request, -1, &answer, &err) < 0)
		endure_fail(e, "%s: %s", text, err.text);
	if (id && json_object_object_get_ex(answer, "device", &device) &&
	    json_object_object_get_ex(device, "id", &value))
		(void)snprintf(id, 16, "%s", json_object_get_string(value));
	json_object_put(answer);
	json_object_put(request);
}

/* ---- the device ---- */

void endure_find(struct endure *e)
{
	int port = drv_port_connected(&e->drv, 1);
	int r = port < 0 ? port : drv_enumerate(&e->drv, (unsigned)port, &e->device);

	if (r < 0)
		endure_fail(e, "enumerating port %d: %s", port, strerror(-r));
}

static void await_connect(struct endure *e, unsigned port)
{
	drv_port_clear(&e->drv, port, XPORT_CHANGES);
	if (drv_port_wait(&e->drv, port, XPORT_CCS, XPORT_CCS) < 0)
		endure_fail(e, "no device connects to port %u", port);
}

/* The guest frees the device's slot. */
static void forget_slot(struct endure *e)
{
	int r = drv_slot_disable(e->device.slot);

	if (r < 0)
		endure_fail(e, "Disable Slot: %d", r);
	drv_forget(&e->drv);
}

static void start_again(struct endure *e)
{
	drv_finish(&e->drv);
	drive(e);
}

static bool memory_is_low(const struct endure *e)
{
	return e->ram.ranges[0].used_bytes > USED_MAX(&e->ram.ranges[0]) ||
	       e->ram.ranges[1].used_bytes > USED_MAX(&e->ram.ranges[1]);
}

void endure_reuse_memory(struct endure *e)
{
	if (memory_is_low(e))
		start_again(e);
}

static void kill_daemon(struct endure *e)
{
	control_disconnect(e->control);
	e->control = NULL;
	vmm_finish(&e->vmm);
	drv_finish(&e->drv);
	if (daemon_signal(&e->daemon, SIGKILL) < 0 ||
	    daemon_wait(&e->daemon, TIMEOUT_MS) != 256 + SIGKILL)
		endure_fail(e, "the daemon cannot be killed");
	start_daemon(e);
	boot(e);
	drive(e);
}

static void lose(struct endure *e, enum disturbance what)
{
	unsigned port = e->device.slot->port;
	char request[64];

	switch (what) {
	case DISTURB_PORT:
		if (drv_port_reset(&e->drv, port, false) < 0)
			endure_fail(e, "port reset");
		forget_slot(e);
		break;
	case DISTURB_REPLUG:
		(void)snprintf(request, sizeof(request),
			       "{'verb':'reset','device':'port %u'}", port);
		endure_ask(e, request, NULL);
		forget_slot(e);
		await_connect(e, port);
		break;
	case DISTURB_PULL:
		(void)printf("PULL\n");
		if (drv_port_wait(&e->drv, port, XPORT_CCS, 0) < 0)
			endure_fail(e, "the port does not report the unplugged device");
		forget_slot(e);
		await_connect(e, port);
		break;
	case DISTURB_CLIENT:
		drv_finish(&e->drv);
		vmm_finish(&e->vmm);
		boot(e);
		drive(e);
		break;
	case DISTURB_KILL:
		kill_daemon(e);
		break;
	case DISTURB_HCRST:
	case DISTURB_STOP:
	case DISTURB_RESTORE:
	case DISTURBANCES:
	default:
		start_again(e);
	}
	endure_reuse_memory(e);
	endure_find(e);
}

/* Rolls the dice. Return: false if the disturbance lost the device. */
static bool disturb(struct endure *e, unsigned dci)
{
	uint64_t roll = endure_random(e, 1000);
	int r;

	for (unsigned what = 0; what < DISTURBANCES; what++) {
		if (roll >= e->permille[what]) {
			roll -= e->permille[what];
			continue;
		}
		e->counts[what]++;
		if (what == DISTURB_STOP) {
			r = drv_stop_endpoint(e->device.slot, dci);
			if (r != XCC_SUCCESS && r != XCC_CONTEXT_STATE)
				endure_fail(e, "Stop Endpoint: %d", r);
			drv_endpoint_doorbell(e->device.slot, dci);
		} else if (what == DISTURB_RESTORE) {
			restore(e);
		} else {
			lose(e, what);
			return false;
		}
		break;
	}
	return true;
}

/* ---- data ---- */

static bool is_of_endpoint(const struct drv_event *event, const void *ctx)
{
	const unsigned *id = ctx;

	return drv_trb_type(&event->trb) == XTRB_TRANSFER_EVENT &&
	       drv_event_slot(event) == id[0] && drv_event_dci(event) == id[1];
}

/* After a timeout: prints the endpoint's state and tells a lost interrupt (pending
 * events) from a lost doorbell (another one helps) and a silent device (Stop Endpoint
 * shows the position). */
static void find_out(struct endure *e, unsigned dci)
{
	unsigned id[2] = {e->device.slot->id, dci};
	struct drv_event event;
	unsigned found;
	int r;

	(void)drv_collect(&e->drv, 0);
	found = drv_pending(&e->drv, XTRB_TRANSFER_EVENT);
	(void)printf(
		"USBSTS 0x%x, endpoint state %u, dequeue 0x%llx, %u events without an "
		"interrupt\n",
		drv_op_read(&e->drv, XOP_USBSTS), drv_endpoint_state(e->device.slot, dci),
		(unsigned long long)drv_endpoint_dequeue(e->device.slot, dci), found);
	drv_endpoint_doorbell(e->device.slot, dci);
	r = drv_wait(&e->drv, is_of_endpoint, id, &event, IDLE_MS);
	(void)printf("after another doorbell: %d\n", r);
	if (r == 0)
		return;
	(void)printf("Stop Endpoint: %d\n", drv_stop_endpoint(e->device.slot, dci));
	if (drv_wait(&e->drv, is_of_endpoint, id, &event, IDLE_MS) == 0)
		(void)printf("stopped: code %u, %u bytes missing, TRB 0x%llx\n",
			     drv_event_code(&event), drv_event_length(&event),
			     (unsigned long long)event.trb.parameter);
}

/* Waits until the TD that ends with @last has completed. */
static enum moved land(struct endure *e, unsigned dci, uint64_t last)
{
	unsigned id[2] = {e->device.slot->id, dci};

	for (;;) {
		struct drv_event event;
		unsigned code;
		int r;

		if (!disturb(e, dci))
			return MOVED_LOST;
		r = drv_wait(&e->drv, is_of_endpoint, id, &event, TIMEOUT_MS);
		if (r < 0)
			find_out(e, dci);
		if (r < 0)
			endure_fail(e, "no event of endpoint %u: %s", dci, strerror(-r));
		code = drv_event_code(&event);
		if (code == XCC_STOPPED || code == XCC_STOPPED_LENGTH_INVALID)
			continue;
		if (code != XCC_SUCCESS || event.trb.parameter != last ||
		    drv_event_length(&event) != 0)
			endure_fail(e,
				    "endpoint %u: code %u, %u bytes missing, TRB 0x%llx, "
				    "expected 0x%llx",
				    dci, code, drv_event_length(&event),
				    (unsigned long long)event.trb.parameter,
				    (unsigned long long)last);
		return MOVED_ALL;
	}
}

enum moved endure_move(struct endure *e, unsigned dci, uint64_t iova, uint32_t bytes,
		       uint32_t granule_bytes)
{
	uint64_t lasts[IN_FLIGHT_MAX];
	unsigned first = 0, count = 0;
	unsigned depth = 1 + (unsigned)endure_random(e, IN_FLIGHT_MAX);
	/* small sizes are as frequent as large ones */
	uint32_t most = TD_BYTES_MAX >> endure_random(e, 8);
	uint32_t queued = 0;

	while (queued < bytes || count > 0) {
		bool more = false;

		for (; queued < bytes && count < depth; count++) {
			uint32_t n = granule_bytes *
				     (1 + (uint32_t)endure_random(
						  e, MAX_OF(most / granule_bytes, 1u)));

			n = MIN_OF(n, bytes - queued);
			lasts[(first + count) % IN_FLIGHT_MAX] =
				drv_push_td(e->device.slot, dci, iova + queued, n, NULL);
			queued += n;
			more = true;
		}
		if (more)
			drv_endpoint_doorbell(e->device.slot, dci);
		if (land(e, dci, lasts[first]) == MOVED_LOST)
			return MOVED_LOST;
		first = (first + 1) % IN_FLIGHT_MAX;
		count--;
	}
	return MOVED_ALL;
}

/* ---- figures ---- */

struct endure_figures endure_figures(struct endure *e)
{
	struct endure_figures figures = {.fds = daemon_fd_count(&e->daemon)};

	if (figures.fds < 0 || daemon_usage(&e->daemon, &figures.usage) < 0)
		endure_fail(e, "reading the daemon's figures");
	return figures;
}

void endure_compare(struct endure *e, const struct endure_figures *before)
{
	struct daemon_usage rest, idle;
	struct endure_figures after;
	int r = daemon_await_idle(&e->daemon, IDLE_MS, &rest, &idle);

	if (r < 0 && r != -EBUSY)
		endure_fail(e, "the daemon never comes to rest: %s", strerror(-r));
	after = endure_figures(e);
	(void)printf("descriptors %d before, %d after; threads %llu, %llu; own memory "
		     "%llu KiB, %llu KiB; idle for %u ms: %llu ticks, %llu wake-ups\n",
		     before->fds, after.fds, (unsigned long long)before->usage.threads,
		     (unsigned long long)after.usage.threads,
		     (unsigned long long)before->usage.rss_anon_kib,
		     (unsigned long long)after.usage.rss_anon_kib, IDLE_MS,
		     (unsigned long long)(idle.cpu_ticks - rest.cpu_ticks),
		     (unsigned long long)(idle.wakeups - rest.wakeups));
	if (after.fds > before->fds || after.usage.threads > before->usage.threads)
		endure_fail(e, "descriptors or threads have leaked");
	if (after.usage.rss_anon_kib > before->usage.rss_anon_kib + e->growth_kib)
		endure_fail(e, "the daemon has grown");
	if (r < 0)
		endure_fail(e, "the daemon is not idle");
}

void endure_print_counts(const struct endure *e)
{
	static const char *const names[DISTURBANCES] = {
		"Stop Endpoint", "restored guests", "port resets", "controller resets",
		"replugs",       "new clients",     "kill -9",     "pulls"};

	for (unsigned i = 0; i < DISTURBANCES; i++)
		(void)printf("%s%s %llu", i ? ", " : "", names[i],
			     (unsigned long long)e->counts[i]);
	(void)printf("\n");
}
