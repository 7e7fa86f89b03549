/* SPDX-License-Identifier: MIT
 * stream_request.c - asking a device for streams, and releasing them
 *
 * The device takes its time to answer. The command that waits for it may end meanwhile
 * (Command Abort, halt, reset), or the owner may pull the device. So a request is an object
 * of its own, freed when the device has answered and no command waits for it. If the device
 * has granted streams that no command waits for, we release them.
 *
 * Requests of one device never overlap, so releasing streams can never undo a later
 * allocation: a command waits for its turn.
 */
#include "xhci/stream_request.h"

#include <stdlib.h>
#include <string.h>

#include "xhci/controller.h"
#include "xhci/endpoint.h"
#include "xhci/port.h"
#include "xhci/slot.h"
#include "xhci/stream.h"

/**
 * struct xhci_stream_request - one request
 * @node:	among xhci->stream_requests, until the device answers
 * @dev:	NULL once it is unplugged and has answered: the owner may free it while a command that
 *		cannot go on still waits here
 * @awaited:	a command waits for it: it is xhci->awaited_streams
 * @answered:	the device has answered: @result
 * @slot_id:	of the command
 * @input:	of the command
 */
struct xhci_stream_request {
	struct list node;
	struct xhci *xhci;
	struct usbdev *dev;
	struct usbdev_streams streams;
	bool awaited;
	bool answered;
	int result;
	unsigned slot_id;
	struct xhci_input input;
};

bool xhci_stream_requests_pending(const struct xhci *xhci, const struct usbdev *dev)
{
	const struct list *node;

	LIST_FOREACH(node, &xhci->stream_requests)
		if (LIST_ENTRY(node, struct xhci_stream_request, node)->dev == dev)
			return true;
	return false;
}

static bool is_plugged(const struct xhci *xhci, const struct usbdev *dev)
{
	for (unsigned i = 0; i < 2 * xhci->ports_per_kind; i++)
		if (xhci->ports[i].dev == dev)
			return true;
	return false;
}

static void release_unused(struct xhci_stream_request *request);

static void on_done(struct usbdev_streams *streams, int result)
{
	struct xhci_stream_request *request = streams->owner;
	struct xhci *xhci = request->xhci;

	log_debug("xhci: %s: %u streams on %u endpoints: %d", request->dev->label,
		  streams->stream_count, streams->ep_count, result);
	list_remove(&request->node);
	request->answered = true;
	request->result = result;
	if (!is_plugged(xhci, request->dev))
		request->dev = NULL;
	xhci_kick(xhci);
	if (request->awaited)
		return;
	if (result == 0 && streams->stream_count > 0)
		release_unused(request);
	free(request);
}

static struct xhci_stream_request *request_create(struct xhci *xhci, struct usbdev *dev)
{
	struct xhci_stream_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->xhci = xhci;
	request->dev = dev;
	request->streams.owner = request;
	request->streams.done = on_done;
	return request;
}

static void request_send(struct xhci_stream_request *request)
{
	list_append(&request->xhci->stream_requests, &request->node);
	usbdev_streams(request->dev, &request->streams);
}

static void release(struct xhci *xhci, struct usbdev *dev, const uint8_t *ep_addrs,
		    unsigned count)
{
	struct xhci_stream_request *request = request_create(xhci, dev);

	if (!request)
		return; /* the device keeps its streams, which does no harm */
	memcpy(request->streams.ep_addrs, ep_addrs, count);
	request->streams.ep_count = count;
	request_send(request);
}

/* Releases the streams that the device has granted, but for endpoints that still have streams
 * from an earlier command. */
static void release_unused(struct xhci_stream_request *request)
{
	const struct xhci_slot *slot = &request->xhci->slots[request->slot_id];
	uint8_t ep_addrs[USBDEV_STREAM_EPS_MAX];
	unsigned count = 0;

	if (!request->dev)
		return;
	for (unsigned i = 0; i < request->streams.ep_count; i++) {
		uint8_t addr = request->streams.ep_addrs[i];
		unsigned dci = xhci_dci_of_ep_addr(addr);
		bool in_use = slot->dev == request->dev && slot->endpoints[dci] &&
			      slot->endpoints[dci]->streams;

		if (!in_use)
			ep_addrs[count++] = addr;
	}
	if (count > 0)
		release(request->xhci, request->dev, ep_addrs, count);
}

void xhci_slot_release_streams(struct xhci *xhci, const struct xhci_slot *slot,
			       uint32_t dcis)
{
	uint8_t ep_addrs[USBDEV_STREAM_EPS_MAX];
	unsigned count = 0;

	if (!slot->dev)
		return;
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++)
		if ((dcis & BIT(dci)) && slot->endpoints[dci] &&
		    slot->endpoints[dci]->streams)
			ep_addrs[count++] = xhci_dci_ep_addr(dci);
	if (count > 0)
		release(xhci, slot->dev, ep_addrs, count);
}

enum xhci_cc xhci_stream_request_begin(struct xhci *xhci, struct xhci_slot *slot,
				       const struct xhci_input *input, uint32_t dcis)
{
	struct xhci_stream_request *request;
	unsigned id_max = 0;

	if (!slot->dev || !usbdev_has_streams(slot->dev))
		return XHCI_CC_RESOURCE_ERROR;
	if (xhci_stream_requests_pending(xhci, slot->dev))
		return XHCI_CC_PENDING;
	request = request_create(xhci, slot->dev);
	if (!request)
		return XHCI_CC_RESOURCE_ERROR;
	for (unsigned dci = 2; dci <= XHCI_DCI_MAX; dci++) {
		const struct xhci_context *ctx = &input->contexts[dci];

		if (!(dcis & BIT(dci)))
			continue;
		if (xhci_streams_id_max(xhci, ctx, &id_max) < 0) {
			xhci_dma_fault(xhci, "stream context array",
				       xhci_ep_context_dequeue(ctx));
			free(request);
			return XHCI_CC_PENDING;
		}
		request->streams.ep_addrs[request->streams.ep_count++] =
			xhci_dci_ep_addr(dci);
		request->streams.stream_count =
			MAX_OF(request->streams.stream_count, id_max);
	}
	request->slot_id = slot->id;
	request->input = *input;
	request->awaited = true;
	xhci->awaited_streams = request;
	request_send(request);
	return XHCI_CC_PENDING;
}

enum xhci_cc xhci_stream_request_finish(struct xhci *xhci, struct xhci_input *ret_input)
{
	struct xhci_stream_request *request = xhci->awaited_streams;
	bool granted;

	if (!request->answered)
		return XHCI_CC_PENDING;
	/* the owner may have pulled the device since it answered */
	granted = request->result == 0 && request->dev &&
		  xhci->slots[request->slot_id].dev == request->dev;
	if (!granted)
		log_limited(LOG_LEVEL_INFO, "slot %u: no streams from its device (%d)",
			    request->slot_id, request->result);
	*ret_input = request->input;
	xhci->awaited_streams = NULL;
	free(request);
	return granted ? XHCI_CC_SUCCESS : XHCI_CC_RESOURCE_ERROR;
}

void xhci_stream_request_device_gone(struct xhci *xhci, const struct usbdev *dev)
{
	struct xhci_stream_request *request = xhci->awaited_streams;

	if (request && request->answered && request->dev == dev)
		request->dev = NULL;
}

void xhci_stream_request_abandon(struct xhci *xhci)
{
	struct xhci_stream_request *request = xhci->awaited_streams;

	if (!request)
		return;
	xhci->awaited_streams = NULL;
	request->awaited = false;
	if (!request->answered)
		return; /* on_done() does the rest */
	if (request->result == 0)
		release_unused(request);
	free(request);
}
