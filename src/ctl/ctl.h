/* SPDX-License-Identifier: MIT
 * ctl.h - usbvfioctl: shared by its verbs
 *
 * A program for the command line: it has one thread, may wait, and ends without memory.
 * Texts from daemons and devices are hostile: they reach a terminal by ctl_clean() only.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

struct control_client;
struct json_object;

/* The result of a verb, and the program's exit status. */
enum ctl_status {
	CTL_STATUS_DONE = 0,
	CTL_STATUS_FAILED = 1, /* refused or failed */
	CTL_STATUS_USAGE = 2,  /* the command line is wrong */
};

/* Options, for the set that a verb takes. --socket, --json, --help and --version go with
 * all. */
enum ctl_option {
	CTL_OPTION_ALL = 1 << 0,
	CTL_OPTION_LEGACY = 1 << 1,
	CTL_OPTION_PORT = 1 << 2,
	CTL_OPTION_FORCE = 1 << 3,
	CTL_OPTION_NAME = 1 << 4,
	CTL_OPTION_RESET = 1 << 5,
	CTL_OPTION_TO = 1 << 6,
	CTL_OPTION_RULES = 1 << 7,
};

/**
 * struct ctl - the command line
 * @given:	mask of enum ctl_option
 * @socket:	NULL = the only one there is
 * @port:	0 = any
 * @node_folder: where the host's USB nodes are: "/dev/bus/usb"
 * @args:	@nargs words behind the verb
 */
struct ctl {
	unsigned given;
	bool json;
	bool help;
	bool version;
	const char *socket;
	unsigned port;
	const char *name;
	const char *reset;
	const char *to;
	const char *rules;
	const char *node_folder;
	const char *verb;
	char **args;
	int nargs;
};

/**
 * struct ctl_verb - one verb
 * @usage:	its arguments and own options, for --help
 * @does:	one line, for --help
 * @options:	mask of enum ctl_option
 * @run:	called with a valid number of arguments, and options of @options only
 */
struct ctl_verb {
	const char *name;
	const char *usage;
	const char *does;
	unsigned options;
	int args_min;
	int args_max;
	enum ctl_status (*run)(const struct ctl *ctl);
};

/* The verbs, one file each. */
enum ctl_status ctl_attach(const struct ctl *ctl);
enum ctl_status ctl_detach(const struct ctl *ctl);
enum ctl_status ctl_list(const struct ctl *ctl);
enum ctl_status ctl_watch(const struct ctl *ctl);
enum ctl_status ctl_stats(const struct ctl *ctl);
enum ctl_status ctl_capture(const struct ctl *ctl);
enum ctl_status ctl_log(const struct ctl *ctl);
enum ctl_status ctl_rules(const struct ctl *ctl);
enum ctl_status ctl_reset(const struct ctl *ctl);
enum ctl_status ctl_move(const struct ctl *ctl);
enum ctl_status ctl_doctor(const struct ctl *ctl);
enum ctl_status ctl_agent(const struct ctl *ctl);

/* Fills @ctl. Return: CTL_STATUS_USAGE after a complaint. */
MUST_USE enum ctl_status ctl_options_parse(struct ctl *ctl, int argc, char *argv[]);

/* ---- call.c ---- */

/* Prints a line on stderr. */
PRINTF_LIKE(1, 2) void ctl_complain(const char *format, ...);
/* The same, for a wrong command line. Return: CTL_STATUS_USAGE. */
PRINTF_LIKE(1, 2) enum ctl_status ctl_misused(const char *format, ...);

/* The socket to use: --socket or the only one. Return: in a static buffer; NULL after a
 * complaint if there is none or are several. */
const char *ctl_socket(const struct ctl *ctl);
/* Return: owned, for control_disconnect(); NULL after a complaint. */
struct control_client *ctl_connect(const char *path);

/* A request with only its verb. Return: owned, never NULL. */
struct json_object *ctl_request(const char *verb);
/* Adds nothing for NULL. */
void ctl_put_text(struct json_object *request, const char *key, const char *text);
void ctl_put_number(struct json_object *request, const char *key, int64_t number);
void ctl_put_true(struct json_object *request, const char *key);
/* The device that the arguments from @first on name: ID, BUS:DEV, or "port" and N. Return:
 * owned by the caller. */
char *ctl_target(const struct ctl *ctl, int first);

/**
 * ctl_call() - send a request, and print a refusal
 * @request:	taken
 * @fd:		goes with it, borrowed; -1 = none
 * @ret_answer:	owned by the caller, NULL unless CTL_STATUS_DONE
 *
 * Prints a refusal on stderr, and with --json on stdout too.
 */
MUST_USE enum ctl_status ctl_call(const struct ctl *ctl, struct control_client *client,
				  struct json_object *request, int fd,
				  struct json_object **ret_answer);
/* Connects to ctl_socket() and calls ctl_call(). With --json prints the answer. */
MUST_USE enum ctl_status ctl_ask(const struct ctl *ctl, struct json_object *request,
				 int fd, struct json_object **ret_answer);
/* The same, and prints "@done ID, port N" for the device in the answer. */
MUST_USE enum ctl_status ctl_ask_device(const struct ctl *ctl,
					struct json_object *request, int fd,
					const char *done, const char *target);
/* Prints "@done ID (NAME), port N" for the device in @answer, unless --json. @target: its
 * name if the answer has none. */
void ctl_say_device(const struct ctl *ctl, struct json_object *answer, const char *done,
		    const char *target);

/* The id of the rule that was added. Borrowed from @answer, never NULL. */
const char *ctl_rule_id(struct json_object *answer);

/* ---- legacy.c: the same in the dialect of 3 bytes ---- */

enum ctl_status ctl_legacy_attach(const struct ctl *ctl, unsigned bus, unsigned address,
				  int fd);
enum ctl_status ctl_legacy_detach(const struct ctl *ctl, const char *target);
enum ctl_status ctl_legacy_list(const struct ctl *ctl);

#endif /* CTL_CTL_H */
