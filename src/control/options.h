/* SPDX-License-Identifier: MIT
 * options.h - options of a control server
 */
#ifndef CONTROL_OPTIONS_H
#define CONTROL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct control_request;
struct peers;

/* Bytes of unread events per watcher. Beyond it the watcher loses events, and learns how
 * many. */
#define CONTROL_OUT_MAX ((size_t)256 * 1024)

/**
 * struct control_options
 * @daemon:	name and version, for "hello": "usbvfiod 0.1.0"; borrowed for ever
 * @request:	answer @req, now or later, exactly once (control/request.h). Must not
 *		destroy the server
 * @operators:	may use all verbs; root and our own user always may. NULL: see below.
 *		Borrowed for ever
 * @readers:	may use "hello", "list", "stats" and "watch". Borrowed for ever. With neither
 *		list, everyone who can connect is an operator
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
