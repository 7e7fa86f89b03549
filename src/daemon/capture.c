/* SPDX-License-Identifier: MIT
 * capture.c - the record of the USB traffic, started and stopped while we run
 */
#include "daemon/capture.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/vm.h"
#include "util/fds.h"
#include "util/log.h"

enum capture_state {
	CAPTURE_STATE_NONE,
	CAPTURE_STATE_STARTING, /* the file is being opened */
	CAPTURE_STATE_RUNNING,
	CAPTURE_STATE_STOPPING, /* not all is written */
};

/**
 * struct capture
 * @pcap:	while STARTING and RUNNING
 * @started, @started_ctx: of capture_start(), while STARTING; NULL = the caller has gone
 * @done, @ctx:	of capture_stop(), while STOPPING; NULL = no caller waits
 */
struct capture {
	struct loop *loop;
	struct vm *vm;
	enum capture_state state;
	struct pcap *pcap;
	char *path;
	void (*started)(void *ctx, const struct err *err);
	void *started_ctx;
	void (*done)(void *ctx);
	void *ctx;
};

struct capture *capture_create(struct loop *loop, struct vm *vm)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return NULL;
	capture->loop = loop;
	capture->vm = vm;
	return capture;
}

void capture_destroy(struct capture *capture)
{
	if (!capture)
		return;
	assert(capture_is_over(capture));
	free(capture);
}

static void set_state(struct capture *capture, enum capture_state state)
{
	static const char *const names[] = {
		[CAPTURE_STATE_NONE] = "none",
		[CAPTURE_STATE_STARTING] = "starting",
		[CAPTURE_STATE_RUNNING] = "running",
		[CAPTURE_STATE_STOPPING] = "stopping",
	};

	log_debug("capture: %s -> %s", names[capture->state], names[state]);
	capture->state = state;
}

static void on_written(void *ctx)
{
	struct capture *capture = ctx;
	void (*done)(void *ctx) = capture->done;

	set_state(capture, CAPTURE_STATE_NONE);
	capture->done = NULL;
	if (done)
		done(capture->ctx);
}

/* @done: NULL = no caller waits for it. */
static void end(struct capture *capture, void (*done)(void *ctx), void *ctx)
{
	struct pcap *pcap = capture->pcap;

	vm_set_tap(capture->vm, NULL);
	capture->pcap = NULL;
	free(capture->path);
	capture->path = NULL;
	capture->done = done;
	capture->ctx = ctx;
	set_state(capture, CAPTURE_STATE_STOPPING);
	pcap_destroy(pcap, on_written, capture);
}

static void on_opened(void *ctx, const struct err *err)
{
	struct capture *capture = ctx;
	void (*started)(void *ctx, const struct err *err) = capture->started;

	capture->started = NULL;
	if (err) {
		struct err why = *err;

		end(capture, NULL, NULL);
		if (started)
			started(capture->started_ctx, &why);
		return;
	}
	set_state(capture, CAPTURE_STATE_RUNNING);
	log_limited(LOG_LEVEL_INFO, "capturing USB traffic to %s", capture->path);
	if (started)
		started(capture->started_ctx, NULL);
}

/* Return: 0, or -EALREADY with the reason in @err. */
static int check_idle(const struct capture *capture, struct err *err)
{
	switch (capture->state) {
	case CAPTURE_STATE_STARTING:
	case CAPTURE_STATE_RUNNING:
		return err_set(err, EALREADY, "a capture is running already, into %s",
			       capture->path);
	case CAPTURE_STATE_STOPPING:
		return err_set(err, EALREADY,
			       "not all of the last capture is written yet");
	case CAPTURE_STATE_NONE:
	default:
		return 0;
	}
}

int capture_start(struct capture *capture, const char *path, int fd,
		  void (*started)(void *ctx, const struct err *err), void *ctx,
		  struct err *err)
{
	_cleanup_close_ int file = fd;
	int r = check_idle(capture, err);

	if (r < 0)
		return r;
	capture->path = strdup(path);
	if (capture->path)
		capture->pcap =
			pcap_create(capture->loop, path, file, on_opened, capture);
	if (!capture->pcap) {
		free(capture->path);
		capture->path = NULL;
		return err_set(err, ENOMEM, "not enough memory");
	}
	(void)steal_fd(&file);
	capture->started = started;
	capture->started_ctx = ctx;
	set_state(capture, CAPTURE_STATE_STARTING);
	/* at once: pcap keeps the transfers that come before the file is open */
	vm_set_tap(capture->vm, pcap_tap(capture->pcap));
	return 0;
}

int capture_stop(struct capture *capture, void (*done)(void *ctx), void *ctx)
{
	if (capture->state == CAPTURE_STATE_STARTING)
		return -EALREADY;
	if (capture->state != CAPTURE_STATE_RUNNING)
		return -ENOENT;
	end(capture, done, ctx);
	return 0;
}

void capture_forget(struct capture *capture)
{
	capture->started = NULL;
	capture->done = NULL;
}

int capture_end(struct capture *capture, void (*done)(void *ctx), void *ctx)
{
	capture_forget(capture);
	if (capture->state == CAPTURE_STATE_NONE)
		return -ENOENT;
	if (capture->state == CAPTURE_STATE_STOPPING) {
		capture->done = done;
		capture->ctx = ctx;
	} else {
		end(capture, done, ctx);
	}
	return 0;
}

bool capture_status(const struct capture *capture, struct pcap_stats *ret_stats,
		    const char **ret_path)
{
	if (capture->state != CAPTURE_STATE_RUNNING)
		return false;
	*ret_stats = pcap_stats(capture->pcap);
	*ret_path = capture->path;
	return true;
}

bool capture_is_over(const struct capture *capture)
{
	return capture->state == CAPTURE_STATE_NONE;
}
