/* SPDX-License-Identifier: MIT
 * parse.h - a line of JSON into a request, strictly
 */
#ifndef CONTROL_PARSE_H
#define CONTROL_PARSE_H

#include <stddef.h>

#include "control/protocol.h"
#include "util/compiler.h"

struct control_pending;

/* Why a request is refused. */
struct control_refusal {
	enum control_code code;
	char text[256];
};

/**
 * control_parse() - a line of JSON into a request
 * @line:	@len bytes without the newline; a NUL follows
 * @pending:	->req.fd is set already; the rest is filled as far as it goes, ->id also
 *		if the request is refused
 *
 * Return: 0 or -1 with @refusal filled.
 */
MUST_USE int control_parse(struct control_pending *pending, const char *line, size_t len,
			   struct control_refusal *refusal);

#endif /* CONTROL_PARSE_H */
