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

/**
 * struct capture
 * @pcap:	NULL: none is running
 * @stopping:	of the one before, not all is written
 */
struct capture {
	struct loop *loop;
	struct vm *vm;
	struct pcap *pcap;
	char *path;
	bool stopping;
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

int capture_start(struct capture *capture, const char *path, int fd, struct err *err)
{
	_cleanup_close_ int file = fd;

	if (capture->pcap)
		return err_set(err, EALREADY, "a capture is running already, into %s",
			       capture->path);
	if (capture->stopping)
		return err_set(err, EALREADY,
			       "not all of the last capture is written yet");
	capture->path = strdup(path);
	if (!capture->path)
		return err_set(err, ENOMEM, "not enough memory");
	capture->pcap =
		file < 0 ? pcap_create(capture->loop, path, err)
			 : pcap_create_fd(capture->loop, steal_fd(&file), path, err);
	if (!capture->pcap) {
		free(capture->path);
		capture->path = NULL;
		return -err->code;
	}
	vm_set_tap(capture->vm, pcap_tap(capture->pcap));
	log_info("capturing USB traffic to %s", path);
	return 0;
}

static void on_written(void *ctx)
{
	struct capture *capture = ctx;

	capture->stopping = false;
	capture->done(capture->ctx);
}

int capture_stop(struct capture *capture, void (*done)(void *ctx), void *ctx)
{
	struct pcap *pcap = capture->pcap;

	if (!pcap)
		return -ENOENT;
	vm_set_tap(capture->vm, NULL);
	capture->pcap = NULL;
	free(capture->path);
	capture->path = NULL;
	capture->stopping = true;
	capture->done = done;
	capture->ctx = ctx;
	pcap_destroy(pcap, on_written, capture);
	return 0;
}

bool capture_status(const struct capture *capture, struct pcap_stats *ret_stats,
		    const char **ret_path)
{
	if (!capture->pcap)
		return false;
	*ret_stats = pcap_stats(capture->pcap);
	*ret_path = capture->path;
	return true;
}

bool capture_is_over(const struct capture *capture)
{
	return !capture->pcap && !capture->stopping;
}
