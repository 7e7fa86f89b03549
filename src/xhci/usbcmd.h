/* SPDX-License-Identifier: MIT
 * usbcmd.h - the orders of USBCMD: run and halt, reset, save, restore (5.4.1)
 *
 * Loop thread only.
 */
#ifndef XHCI_USBCMD_H
#define XHCI_USBCMD_H

#include <stdbool.h>

struct xhci;

/* The guest wrote RS. The controller halts when xhci_halt_run() sees no transfer any more. */
void xhci_set_running(struct xhci *xhci, bool run);
/* Once in a run, after its work: starts to halt a controller that has failed, and sets HCH when
 * no device holds a transfer any more. */
void xhci_halt_run(struct xhci *xhci);
/* HCRST. */
void xhci_hcrst(struct xhci *xhci);
/* CSS and CRS. They complete at once. */
void xhci_save_state(struct xhci *xhci);
void xhci_restore_state(struct xhci *xhci);

#endif /* XHCI_USBCMD_H */
