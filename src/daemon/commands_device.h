/* SPDX-License-Identifier: MIT
 * commands_device.h - requests about devices: attach, detach, reset, list, stats
 */
#ifndef DAEMON_COMMANDS_DEVICE_H
#define DAEMON_COMMANDS_DEVICE_H

#include "control/request.h"
#include "util/list.h"

struct attach;
struct vm;

/**
 * struct device_commands - the objects that requests about devices act on
 * @pending:	requests that wait for attach, see commands_pending.h
 */
struct device_commands {
	struct vm *vm;
	struct attach *attach;
	struct list pending;
};

void command_attach(struct device_commands *commands, struct control_request *req);
/* Detach, reset, list and stats. */
void command_with_devices(struct device_commands *commands, struct control_request *req);

#endif /* DAEMON_COMMANDS_DEVICE_H */
