/* SPDX-License-Identifier: MIT
 * command.h - the command ring (4.6)
 */
#ifndef XHCI_COMMAND_H
#define XHCI_COMMAND_H

#include "xhci/endpoint.h"

struct xhci;

/* Power-on and HCRST state. */
void xhci_commands_reset(struct xhci *xhci);
/* RS went to 0: the ring stops; a command not finished is taken again later. */
void xhci_commands_halt(struct xhci *xhci);
/* Executes commands, a bounded number, and CS/CA. */
enum xhci_progress xhci_commands_run(struct xhci *xhci);

#endif /* XHCI_COMMAND_H */
