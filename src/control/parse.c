/* SPDX-License-Identifier: MIT
 * parse.c - a line of JSON into a request, strictly
 *
 * Each verb has a table of its fields. A field that is not in the table, or has another
 * type, makes the parser refuse the line by the field's name. Afterwards it checks which
 * fields go together.
 */
#include "control/parse.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "control/pending.h"

/* Memory that json-c needs for a line, see control_has_memory(): "[0,0,0" is the worst. */
#define PARSE_MEMORY_MIN      4096u
#define PARSE_MEMORY_PER_BYTE 64u

#define ID_BYTES_MAX 256u
#define PORT_MAX     255
#define ADDRESS_MAX  999

enum field_type {
	FIELD_TYPE_STRING,
	FIELD_TYPE_BOOL,
	FIELD_TYPE_PORT,    /* 1 to PORT_MAX */
	FIELD_TYPE_ADDRESS, /* 1 to ADDRESS_MAX */
	FIELD_TYPE_DEVICE,  /* into a struct control_target */
	FIELD_TYPE_ACTION,  /* a string, into an enum by the words of the verb */
	FIELD_TYPE_EVENTS,  /* array of names, into a mask */
};

/**
 * struct field - one field of a verb
 * @offset:	of its place in struct control_pending
 * @words:	of FIELD_TYPE_ACTION, in the order of the enum, ends with NULL
 */
struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	const char *const *words;
};

#define REQ(member) offsetof(struct control_pending, req.member)

static const char *const capture_actions[] = {
	[CONTROL_CAPTURE_ACTION_START] = "start",
	[CONTROL_CAPTURE_ACTION_STOP] = "stop",
	[CONTROL_CAPTURE_ACTION_STATUS] = "status",
	NULL,
};
static const char *const rules_actions[] = {
	[CONTROL_RULES_ACTION_ADD] = "add",
	[CONTROL_RULES_ACTION_REMOVE] = "remove",
	[CONTROL_RULES_ACTION_LIST] = "list",
	NULL,
};

static const struct field no_fields[] = {{0}};
static const struct field watch_fields[] = {
	{"events", FIELD_TYPE_EVENTS, offsetof(struct control_pending, events), NULL},
	{0},
};
static const struct field attach_fields[] = {
	{"spec", FIELD_TYPE_STRING, REQ(attach.spec), NULL},
	{"name", FIELD_TYPE_STRING, REQ(attach.name), NULL},
	{"reset", FIELD_TYPE_STRING, REQ(attach.reset), NULL},
	{"port", FIELD_TYPE_PORT, REQ(attach.port), NULL},
	{"force", FIELD_TYPE_BOOL, REQ(attach.force), NULL},
	{"rule_id", FIELD_TYPE_STRING, REQ(attach.rule_id), NULL},
	{"bus", FIELD_TYPE_ADDRESS, REQ(attach.bus), NULL},
	{"address", FIELD_TYPE_ADDRESS, REQ(attach.address), NULL},
	{0},
};
static const struct field device_fields[] = {
	{"device", FIELD_TYPE_DEVICE, REQ(target), NULL},
	{0},
};
static const struct field capture_fields[] = {
	{"action", FIELD_TYPE_ACTION, REQ(capture.action), capture_actions},
	{"path", FIELD_TYPE_STRING, REQ(capture.path), NULL},
	{0},
};
static const struct field log_fields[] = {
	{"level", FIELD_TYPE_STRING, REQ(log.level), NULL},
	{"subsystem", FIELD_TYPE_STRING, REQ(log.subsystem), NULL},
	{0},
};
static const struct field rules_fields[] = {
	{"action", FIELD_TYPE_ACTION, REQ(rules.action), rules_actions},
	{"rule", FIELD_TYPE_STRING, REQ(rules.rule), NULL},
	{"rule_id", FIELD_TYPE_STRING, REQ(rules.id), NULL},
	{0},
};

static const struct field *const verb_fields[CONTROL_VERBS] = {
	[CONTROL_VERB_HELLO] = no_fields,        [CONTROL_VERB_WATCH] = watch_fields,
	[CONTROL_VERB_ATTACH] = attach_fields,   [CONTROL_VERB_DETACH] = device_fields,
	[CONTROL_VERB_LIST] = no_fields,         [CONTROL_VERB_STATS] = device_fields,
	[CONTROL_VERB_CAPTURE] = capture_fields, [CONTROL_VERB_LOG] = log_fields,
	[CONTROL_VERB_RULES] = rules_fields,     [CONTROL_VERB_RESET] = device_fields,
};

PRINTF_LIKE(3, 4)
static void fill(struct control_refusal *refusal, enum control_code code,
		 const char *format, ...)
{
	va_list ap;

	refusal->code = code;
	va_start(ap, format);
	(void)vsnprintf(refusal->text, sizeof(refusal->text), format, ap);
	va_end(ap);
}

/* Fills @refusal; is -1, for callers to return. A macro because compilers do not look
 * into functions with "...", and must see that this is not 0. */
#define refuse(refusal, code, ...)                    \
	({                                            \
		fill((refusal), (code), __VA_ARGS__); \
		-1;                                   \
	})

static int refuse_type(struct control_refusal *refusal, const char *name,
		       const char *wanted)
{
	return refuse(refusal, CONTROL_CODE_BAD_REQUEST, "the field \"%.64s\" must be %s",
		      name, wanted);
}

static int read_string(const char *name, struct json_object *value,
		       const char **ret_string, struct control_refusal *refusal)
{
	const char *string;
	size_t len;

	if (!json_object_is_type(value, json_type_string))
		return refuse_type(refusal, name, "a string");
	string = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (len == 0)
		return refuse_type(refusal, name, "a string that is not empty");
	if (len > CONTROL_STRING_MAX)
		return refuse(refusal, CONTROL_CODE_TOO_LARGE,
			      "the field \"%.64s\" has %zu bytes, %u are possible", name,
			      len, CONTROL_STRING_MAX);
	if (strlen(string) != len)
		return refuse_type(refusal, name, "a string without NUL");
	*ret_string = string;
	return 0;
}

static int read_number(const char *name, struct json_object *value, int64_t max,
		       unsigned *ret_number, struct control_refusal *refusal)
{
	int64_t number;

	if (!json_object_is_type(value, json_type_int))
		return refuse_type(refusal, name, "a whole number");
	number = json_object_get_int64(value);
	if (number < 1 || number > max)
		return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
			      "the field \"%.64s\" must be from 1 to %lld", name,
			      (long long)max);
	*ret_number = (unsigned)number;
	return 0;
}

/* Takes up to @digits_max decimal digits at *@text and moves it behind them. Return: true
 * if there is at least one, and no further one. */
static bool take_decimal(const char **text, unsigned digits_max, unsigned *ret_number)
{
	const char *at = *text;
	unsigned number = 0;

	while (*at >= '0' && *at <= '9' && (unsigned)(at - *text) < digits_max)
		number = number * 10 + (unsigned)(*at++ - '0');
	if (at == *text || (*at >= '0' && *at <= '9'))
		return false;
	*text = at;
	*ret_number = number;
	return true;
}

/* BUS:ADDRESS, "port N", or else an id. */
static void read_target(const char *text, struct control_target *target)
{
	const char *at = text;
	unsigned a, b;

	*target = (struct control_target){.kind = CONTROL_TARGET_KIND_ID, .text = text};
	if (take_decimal(&at, 3, &a) && *at == ':') {
		at++;
		if (take_decimal(&at, 3, &b) && *at == '\0') {
			target->kind = CONTROL_TARGET_KIND_ADDRESS;
			target->bus = a;
			target->address = b;
		}
	} else if (strncmp(text, "port ", 5) == 0) {
		at = text + 5;
		if (take_decimal(&at, 3, &a) && *at == '\0' && a >= 1 && a <= PORT_MAX) {
			target->kind = CONTROL_TARGET_KIND_PORT;
			target->port = a;
		}
	}
}

static int read_action(const struct field *field, struct json_object *value,
		       unsigned *ret_action, struct control_refusal *refusal)
{
	const char *word;

	if (read_string(field->name, value, &word, refusal) < 0)
		return -1;
	for (unsigned i = 0; field->words[i]; i++) {
		if (strcmp(field->words[i], word) == 0) {
			*ret_action = i;
			return 0;
		}
	}
	return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
		      "the action must be \"%s\", \"%s\" or \"%s\"", field->words[0],
		      field->words[1], field->words[2]);
}

static int read_events(const char *name, struct json_object *value, unsigned *ret_mask,
		       struct control_refusal *refusal)
{
	unsigned mask = 0;

	if (!json_object_is_type(value, json_type_array))
		return refuse_type(refusal, name, "an array of names of events");
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *element = json_object_array_get_idx(value, i);
		const char *word;
		int event;

		if (read_string(name, element, &word, refusal) < 0)
			return -1;
		event = control_event_find(word);
		if (event < 0)
			return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
				      "there is no event \"%.64s\"", word);
		mask |= 1u << event;
	}
	*ret_mask = mask;
	return 0;
}

static int read_field(struct control_pending *pending, const struct field *field,
		      struct json_object *value, struct control_refusal *refusal)
{
	void *place = (char *)pending + field->offset;
	const char *text;

	switch (field->type) {
	case FIELD_TYPE_STRING:
		return read_string(field->name, value, place, refusal);
	case FIELD_TYPE_PORT:
		return read_number(field->name, value, PORT_MAX, place, refusal);
	case FIELD_TYPE_ADDRESS:
		return read_number(field->name, value, ADDRESS_MAX, place, refusal);
	case FIELD_TYPE_ACTION:
		return read_action(field, value, place, refusal);
	case FIELD_TYPE_EVENTS:
		return read_events(field->name, value, place, refusal);
	case FIELD_TYPE_BOOL:
		if (!json_object_is_type(value, json_type_boolean))
			return refuse_type(refusal, field->name, "true or false");
		*(bool *)place = json_object_get_boolean(value);
		return 0;
	case FIELD_TYPE_DEVICE:
		break;
	}
	if (read_string(field->name, value, &text, refusal) < 0)
		return -1;
	read_target(text, place);
	return 0;
}

/* Reads "id" first, so that a refusal for any other reason can carry it. */
static int read_id(struct control_pending *pending, struct control_refusal *refusal)
{
	struct json_object *id;

	if (!json_object_object_get_ex(pending->root, "id", &id))
		return 0;
	if (json_object_is_type(id, json_type_string)) {
		if ((size_t)json_object_get_string_len(id) > ID_BYTES_MAX)
			return refuse(refusal, CONTROL_CODE_TOO_LARGE,
				      "the field \"id\" has over %u bytes", ID_BYTES_MAX);
	} else if (json_object_is_type(id, json_type_double)) {
		if (!isfinite(json_object_get_double(id)))
			return refuse_type(refusal, "id", "a number or a string");
	} else if (!json_object_is_type(id, json_type_int)) {
		return refuse_type(refusal, "id", "a number or a string");
	}
	pending->id = id;
	return 0;
}

static int read_version(struct json_object *root, struct control_refusal *refusal)
{
	struct json_object *version;

	if (!json_object_object_get_ex(root, "version", &version))
		return 0;
	if (!json_object_is_type(version, json_type_int) ||
	    json_object_get_int64(version) < 1)
		return refuse_type(refusal, "version", "a whole number from 1 on");
	if (json_object_get_int64(version) > CONTROL_VERSION)
		return refuse(refusal, CONTROL_CODE_VERSION,
			      "this daemon speaks version %d of the protocol",
			      CONTROL_VERSION);
	return 0;
}

static int read_verb(struct control_pending *pending, struct control_refusal *refusal)
{
	struct json_object *value;
	const char *name;
	int verb;

	if (!json_object_object_get_ex(pending->root, "verb", &value))
		return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
			      "the field \"verb\" is missing");
	if (read_string("verb", value, &name, refusal) < 0)
		return -1;
	verb = control_verb_find(name);
	if (verb < 0)
		return refuse(refusal, CONTROL_CODE_UNKNOWN_VERB,
			      "there is no verb \"%.64s\"", name);
	pending->req.verb = (enum control_verb)verb;
	return 0;
}

static bool is_common(const char *name)
{
	return strcmp(name, "verb") == 0 || strcmp(name, "id") == 0 ||
	       strcmp(name, "version") == 0;
}

static int read_fields(struct control_pending *pending, struct control_refusal *refusal)
{
	struct json_object_iterator at = json_object_iter_begin(pending->root);
	struct json_object_iterator end = json_object_iter_end(pending->root);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const struct field *field = verb_fields[pending->req.verb];
		const char *name = json_object_iter_peek_name(&at);

		if (is_common(name))
			continue;
		while (field->name && strcmp(field->name, name) != 0)
			field++;
		if (!field->name)
			return refuse(refusal, CONTROL_CODE_UNKNOWN_FIELD,
				      "\"%s\" has no field \"%.64s\"",
				      control_verb_name(pending->req.verb), name);
		if (read_field(pending, field, json_object_iter_peek_value(&at),
			       refusal) < 0)
			return -1;
	}
	return 0;
}

static int missing(struct control_refusal *refusal, const char *what)
{
	return refuse(refusal, CONTROL_CODE_BAD_REQUEST, "%s is missing", what);
}

static int superfluous(struct control_refusal *refusal, const char *what)
{
	return refuse(refusal, CONTROL_CODE_BAD_REQUEST, "%s does not go with this",
		      what);
}

static int check_attach(const struct control_request *req,
			struct control_refusal *refusal)
{
	if (!req->attach.spec && req->fd < 0)
		return missing(refusal, "the field \"spec\", or a file descriptor,");
	if (req->attach.spec && (req->attach.bus || req->attach.address))
		return superfluous(refusal, "\"bus\" or \"address\" beside \"spec\"");
	return 0;
}

static int check_capture(const struct control_request *req,
			 struct control_refusal *refusal)
{
	bool start = req->capture.action == CONTROL_CAPTURE_ACTION_START;

	if (start && !req->capture.path && req->fd < 0)
		return missing(refusal, "the field \"path\", or a file descriptor,");
	if (!start && req->capture.path)
		return superfluous(refusal, "\"path\"");
	if (!start && req->fd >= 0)
		return superfluous(refusal, "a file descriptor");
	return 0;
}

static int check_rules(const struct control_request *req, struct control_refusal *refusal)
{
	if (req->rules.action == CONTROL_RULES_ACTION_ADD) {
		return req->rules.rule ? 0 : missing(refusal, "the field \"rule\"");
	}
	if (req->rules.rule)
		return superfluous(refusal, "\"rule\"");
	if (req->rules.action == CONTROL_RULES_ACTION_LIST)
		return req->rules.id ? superfluous(refusal, "\"rule_id\"") : 0;
	return req->rules.id ? 0 : missing(refusal, "the field \"rule_id\"");
}

/* Checks that no field is missing, and none too many. */
static int check(const struct control_pending *pending, struct control_refusal *refusal)
{
	const struct control_request *req = &pending->req;
	bool takes_fd =
		req->verb == CONTROL_VERB_ATTACH || req->verb == CONTROL_VERB_CAPTURE;

	if (req->fd >= 0 && !takes_fd)
		return superfluous(refusal, "a file descriptor");
	if ((req->verb == CONTROL_VERB_CAPTURE || req->verb == CONTROL_VERB_RULES) &&
	    !json_object_object_get_ex(pending->root, "action", NULL))
		return missing(refusal, "the field \"action\"");
	switch (req->verb) {
	case CONTROL_VERB_ATTACH:
		return check_attach(req, refusal);
	case CONTROL_VERB_DETACH:
	case CONTROL_VERB_RESET:
		return req->target.kind != CONTROL_TARGET_KIND_NONE
			       ? 0
			       : missing(refusal, "the field \"device\"");
	case CONTROL_VERB_CAPTURE:
		return check_capture(req, refusal);
	case CONTROL_VERB_LOG:
		return req->log.level ? 0 : missing(refusal, "the field \"level\"");
	case CONTROL_VERB_RULES:
		return check_rules(req, refusal);
	case CONTROL_VERB_HELLO:
	case CONTROL_VERB_WATCH:
	case CONTROL_VERB_LIST:
	case CONTROL_VERB_STATS:
		break;
	}
	return 0;
}

/* Parses @line into @pending->root. */
static int read_line(struct control_pending *pending, const char *line, size_t len,
		     struct control_refusal *refusal)
{
	struct json_tokener *tokener;
	enum json_tokener_error error;

	if (memchr(line, '\0', len))
		return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
			      "the line has a NUL in it");
	if (!control_has_memory(PARSE_MEMORY_MIN + len * PARSE_MEMORY_PER_BYTE))
		return refuse(refusal, CONTROL_CODE_INTERNAL, "out of memory");
	tokener = json_tokener_new_ex(CONTROL_DEPTH_MAX);
	if (!tokener)
		return refuse(refusal, CONTROL_CODE_INTERNAL, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with the NUL, which ends a number that could otherwise go on */
	pending->root = json_tokener_parse_ex(tokener, line, (int)len + 1);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error != json_tokener_success)
		return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
			      "this is not valid JSON: %s",
			      json_tokener_error_desc(error));
	if (!json_object_is_type(pending->root, json_type_object))
		return refuse(refusal, CONTROL_CODE_BAD_REQUEST,
			      "a request must be a JSON object");
	return 0;
}

int control_parse(struct control_pending *pending, const char *line, size_t len,
		  struct control_refusal *refusal)
{
	pending->req.target.text = "";
	pending->events = CONTROL_EVENTS_ALL;
	if (read_line(pending, line, len, refusal) < 0 || read_id(pending, refusal) < 0 ||
	    read_version(pending->root, refusal) < 0 || read_verb(pending, refusal) < 0 ||
	    read_fields(pending, refusal) < 0)
		return -1;
	return check(pending, refusal);
}
