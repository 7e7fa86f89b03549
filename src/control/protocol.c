/* SPDX-License-Identifier: MIT
 * protocol.c - words, numbers and limits of the control socket, for both ends
 */
#include "control/protocol.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const verbs[] = {
	[CONTROL_VERB_HELLO] = "hello",     [CONTROL_VERB_WATCH] = "watch",
	[CONTROL_VERB_ATTACH] = "attach",   [CONTROL_VERB_DETACH] = "detach",
	[CONTROL_VERB_LIST] = "list",       [CONTROL_VERB_STATS] = "stats",
	[CONTROL_VERB_CAPTURE] = "capture", [CONTROL_VERB_LOG] = "log",
	[CONTROL_VERB_RULES] = "rules",     [CONTROL_VERB_RESET] = "reset",
};

static const struct {
	const char *name;
	enum control_legacy legacy;
} codes[] = {
	/* The legacy dialect has few words; "failed to open" is the one for the rest. */
	[CONTROL_CODE_BAD_REQUEST] = {"bad-request", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_UNKNOWN_VERB] = {"unknown-verb", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_UNKNOWN_FIELD] = {"unknown-field", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_VERSION] = {"version", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_TOO_LARGE] = {"too-large", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_TOO_MANY] = {"too-many", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_NO_SUCH_DEVICE] = {"no-such-device", CONTROL_LEGACY_NO_SUCH_DEVICE},
	[CONTROL_CODE_NO_SUCH_RULE] = {"no-such-rule", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_NO_FREE_PORT] = {"no-free-port", CONTROL_LEGACY_NO_FREE_PORT},
	[CONTROL_CODE_SPEED_UNKNOWN] = {"speed-unknown", CONTROL_LEGACY_SPEED_UNKNOWN},
	[CONTROL_CODE_CANNOT_OPEN] = {"cannot-open", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_BUSY] = {"busy", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_REFUSED] = {"refused", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_ALREADY_ATTACHED] = {"already-attached",
					   CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_NOT_SUPPORTED] = {"not-supported", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_NOT_ALLOWED] = {"not-allowed", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_STOPPING] = {"stopping", CONTROL_LEGACY_CANNOT_OPEN},
	[CONTROL_CODE_INTERNAL] = {"internal", CONTROL_LEGACY_CANNOT_OPEN},
};

static const char *const events[] = {
	[CONTROL_EVENT_ATTACHED] = "attached", [CONTROL_EVENT_DETACHED] = "detached",
	[CONTROL_EVENT_GONE] = "gone",         [CONTROL_EVENT_RETURNED] = "returned",
	[CONTROL_EVENT_FAILED] = "failed",     [CONTROL_EVENT_RULE_HELD] = "rule-held",
};

static_assert(ARRAY_SIZE(verbs) == CONTROL_VERBS, "a name for each verb");
static_assert(ARRAY_SIZE(codes) == CONTROL_CODES, "a name for each code");
static_assert(ARRAY_SIZE(events) == CONTROL_EVENTS, "a name for each event");

const char *control_verb_name(enum control_verb verb)
{
	assert(verb < CONTROL_VERBS);
	return verbs[verb];
}

const char *control_code_name(enum control_code code)
{
	assert(code < CONTROL_CODES);
	return codes[code].name;
}

const char *control_event_name(enum control_event event)
{
	assert(event < CONTROL_EVENTS);
	return events[event];
}

static int find_name(const char *const names[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int control_verb_find(const char *name)
{
	return find_name(verbs, ARRAY_SIZE(verbs), name);
}

int control_event_find(const char *name)
{
	return find_name(events, ARRAY_SIZE(events), name);
}

int control_code_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (strcmp(codes[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

enum control_legacy control_code_legacy(enum control_code code)
{
	assert(code < CONTROL_CODES);
	return codes[code].legacy;
}

enum control_code control_code_of_errno(int errno_negative)
{
	switch (-errno_negative) {
	case EBUSY:
	case ETXTBSY:
		return CONTROL_CODE_BUSY;
	case ENODEV:
	case ENXIO:
		return CONTROL_CODE_NO_SUCH_DEVICE;
	case ENOSPC:
		return CONTROL_CODE_NO_FREE_PORT;
	case ENOENT:
	case EACCES:
	case EPERM:
	case ENOTTY:
	case EBADF:
	case EIO:
	case EPROTO:
	case ETIMEDOUT:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case EROFS:
	case ENAMETOOLONG:
		return CONTROL_CODE_CANNOT_OPEN;
	case EINVAL:
		return CONTROL_CODE_BAD_REQUEST;
	case E2BIG:
	case EFBIG:
	case EMSGSIZE:
		return CONTROL_CODE_TOO_LARGE;
	case EEXIST:
	case EALREADY:
		return CONTROL_CODE_ALREADY_ATTACHED;
	case EOPNOTSUPP:
	case ENOSYS:
		return CONTROL_CODE_NOT_SUPPORTED;
	case ESHUTDOWN:
		return CONTROL_CODE_STOPPING;
	default:
		return CONTROL_CODE_INTERNAL;
	}
}
