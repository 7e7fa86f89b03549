/* SPDX-License-Identifier: MIT
 * pipe.c - the ground of an endpoint
 */
#include "xhci/pipe.h"

#include "xhci/controller.h"

void xhci_pipe_init(struct xhci_pipe *pipe, struct xhci *xhci, struct xhci_ep_id id,
		    struct usbdev *dev)
{
	*pipe = (struct xhci_pipe){
		.xhci = xhci,
		.id = id,
		.ep_addr = xhci_dci_ep_addr(id.dci),
		.dev = dev,
		.state = XHCI_EP_STATE_RUNNING,
		.activity = XHCI_EP_ACTIVITY_ACTIVE,
	};
	list_init(&pipe->rings);
	list_init(&pipe->kicked_rings);
	list_init(&pipe->kick_node);
}

void xhci_pipe_kick(struct xhci_pipe *pipe)
{
	if (list_empty(&pipe->kick_node))
		list_append(&pipe->xhci->kicked_endpoints, &pipe->kick_node);
	xhci_kick(pipe->xhci);
}
