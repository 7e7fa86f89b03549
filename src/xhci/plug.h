/* SPDX-License-Identifier: MIT
 * plug.h - devices that were pulled, until the controller releases them
 *
 * xhci_attach() and xhci_detach() are in xhci.h. Loop thread only.
 */
#ifndef XHCI_PLUG_H
#define XHCI_PLUG_H

struct xhci;

/* Releases the pulled devices that nothing holds any more. */
void xhci_releases_run(struct xhci *xhci);

#endif /* XHCI_PLUG_H */
