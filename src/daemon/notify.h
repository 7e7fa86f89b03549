/* SPDX-License-Identifier: MIT
 * notify.h - telling the service manager how we are (sd_notify(3))
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include "util/compiler.h"

/**
 * notify_manager() - send @state ("READY=1") to the socket in NOTIFY_SOCKET
 *
 * Return: 0, also if there is no such variable; -errno if it names no socket
 * that takes the message.
 */
MUST_USE int notify_manager(const char *state);

#endif /* DAEMON_NOTIFY_H */
