/* SPDX-License-Identifier: MIT
 * protocol.h - words, numbers and limits of the control socket, for both ends
 *
 * docs/control-protocol.md describes the protocol itself.
 */
#ifndef CONTROL_PROTOCOL_H
#define CONTROL_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"

#define CONTROL_VERSION 1

/* A request, its newline included. */
#define CONTROL_LINE_MAX ((size_t)64 * 1024)
/* An answer or an event, its newline included. */
#define CONTROL_ANSWER_MAX ((size_t)1024 * 1024)
/* Nesting of arrays and objects in a request. */
#define CONTROL_DEPTH_MAX 8
/* Bytes of a string in a request, unless a smaller limit is given. */
#define CONTROL_STRING_MAX 4096u
/* Devices in a list of the legacy dialect: its client counts their bytes in one byte. */
#define CONTROL_LEGACY_LIST_MAX 127u

enum control_verb {
	CONTROL_VERB_HELLO, /* the server itself answers this and WATCH */
	CONTROL_VERB_WATCH,
	CONTROL_VERB_ATTACH,
	CONTROL_VERB_DETACH,
	CONTROL_VERB_LIST,
	CONTROL_VERB_STATS,
	CONTROL_VERB_CAPTURE,
	CONTROL_VERB_LOG,
	CONTROL_VERB_RULES,
	CONTROL_VERB_RESET,
};
#define CONTROL_VERBS 10u

/* Why a request was refused, as the client sees it. */
enum control_code {
	CONTROL_CODE_BAD_REQUEST,   /* no JSON, a wrong type, a missing field */
	CONTROL_CODE_UNKNOWN_VERB,  /* "verb" is none of ours */
	CONTROL_CODE_UNKNOWN_FIELD, /* a field that the verb does not have */
	CONTROL_CODE_VERSION,       /* the client wants a newer protocol */
	CONTROL_CODE_TOO_LARGE,     /* a line, string or answer over its limit */
	CONTROL_CODE_TOO_MANY,      /* no room for one more client, rule, ... */
	CONTROL_CODE_NO_SUCH_DEVICE,
	CONTROL_CODE_NO_SUCH_RULE,
	CONTROL_CODE_NO_FREE_PORT,
	CONTROL_CODE_SPEED_UNKNOWN,
	CONTROL_CODE_CANNOT_OPEN,      /* the node or file cannot be opened or is none */
	CONTROL_CODE_BUSY,             /* another process or driver has the device */
	CONTROL_CODE_REFUSED,          /* it would harm the host; "force" overrides */
	CONTROL_CODE_ALREADY_ATTACHED, /* of a rule: its name or text exists */
	CONTROL_CODE_NOT_SUPPORTED,    /* this daemon or device cannot do it */
	CONTROL_CODE_NOT_ALLOWED,      /* not to this user */
	CONTROL_CODE_STOPPING,         /* the daemon is about to end */
	CONTROL_CODE_INTERNAL,         /* out of memory and the like */
};
#define CONTROL_CODES 18u

/* Events for watchers. */
enum control_event {
	CONTROL_EVENT_ATTACHED, /* plugged into a virtual port */
	CONTROL_EVENT_DETACHED, /* unplugged on request */
	CONTROL_EVENT_GONE,     /* pulled on the host's side */
	CONTROL_EVENT_RETURNED, /* as attached, after "gone" */
	CONTROL_EVENT_FAILED, /* attaching failed, or the device is lost; see the message */
	CONTROL_EVENT_RULE_HELD, /* a rule matches but does not attach; see the message */
};
#define CONTROL_EVENTS 6u

/* The byte that begins an answer of the legacy dialect. */
enum control_legacy {
	CONTROL_LEGACY_SUCCESS = 0,
	CONTROL_LEGACY_LIST = 1,
	CONTROL_LEGACY_NO_FREE_PORT = 2,
	CONTROL_LEGACY_SPEED_UNKNOWN = 3,
	CONTROL_LEGACY_CANNOT_OPEN = 4,
	CONTROL_LEGACY_NO_SUCH_DEVICE = 5,
};

/* The byte that begins a request of the legacy dialect. */
enum control_legacy_cmd {
	CONTROL_LEGACY_CMD_ATTACH = 0,
	CONTROL_LEGACY_CMD_DETACH = 1,
	CONTROL_LEGACY_CMD_LIST = 2,
};
#define CONTROL_LEGACY_REQUEST_BYTES 3u

/* The words of the protocol: "attach", "no-such-device", "attached". */
const char *control_verb_name(enum control_verb verb);
const char *control_code_name(enum control_code code);
const char *control_event_name(enum control_event event);

/* Return: the value, or -ENOENT if there is none of that name. */
MUST_USE int control_verb_find(const char *name);
MUST_USE int control_code_find(const char *name);
MUST_USE int control_event_find(const char *name);

/* The answer of the legacy dialect for a refusal. */
enum control_legacy control_code_legacy(enum control_code code);
/* The code that fits -errno of opening or attaching a device (-EBUSY: BUSY,
 * -ENODEV: NO_SUCH_DEVICE, ...); INTERNAL if none does. */
enum control_code control_code_of_errno(int errno_negative);

#endif /* CONTROL_PROTOCOL_H */
