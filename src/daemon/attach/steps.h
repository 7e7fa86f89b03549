/* SPDX-License-Identifier: MIT
 * steps.h - the events of an attachment, and the steps they cause
 */
#ifndef DAEMON_ATTACH_STEPS_H
#define DAEMON_ATTACH_STEPS_H

#include "daemon/attach/attachment.h"
#include "util/compiler.h"

struct uevent;

/* Makes or opens a NEW one. Return: 0, or -errno at once, in @at->failure: an emulated one cannot
 * be made. It is OUT then, and its order was not answered. */
MUST_USE int attachment_start(struct attachment *at);
/* Plugs in the device that is HELD. Return: 0, or -errno, logged. */
int attachment_plug(struct attachment *at);
/* See attach_detach(), attach_reset(). */
MUST_USE int attachment_detach(struct attachment *at, void (*done)(void *ctx), void *ctx);
MUST_USE int attachment_reset(struct attachment *at, attach_done *done, void *ctx,
			      struct err *err);
/* The device, which is PLUGGED, was pulled on the host. */
void attachment_lost(struct attachment *at);
/* A report of the kernel; NULL: some may have been lost. */
void attachment_hear(struct attachment *at, const struct uevent *event);
/* In ATTACH_PHASE_STOPPING: gives its device back. */
void attachment_stop(struct attachment *at);

#endif /* DAEMON_ATTACH_STEPS_H */
