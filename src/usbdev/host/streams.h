/* SPDX-License-Identifier: MIT
 * streams.h - requests for streams of a real device, one at a time
 */
#ifndef USBDEV_HOST_STREAMS_H
#define USBDEV_HOST_STREAMS_H

#include "usbdev/host/core.h"
#include "usbdev/usbdev.h"
#include "util/list.h"

/**
 * struct host_streams
 * @queue:	requests, @current the first of them
 * @current:	the worker has it; NULL = it has none
 */
struct host_streams {
	struct host_core *core;
	struct list queue;
	struct usbdev_streams *current;
	struct host_job job;
	int result;
};

void host_streams_init(struct host_streams *streams, struct host_core *core);
void host_streams_submit(struct host_streams *streams, struct usbdev_streams *request);

#endif /* USBDEV_HOST_STREAMS_H */
