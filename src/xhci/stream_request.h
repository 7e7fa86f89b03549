/* SPDX-License-Identifier: MIT
 * stream_request.h - asking a device for streams, and releasing them
 *
 * A device has one such request at a time. A pulled device is released only after it has
 * answered. Loop thread only.
 */
#ifndef XHCI_STREAM_REQUEST_H
#define XHCI_STREAM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/context.h"
#include "xhci/spec.h"

struct usbdev;
struct xhci;
struct xhci_slot;

/**
 * xhci_stream_request_begin() - ask for the streams of a Configure Endpoint command
 * @input:	its input context, copied
 * @dcis:	the endpoints in it that ask for streams
 *
 * Return: XHCI_CC_PENDING: call this again in a later run, or xhci_stream_request_finish()
 * if xhci->awaited_streams is set by then; else why not.
 */
enum xhci_cc xhci_stream_request_begin(struct xhci *xhci, struct xhci_slot *slot,
				       const struct xhci_input *input, uint32_t dcis);
/* The answer to that. Return: XHCI_CC_PENDING; XHCI_CC_SUCCESS with the copy in
 * @ret_input; else the device has no such streams. */
enum xhci_cc xhci_stream_request_finish(struct xhci *xhci, struct xhci_input *ret_input);
/* The command, if one waited, does not wait any longer: we release the streams that the device
 * has granted or will grant. */
void xhci_stream_request_abandon(struct xhci *xhci);

/* @dev is unplugged: a request that it has answered forgets it, because the owner may free it. */
void xhci_stream_request_device_gone(struct xhci *xhci, const struct usbdev *dev);

#define XHCI_DCIS_ALL UINT32_MAX

/* Tells the device at @slot that its endpoints of @dcis, a bit per DCI, need no streams any
 * more. Nothing waits for the answer. */
void xhci_slot_release_streams(struct xhci *xhci, const struct xhci_slot *slot,
			       uint32_t dcis);

/* True while @dev has a request. Its answer kicks. */
bool xhci_stream_requests_pending(const struct xhci *xhci, const struct usbdev *dev);

#endif /* XHCI_STREAM_REQUEST_H */
