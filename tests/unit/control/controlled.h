/* SPDX-License-Identifier: MIT
 * controlled.h - a control server with an owner that records its requests
 *
 * Tests are the clients and step the loop themselves, all in one thread. Anything
 * unexpected fails the running cmocka test.
 */
#ifndef CONTROLLED_H
#define CONTROLLED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sockets.h"
#include "control/request.h"
#include "control/server.h"
#include "util/loop.h"

#define REQUESTS_MAX 64u

/* What the owner does with a request. */
enum owner_mode {
	OWNER_ANSWERS, /* at once: a fixed device, a list of three, {"done": verb} */
	OWNER_KEEPS,   /* not yet: in @kept */
	OWNER_REFUSES, /* with @code */
};

struct json_object;

struct controlled {
	struct loop *loop;
	struct control_server *server;
	int fds_at_start;
	char dir[64];
	char path[96];

	enum owner_mode mode;
	enum control_code code;
	unsigned nrequests;
	enum control_verb last_verb;
	int last_fd; /* of the last request: taken, closed at the end */
	struct control_request *kept[REQUESTS_MAX];
	unsigned nkept;
	size_t list_devices;
};

/* cmocka set-up and tear-down. The tear-down destroys the server, answers pending requests
 * and checks that no fd was leaked. */
int controlled_setup(void **state);
int controlled_setup_hasty(void **state); /* with a time limit of 20 ms */
int controlled_teardown(void **state);

/* Steps the loop until nothing more can happen at once. */
void run(struct controlled *c);
/* Steps the loop, waiting, until @fd has something for us, if only its end. */
void run_until_readable(struct controlled *c, int fd);

int connect_client(struct controlled *c);
/* @nfds times @fd goes with it. */
void send_fds(int fd, const void *bytes, size_t len, int passed, unsigned nfds);
void send_text(int fd, const char *text);
void send_text_fd(int fd, const char *text, int passed, unsigned nfds);
/* One line without its newline, which must be there in full; in a static buffer. */
const char *take_line(int fd);
void expect_line(int fd, const char *wanted);
/* The next line has all of @part within. */
void expect_part(int fd, const char *part);
/* Sends @text and a newline, steps, and takes the line. */
const char *ask(struct controlled *c, int fd, const char *text);
/* ... which is a refusal with @code and @part within its message. */
void ask_refused(struct controlled *c, int fd, const char *text, const char *code,
		 const char *part);
/* @json, which is taken, prints as @wanted. */
void expect_json(struct json_object *json, const char *wanted);
/* The connection still works. */
void expect_alive(struct controlled *c, int fd);

#endif /* CONTROLLED_H */
