/* SPDX-License-Identifier: MIT
 * options.h - what the owner of a control server says at its start
 */
#ifndef CONTROL_OPTIONS_H
#define CONTROL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct control_request;
struct peers;

/* Bytes of events kept for a watcher. Beyond it events are lost to that watcher, which
 * is told how many. */
#define CONTROL_OUT_MAX ((size_t)256 * 1024)

/**
 * struct control_options
 * @daemon:	name and version, told by "hello": "usbvfiod 0.1.0"; borrowed for ever
 * @request:	answer @req, now or later, exactly once (control/request.h). Must not
 *		destroy the server
 * @operators:	may ask for everything; root and our own user always are. NULL: see below.
 *		Borrowed for ever
 * @readers:	may ask what there is and what happens: "hello", "list", "stats", "watch";
 *		likewise. With neither, everyone who can connect is an operator
 * @timeout_ns:	0 = CONTROL_TIMEOUT_NS
 */
struct control_options {
	const char *daemon;
	void (*request)(void *ctx, struct control_request *req);
	void *ctx;
	const struct peers *operators;
	const struct peers *readers;
	uint64_t timeout_ns;
};

#endif /* CONTROL_OPTIONS_H */
