/* SPDX-License-Identifier: MIT
 * controlled.h - a control server with an owner that records its requests
 *
 * Tests act as clients and step the loop themselves, all in one thread. Anything unexpected fails
 * the running cmocka test.
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
	OWNER_ANSWERS, /* answers at once: a fixed device, a list of three, {"done": verb} */
	OWNER_KEEPS,   /* stores it in @kept without an answer */
	OWNER_REFUSES, /* refuses it with @code */
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
	int last_fd; /* of the last request; the tear-down closes it */
	struct control_request *kept[REQUESTS_MAX];
	unsigned nkept;
	size_t list_devices;
};

/* cmocka set-up and tear-down. The tear-down destroys the server, answers pending requests
 * and checks that no fd was leaked. */
int controlled_setup(void **state);
int controlled_setup_hasty(void **state); /* with a time limit of 20 ms */
int controlled_teardown(void **state);

/* Steps the loop until nothing is left to do at once. */
void run(struct controlled *c);
/* Steps the loop until @fd has bytes for us or has ended. */
void run_until_readable(struct controlled *c, int fd);

int connect_client(struct controlled *c);
/* Sends bytes with @nfds copies of @passed. */
void send_fds(int fd, const void *bytes, size_t len, int passed, unsigned nfds);
void send_text(int fd, const char *text);
void send_text_fd(int fd, const char *text, int passed, unsigned nfds);
/* Receives a whole line, without its newline. Returns a static buffer. */
const char *take_line(int fd);
void expect_line(int fd, const char *wanted);
/* Demands that the next line contains @part. */
void expect_part(int fd, const char *part);
/* Sends @text and a newline, steps, and receives the answer's line. */
const char *ask(struct controlled *c, int fd, const char *text);
/* The same; demands a refusal with @code, and @part in its message. */
void ask_refused(struct controlled *c, int fd, const char *text, const char *code,
		 const char *part);
/* Demands that @json prints as @wanted. Takes @json. */
void expect_json(struct json_object *json, const char *wanted);
/* Demands that the connection still works. */
void expect_alive(struct controlled *c, int fd);

#endif /* CONTROLLED_H */
