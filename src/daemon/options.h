/* SPDX-License-Identifier: MIT
 * options.h - the command line and the sockets a service manager passes
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/sandbox/access.h"
#include "daemon/vm.h"
#include "util/compiler.h"
#include "util/err.h"
#include "util/log.h"
#include "util/peers.h"

#define OPTIONS_SANDBOX_PATHS_MAX 32u

enum options_action {
	OPTIONS_ACTION_RUN,
	OPTIONS_ACTION_HELP,
	OPTIONS_ACTION_VERSION,
};

/**
 * struct options - the command line; the strings are argv's
 * @socket_path: where to listen, or NULL: then @fd is used
 * @fd:		listening or connected socket, or -1
 * @devices:	device specs in their order
 * @ports:	of each kind (USB 2 and USB 3)
 * @control_path: where to listen for clients of the control socket, or NULL
 * @control_fd:	listening socket for them, or -1
 * @rules_path:	file of rules, or NULL
 * @vmm_peers, @control_peers, @control_readers: see peers.h; none given: all that can connect
 * @pcap_path:	capture of the USB traffic, or NULL
 * @memory_files: whose files may be guest memory, for vm_options
 * @user:	user to become, see sandbox_confine(); NULL: stay
 * @sandbox_paths: paths that clients may name beside those of the other options
 */
struct options {
	enum options_action action;
	const char *socket_path;
	int fd;
	const char *devices[VM_PORT_MAX];
	unsigned device_count;
	unsigned ports;
	const char *control_path;
	int control_fd;
	const char *rules_path;
	const char *pcap_path;
	const char *memory_files;
	struct peers vmm_peers;
	struct peers control_peers;
	struct peers control_readers;
	const char *user;
	enum sandbox_mode sandbox;
	const char *sandbox_paths[OPTIONS_SANDBOX_PATHS_MAX];
	unsigned sandbox_path_count;
	bool no_msix;
	bool no_color;
	enum log_level log_level;
};

/* Fills @options. With OPTIONS_ACTION_HELP or _VERSION nothing else is checked.
 * @passed_fds: result of options_passed_fds().
 * Return: 0, or -errno with the reason in @err (wrong usage: exit status 2). */
MUST_USE int options_parse(struct options *options, int argc, char *argv[],
			   unsigned passed_fds, struct err *err);

/**
 * options_passed_fds() - how many sockets a service manager passed
 *
 * The protocol of sd_listen_fds(3): LISTEN_PID is us, LISTEN_FDS counts the
 * fds from 3 up. Takes both out of the environment.
 */
unsigned options_passed_fds(void);

void options_print_help(FILE *file);

#endif /* DAEMON_OPTIONS_H */
