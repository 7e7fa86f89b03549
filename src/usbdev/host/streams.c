/* SPDX-License-Identifier: MIT
 * streams.c - requests for streams of a real device, one at a time
 */
#include "usbdev/host/streams.h"

#include <errno.h>

static void run_streams(struct host_job *job)
{
	struct host_streams *streams = CONTAINER_OF(job, struct host_streams, job);
	const struct usbdev_streams *request = streams->current;

	streams->result = handle_set_streams(streams->core->handle, request->ep_addrs,
					     request->ep_count, request->stream_count);
}

static void start_next(struct host_streams *streams)
{
	struct list *node = list_first(&streams->queue);

	streams->current = node ? LIST_ENTRY(node, struct usbdev_streams, node) : NULL;
	if (!node)
		return;
	host_touch(streams->core, HOST_USE_TOUCHED);
	host_run_job(streams->core, &streams->job);
}

static void on_streams_done(struct host_job *job)
{
	struct host_streams *streams = CONTAINER_OF(job, struct host_streams, job);
	int result = streams->result;

	usbdev_streams_done(streams->current, result);
	start_next(streams);
	if (result == -ENODEV)
		host_lost(streams->core);
}

void host_streams_init(struct host_streams *streams, struct host_core *core)
{
	streams->core = core;
	list_init(&streams->queue);
	streams->job = (struct host_job){.run = run_streams, .on_done = on_streams_done};
}

void host_streams_submit(struct host_streams *streams, struct usbdev_streams *request)
{
	list_append(&streams->queue, &request->node);
	if (!streams->current)
		start_next(streams);
}
