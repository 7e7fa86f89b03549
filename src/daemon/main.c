/* SPDX-License-Identifier: MIT
 * main.c - the daemon: start, ready, run, end
 */
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/attach/attach.h"
#include "daemon/capture.h"
#include "daemon/commands.h"
#include "daemon/confine.h"
#include "daemon/ending.h"
#include "daemon/fd_limit.h"
#include "daemon/named.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/rulebook.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/sockets.h"
#include "daemon/version.h"
#include "daemon/vm.h"
#include "daemon/watchdog.h"
#include "rules/uevent.h"
#include "util/closer.h"
#include "util/compiler.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/log_writer.h"
#include "util/loop.h"
#include "util/thread.h"

#define EXIT_WRONG_USAGE 2

/* How long the start waits for a stderr that no process reads. */
#define READY_LOG_NS UINT64_C(500000000)

/* How long a shutdown waits for transfers to end. */
#define SHUTDOWN_MAX_NS UINT64_C(5000000000)

/* A step of the start returns this if the start goes on later, by resume(). */
#define STEP_WAITS 1

struct daemon;

/**
 * struct step - a step of the start
 * @run:	Return: 0, STEP_WAITS, or -errno, logged
 * @why:	the reason for its place
 */
struct step {
	const char *name;
	int (*run)(struct daemon *daemon);
	const char *why;
};

enum daemon_phase {
	DAEMON_PHASE_RUNNING,
	DAEMON_PHASE_STOPPING, /* the devices are being released */
	DAEMON_PHASE_EMPTIED,  /* they are; the capture may not be written yet */
};

/**
 * struct daemon - the parts of the process
 * @named:	the --device options by kind
 * @step:	the next of @steps, which start us
 * @commands:	NULL without a control socket
 * @patience:	limits the time of shutdown
 * @notify_fd:	socket of the service manager, -1 without; @notify_result: 0, or -errno: no socket
 * @broken:	the loop has failed
 */
struct daemon {
	struct options options;
	struct named named;
	const struct step *step;
	struct loop *loop;
	struct vm *vm;
	struct attach *attach;
	struct capture *capture;
	struct rulebook *rules;
	struct commands *commands;
	struct loop_watch *sighup;
	struct loop_timer *patience;
	struct watchdog watchdog;
	int notify_fd;
	int notify_result;
	struct sockets sockets;
	enum daemon_phase phase;
	bool failed;
	bool broken;
};

/* Pulls the devices, which write what they have not written yet; then the loop ends. A second
 * request ends it at once. */
static void on_stop(void *ctx)
{
	struct daemon *daemon = ctx;

	if (daemon->phase != DAEMON_PHASE_RUNNING) {
		loop_stop(daemon->loop);
		return;
	}
	if (!daemon->failed)
		log_info("stopping");
	daemon->phase = DAEMON_PHASE_STOPPING;
	ending_begin();
	if (notify_manager(daemon->notify_fd, "STOPPING=1") < 0)
		log_debug("cannot tell the service manager that the daemon stops");
	sockets_remove(&daemon->sockets);
	vm_stop_serving(daemon->vm);
	loop_timer_set(daemon->patience, SHUTDOWN_MAX_NS);
	if (daemon->rules)
		rulebook_stop(daemon->rules);
	attach_stop(daemon->attach);
	commands_destroy(daemon->commands);
	daemon->commands = NULL;
	vm_unplug_all(daemon->vm);
}

static bool all_given_back(const struct daemon *daemon)
{
	return vm_is_empty(daemon->vm) && attach_is_idle(daemon->attach);
}

static void on_captured(void *ctx)
{
	struct daemon *daemon = ctx;

	loop_stop(daemon->loop);
}

static void on_reload(void *ctx)
{
	struct daemon *daemon = ctx;

	rulebook_reload(daemon->rules);
}

/* The vm or attach has released its last device. */
static void on_emptied(void *ctx)
{
	struct daemon *daemon = ctx;

	if (daemon->phase == DAEMON_PHASE_EMPTIED || !all_given_back(daemon))
		return;
	daemon->phase = DAEMON_PHASE_EMPTIED;
	if (!daemon->capture || capture_end(daemon->capture, on_captured, daemon) < 0)
		loop_stop(daemon->loop);
}

static void on_patience_over(void *ctx)
{
	struct daemon *daemon = ctx;

	if (all_given_back(daemon))
		log_error("the capture cannot be written: stopping without its end");
	else
		log_error("a device does not end its transfers: stopping without it");
	daemon->failed = true;
	loop_stop(daemon->loop);
}

static void on_gone(void *ctx, unsigned port)
{
	struct daemon *daemon = ctx;

	attach_gone(daemon->attach, port);
}

static void on_held(void *ctx, const char *rule_id, const char *why)
{
	struct daemon *daemon = ctx;

	commands_rule_held(daemon->commands, rule_id, why);
}

static const struct peers *if_given(const struct peers *peers)
{
	return peers_given(peers) ? peers : NULL;
}

static int create_parts(struct daemon *daemon)
{
	struct vm_options vm_options = {
		.ports = daemon->options.ports,
		.with_msix = !daemon->options.no_msix,
		.memory_files = daemon->options.memory_files,
		.vmms = if_given(&daemon->options.vmm_peers),
		.ended = on_stop,
		.emptied = on_emptied,
		.gone = on_gone,
		.ctx = daemon,
	};
	struct rulebook_options rules_options = {
		.attach = daemon->attach,
		.path = daemon->options.rules_path,
		.held = on_held,
		.ctx = daemon,
	};

	daemon->loop = loop_create();
	if (!daemon->loop)
		return -ENOMEM;
	/* before there is any other thread */
	if (ending_start(daemon->loop, on_stop, daemon) < 0 || log_writer_start() < 0)
		return -ENOMEM;
	daemon->sighup = loop_watch_signal(daemon->loop, SIGHUP, on_reload, daemon);
	daemon->patience = loop_timer_create(daemon->loop, on_patience_over, daemon);
	daemon->vm = vm_create(daemon->loop, &vm_options);
	if (!daemon->sighup || !daemon->patience || !daemon->vm)
		return -ENOMEM;
	daemon->capture = capture_create(daemon->loop, daemon->vm);
	rules_options.loop = daemon->loop;
	daemon->rules = rulebook_create(&rules_options);
	if (!daemon->capture || !daemon->rules)
		return -ENOMEM;
	return watchdog_start(&daemon->watchdog, daemon->loop, daemon->notify_fd);
}

static int start_listening(struct daemon *daemon)
{
	return sockets_listen(&daemon->sockets, &daemon->options);
}

static int give_sockets(struct daemon *daemon)
{
	return sockets_give(&daemon->sockets, &daemon->options);
}

static int serve(struct daemon *daemon)
{
	const struct options *options = &daemon->options;
	int fd = options->socket_path ? sockets_take(&daemon->sockets.vmm) : options->fd;
	unsigned devices = attach_count(daemon->attach);
	struct err err = {0};

	if (vm_serve(daemon->vm, fd, &err) < 0) {
		log_error("%s", err.text);
		return -err.code;
	}
	if (options->socket_path)
		log_info("ready: vfio-user at %s, devices: %u", options->socket_path,
			 devices);
	else
		log_info("ready: vfio-user on fd %d, devices: %u", fd, devices);
	/* the service manager may read the log for the devices once it hears READY */
	(void)log_writer_flush(READY_LOG_NS);
	if (daemon->notify_result == 0)
		daemon->notify_result = notify_manager(daemon->notify_fd, "READY=1");
	if (daemon->notify_result < 0)
		log_warn("cannot tell the service manager that the daemon is ready: "
			 "NOTIFY_SOCKET names no socket that takes messages");
	return 0;
}

static int start_control(struct daemon *daemon)
{
	const struct commands_options options = {
		.loop = daemon->loop,
		.vm = daemon->vm,
		.attach = daemon->attach,
		.capture = daemon->capture,
		.rules = daemon->rules,
		.operators = if_given(&daemon->options.control_peers),
		.readers = if_given(&daemon->options.control_readers),
	};
	int fd = daemon->options.control_path ? sockets_take(&daemon->sockets.control)
					      : daemon->options.control_fd;
	struct err err = {0};

	if (fd < 0)
		return 0;
	daemon->commands = commands_create(&options, fd, &err);
	if (!daemon->commands) {
		log_error("the control socket: %s", err.text);
		return -err.code;
	}
	if (daemon->options.control_path)
		log_info("control socket at %s", daemon->options.control_path);
	return 0;
}

static int start_rules(struct daemon *daemon)
{
	struct err err = {0};

	for (unsigned i = 0; i < daemon->named.rule_count; i++) {
		const char *text = daemon->named.rules[i];

		if (rulebook_add_option(daemon->rules, text, &err) < 0) {
			log_error("--device %s: %s", text, err.text);
			return -err.code;
		}
	}
	return rulebook_load(daemon->rules);
}

static void on_event(void *ctx, enum attach_event event, const struct attach_info *info)
{
	struct daemon *daemon = ctx;

	commands_notify(daemon->commands, event, info);
	rulebook_event(daemon->rules, event, info);
}

static void resume(struct daemon *daemon, int result);

static void on_settled(void *ctx, int result)
{
	resume(ctx, result);
}

static int start_devices(struct daemon *daemon)
{
	const struct attach_options options = {
		.loop = daemon->loop,
		.vm = daemon->vm,
		.settled = on_settled,
		.idle = on_emptied,
		.event = on_event,
		.ctx = daemon,
	};

	return attach_start(daemon->attach, &options);
}

/* on_settled() goes on. */
static int wait_for_devices(struct daemon *daemon)
{
	(void)daemon;
	return STEP_WAITS;
}

static void on_capturing(void *ctx, const struct err *err)
{
	if (err)
		log_error("--pcap-path: %s", err->text);
	resume(ctx, err ? -err->code : 0);
}

/* A worker opens the file, since that may take any time. */
static int start_capture(struct daemon *daemon)
{
	const char *path = daemon->options.pcap_path;
	struct err err = {0};

	if (!path)
		return 0;
	if (capture_start(daemon->capture, path, -1, on_capturing, daemon, &err) < 0) {
		log_error("--pcap-path: %s", err.text);
		return -err.code;
	}
	return STEP_WAITS;
}

static void finish(struct daemon *daemon)
{
	sockets_remove(&daemon->sockets);
	/* a closer that is stuck shares our table of descriptors, which stays open then */
	if (!closer_wait(ENDING_CLOSER_MS))
		log_warn("leaving behind %u descriptors that others sent: their file "
			 "system does not answer",
			 closer_waiting());
	/* a part that still moves data cannot be freed: end the process instead */
	if (daemon->broken || (daemon->capture && !capture_is_over(daemon->capture)) ||
	    (daemon->rules && rulebook_is_reading(daemon->rules)) ||
	    (daemon->vm && !all_given_back(daemon))) {
		(void)log_writer_flush(ENDING_LOG_NS);
		_exit(EXIT_FAILURE);
	}
	commands_destroy(daemon->commands);
	rulebook_destroy(daemon->rules);
	capture_destroy(daemon->capture);
	attach_destroy(daemon->attach);
	vm_destroy(daemon->vm);
	sandbox_finish();
	uevents_unreserve();
	close_fd(&daemon->notify_fd);
	watchdog_finish(&daemon->watchdog);
	loop_timer_destroy(daemon->patience);
	ending_unwatch();
	loop_unwatch(daemon->sighup);
	loop_destroy(daemon->loop);
}

/* An fd we did not inherit would soon be one of our own. */
static int check_fd(int fd)
{
	int r = fd < 0 ? 0 : socket_is_listening(fd);

	if (r < 0)
		log_error("fd %d: not a unix stream socket: %s", fd, strerror(-r));
	return r;
}

static int check_inherited(struct daemon *daemon)
{
	int fd = daemon->options.control_fd;
	int r = check_fd(daemon->options.fd);

	if (r < 0)
		return r;
	r = check_fd(fd);
	if (r == 0 && fd >= 0) {
		log_error("--hotplug-fd %d: not a listening socket", fd);
		return -EINVAL;
	}
	return MIN_OF(r, 0);
}

static int name_devices(struct daemon *daemon)
{
	int r = 0;

	daemon->attach = attach_create();
	for (unsigned i = 0; daemon->attach && r == 0 && i < daemon->named.device_count;
	     i++)
		r = attach_add(daemon->attach, daemon->named.devices[i]);
	if (daemon->attach && r == 0)
		return 0;
	log_error("not enough memory");
	return -ENOMEM;
}

static int make_parts(struct daemon *daemon)
{
	int r = create_parts(daemon);

	if (r < 0)
		log_error("not enough memory");
	return r;
}

static int hold_signals(struct daemon *daemon)
{
	(void)daemon;
	ending_hold_signals();
	return 0;
}

/* serve() logs a failure. */
static int open_notify(struct daemon *daemon)
{
	daemon->notify_result = notify_open(&daemon->notify_fd);
	return 0;
}

static int confine_process(struct daemon *daemon)
{
	return confine(&daemon->options, &daemon->named);
}

static int seal_process(struct daemon *daemon)
{
	return confine_seal(&daemon->options, &daemon->named, daemon->loop);
}

/* Without a loop: a failure ends the process. */
static const struct step first_steps[] = {
	{"check inherited descriptors", check_inherited,
	 "a number that is not open would soon be one of our own descriptors"},
	{"name the devices", name_devices,
	 "takes the devices' inherited descriptors, for the same reason"},
	{"hold SIGTERM and SIGINT", hold_signals,
	 "a process that sees the sockets may send one"},
	{"connect to the service manager", open_notify,
	 "Landlock forbids to connect to abstract names"},
	{"listen", start_listening,
	 "a second instance fails here, before it detaches a host driver"},
	{"give the sockets to --user", give_sockets, "the next step gives up that right"},
	{"confine", confine_process, "threads that exist already would stay outside"},
	{"make the parts", make_parts, "starts the threads of signals and of the log"},
	{0},
};

/* In the loop: after a failure the daemon gives everything back in order. */
static const struct step steps[] = {
	{"seal", seal_process, "no guest, device or client has been heard yet"},
	{"capture", start_capture, "records the devices from their first transfer"},
	{"rules", start_rules, "the start of the devices waits for those of rules"},
	{"devices", start_devices, "clients that connect find the devices"},
	{"control socket", start_control, "clients may ask while devices are opened"},
	{"wait for the devices", wait_for_devices,
	 "firmware looks for devices only once"},
	{"serve", serve, "now the guest may run"},
	{0},
};

/* Return: 0 the last step is done; STEP_WAITS; or -errno, logged. */
static int run_steps(struct daemon *daemon)
{
	int r = 0;

	while (r == 0 && daemon->step->run) {
		const struct step *step = daemon->step++;

		log_trace("start: %s (%s)", step->name, step->why);
		r = step->run(daemon);
	}
	return r;
}

/* The step that waited has ended, with @result. */
static void resume(struct daemon *daemon, int result)
{
	if (daemon->phase != DAEMON_PHASE_RUNNING)
		return;
	if (result < 0 || run_steps(daemon) < 0) {
		daemon->failed = true;
		on_stop(daemon);
	}
}

/* Return: the exit status. */
static int run(struct daemon *daemon)
{
	int r;

	daemon->step = first_steps;
	r = run_steps(daemon);
	if (r < 0)
		/* SIGTERM came meanwhile */
		return r == -ECANCELED ? EXIT_SUCCESS : EXIT_FAILURE;
	daemon->step = steps;
	resume(daemon, 0);
	r = loop_run(daemon->loop);
	daemon->broken = r < 0;
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
	return r < 0 || daemon->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Finds mistakes in the command line. */
static int check_usage(struct daemon *daemon, int argc, char *argv[], struct err *err)
{
	struct options *options = &daemon->options;
	int r = options_parse(options, argc, argv, options_passed_fds(), err);

	if (r < 0 || options->action != OPTIONS_ACTION_RUN)
		return r;
	return named_parse(&daemon->named, options, err);
}

/* A parent may leave odd settings: faults must reach their handlers, and no file of ours may become
 * standard error. */
static void settle_inherited(void)
{
	sigset_t faults;
	int fd;

	thread_fault_signals(&faults);
	(void)sigprocmask(SIG_UNBLOCK, &faults, NULL);
	/* until the rulebook can reload */
	(void)signal(SIGHUP, SIG_IGN);
	/* writing to a client or pipe that has gone returns an error instead */
	(void)signal(SIGPIPE, SIG_IGN);
	/* no code waits for the processes of sandbox/paths.c, apart.h and closer.h: the sandbox
	 * forbids it */
	(void)signal(SIGCHLD, SIG_IGN);
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close_fd(&fd);
}

int main(int argc, char *argv[])
{
	struct daemon daemon = {.notify_fd = -1};
	struct err err = {0};
	int status;

	settle_inherited();
	if (check_usage(&daemon, argc, argv, &err) < 0) {
		fprintf(stderr, "usbvfiod: %s\nTry 'usbvfiod --help'.\n", err.text);
		return EXIT_WRONG_USAGE;
	}
	switch (daemon.options.action) {
	case OPTIONS_ACTION_HELP:
		options_print_help(stdout);
		return EXIT_SUCCESS;
	case OPTIONS_ACTION_VERSION:
		puts("usbvfiod " VERSION);
		return EXIT_SUCCESS;
	case OPTIONS_ACTION_RUN:
	default:
		break;
	}
#ifdef __GLIBC__
	/* else malloc() makes an arena for each worker, for a few small pieces */
	(void)mallopt(M_ARENA_MAX, 1);
#endif
	log_init(daemon.options.log_level,
		 !daemon.options.no_color && isatty(STDERR_FILENO) == 1);
	fd_limit_raise();
	status = run(&daemon);
	finish(&daemon);
	(void)log_writer_flush(ENDING_LOG_NS);
	/* exit() runs handlers that could wait for the stuck thread */
	if (closer_waiting() > 0)
		_exit(status);
	return status;
}
