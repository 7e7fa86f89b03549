/* SPDX-License-Identifier: MIT
 * endpoint_commands.h - the commands that stop, reset and move an endpoint (4.6.8 to 4.6.10)
 *
 * Loop thread only.
 */
#ifndef XHCI_ENDPOINT_COMMANDS_H
#define XHCI_ENDPOINT_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "xhci/spec.h"

struct xhci_endpoint;

/* Each returns the completion code, XHCI_CC_PENDING while it waits. */
enum xhci_cc xhci_endpoint_stop(struct xhci_endpoint *ep);
enum xhci_cc xhci_endpoint_reset(struct xhci_endpoint *ep, bool preserve_state);
enum xhci_cc xhci_endpoint_set_dequeue(struct xhci_endpoint *ep, unsigned stream_id,
				       uint64_t pointer);

#endif /* XHCI_ENDPOINT_COMMANDS_H */
