/* SPDX-License-Identifier: MIT
 * fake.h - control servers with a simple owner, and usbvfioctl run against them
 *
 * usbvfioctl runs in its own process; the loop turns until it has ended. Anything unexpected fails
 * the running cmocka test.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "control/request.h"
#include "control/server.h"
#include "util/loop.h"

#define FAKE_DAEMONS 2u
#define FAKE_DEVICES 4u

struct fake;

/**
 * struct fake_daemon
 * @path:	of its socket, in $XDG_RUNTIME_DIR/usbvfiod
 * @refuses:	mask of 1 << enum control_verb for requests to refuse with @code
 * @sandbox:	left out of answers if it has no mode
 * @devices:	its list; it attaches the first one
 * @asked:	one line for each request
 */
struct fake_daemon {
	struct fake *fake;
	struct control_server *server;
	char path[108];
	unsigned refuses;
	enum control_code code;
	struct control_device devices[FAKE_DEVICES];
	unsigned ndevices;
	struct control_vmm vmm;
	struct control_sandbox sandbox;
	char asked[4096];
};

/**
 * struct fake
 * @dir:	the test's folder, which becomes $XDG_RUNTIME_DIR; nodes are below dir/nodes
 * @out, @errors: output of the last run
 * @out_fd, @errors_fd: where the running program writes to
 * @pid:	of the running program
 * @on_turn:	called in each turn while the program runs; NULL = none
 */
struct fake {
	struct loop *loop;
	char dir[64];
	struct fake_daemon daemons[FAKE_DAEMONS];
	char out[65536];
	char errors[8192];
	int out_fd;
	int errors_fd;
	pid_t pid;
	void (*on_turn)(struct fake *fake);
};

/* cmocka set-up, with one daemon; fake_start() starts the second. */
int fake_setup(void **state);
int fake_teardown(void **state);
struct fake_daemon *fake_start(struct fake *fake, unsigned which);
void fake_stop(struct fake_daemon *daemon);

/* Makes a file dir/nodes/003/017 with @content. Returns the path in a static buffer. */
const char *fake_node(struct fake *fake, const char *content);

/* Runs usbvfioctl; @args ends with NULL. Return: its exit status */
int fake_run(struct fake *fake, const char *const args[]);
/* Runs @child() in its own process, and captures its output too. Return: its status */
int fake_run_child(struct fake *fake, int (*child)(void *ctx), void *ctx);

/* Whether the running program has written anything to stdout. */
bool fake_has_printed(const struct fake *fake);

/* Whether the running program has written @part to stderr. Updates @fake->errors. */
bool fake_has_said(struct fake *fake, const char *part);

void fake_expect(const char *text, const char *part);
void fake_expect_not(const char *text, const char *part);

#define RUN(fake, ...) fake_run(fake, (const char *const[]){__VA_ARGS__, NULL})

#endif /* FAKE_H */
