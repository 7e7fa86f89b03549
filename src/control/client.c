/* SPDX-License-Identifier: MIT
 * client.c - the client's end of the control socket, for programs that may wait
 */
#include "control/client.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "control/stream.h"
#include "util/fds.h"
#include "util/loop.h"

/* The client reads no longer line than an answer may be. */
#define IN_BYTES_MAX CONTROL_ANSWER_MAX
#define IN_BYTES_MIN ((size_t)16 * 1024)
/* Nesting of objects in a daemon's lines. */
#define DEPTH_MAX 32

/**
 * struct control_client
 * @in:		@in_room bytes; those from @in_start to @in_end are not parsed yet
 * @in_scanned:	there is no newline from @in_start up to here
 * @events:	owned: a ring of events that came before an answer; @nevents from @first on
 * @next_id:	of the next request
 */
struct control_client {
	int fd;
	int timeout_ms;
	char *in;
	size_t in_start;
	size_t in_end;
	size_t in_scanned;
	size_t in_room;
	struct json_object *events[CONTROL_CLIENT_EVENTS_MAX];
	unsigned first;
	unsigned nevents;
	int64_t next_id;
};

struct control_client *control_connect(const char *path, int timeout_ms, struct err *err)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	client->timeout_ms = timeout_ms > 0 ? timeout_ms : CONTROL_CLIENT_TIMEOUT_MS;
	client->next_id = 1;
	client->fd =
		control_stream_connect(path, control_deadline(client->timeout_ms), err);
	if (client->fd < 0) {
		free(client);
		return NULL;
	}
	return client;
}

static struct json_object *take_event(struct control_client *client)
{
	struct json_object *event = client->events[client->first];

	client->first = (client->first + 1) % CONTROL_CLIENT_EVENTS_MAX;
	client->nevents--;
	return event;
}

void control_disconnect(struct control_client *client)
{
	if (!client)
		return;
	while (client->nevents > 0)
		json_object_put(take_event(client));
	close_fd(&client->fd);
	free(client->in);
	free(client);
}

/* Takes @event. Drops the oldest if there is no room. */
static void keep_event(struct control_client *client, struct json_object *event)
{
	unsigned at;

	if (client->nevents == CONTROL_CLIENT_EVENTS_MAX)
		json_object_put(take_event(client));
	at = (client->first + client->nevents) % CONTROL_CLIENT_EVENTS_MAX;
	client->events[at] = event;
	client->nevents++;
}

/* ---- receiving ---- */

/* Makes room at the end of the buffer. Return: 0 or -errno with @err filled. */
static int make_room(struct control_client *client, struct err *err)
{
	size_t room = MAX_OF(2 * client->in_room, IN_BYTES_MIN);
	char *in;

	if (client->in_start > 0) {
		client->in_end -= client->in_start;
		client->in_scanned -= client->in_start;
		memmove(client->in, client->in + client->in_start, client->in_end);
		client->in_start = 0;
	}
	if (client->in_end < client->in_room)
		return 0;
	if (client->in_room >= IN_BYTES_MAX)
		return err_set(
			err, EMSGSIZE,
			"the daemon sent a line that is too long: is it a usbvfiod?");
	in = realloc(client->in, MIN_OF(room, IN_BYTES_MAX));
	if (!in)
		return err_set(err, ENOMEM, "out of memory");
	client->in = in;
	client->in_room = MIN_OF(room, IN_BYTES_MAX);
	return 0;
}

static int refuse_line(struct err *err)
{
	return err_set(err, EPROTO,
		       "this is no answer: is it the control socket of a usbvfiod?");
}

/* Return: 0 with an owned object, or -errno with @err filled. */
static int parse_line(const char *line, size_t len, struct json_object **ret_object,
		      struct err *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;
	bool good;

	if (!tokener)
		return err_set(err, ENOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, line, (int)len + 1);
	good = json_tokener_get_error(tokener) == json_tokener_success &&
	       json_object_is_type(object, json_type_object);
	json_tokener_free(tokener);
	if (!good) {
		json_object_put(object);
		return refuse_line(err);
	}
	*ret_object = object;
	return 0;
}

/* True if the buffer has a whole line, from in_start to before *@ret_end. */
static bool find_line(struct control_client *client, size_t *ret_end)
{
	char *newline = client->in_end > client->in_scanned
				? memchr(client->in + client->in_scanned, '\n',
					 client->in_end - client->in_scanned)
				: NULL;

	if (!newline) {
		client->in_scanned = client->in_end;
		return false;
	}
	*ret_end = (size_t)(newline - client->in);
	return true;
}

/* Waits for the next line. Return: 0 with an owned object, or -errno with @err filled. */
static int next_object(struct control_client *client, uint64_t deadline_ns,
		       struct json_object **ret_object, struct err *err)
{
	size_t end, start;
	ssize_t n;
	int r;

	while (!find_line(client, &end)) {
		r = make_room(client, err);
		if (r < 0)
			return r;
		n = control_stream_receive(client->fd, client->in + client->in_end,
					   client->in_room - client->in_end, deadline_ns,
					   err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(err, ECONNRESET, "the daemon has gone");
		client->in_end += (size_t)n;
	}
	start = client->in_start;
	client->in_start = end + 1;
	client->in_scanned = end + 1;
	client->in[end] = '\0';
	return parse_line(client->in + start, end - start, ret_object, err);
}

static bool is_event(struct json_object *object)
{
	return json_object_object_get_ex(object, "event", NULL);
}

/* Whether @object answers request @id; an answer without an id is for the first request. */
static bool is_answer(struct json_object *object, int64_t id)
{
	struct json_object *ok, *its_id;

	if (!json_object_object_get_ex(object, "ok", &ok) ||
	    !json_object_is_type(ok, json_type_boolean))
		return false;
	return !json_object_object_get_ex(object, "id", &its_id) ||
	       (json_object_is_type(its_id, json_type_int) &&
		json_object_get_int64(its_id) == id);
}

static int await_answer(struct control_client *client, int64_t id, uint64_t deadline_ns,
			struct json_object **ret_answer, struct err *err)
{
	for (;;) {
		struct json_object *object;
		int r = next_object(client, deadline_ns, &object, err);

		if (r < 0)
			return r;
		if (is_answer(object, id)) {
			*ret_answer = object;
			return 0;
		}
		if (!is_event(object)) {
			json_object_put(object);
			return refuse_line(err);
		}
		keep_event(client, object);
		/* a daemon that never stops sending events uses up the time too */
		if (clock_now_ns() >= deadline_ns)
			return control_stream_timeout(err);
	}
}

/* ---- calls ---- */

/* Sends @request with @id as a line. Return: 0 or -errno with @err filled. */
static int send_request(struct control_client *client, struct json_object *request,
			int64_t id, int fd, uint64_t deadline_ns, struct err *err)
{
	struct json_object *copy = NULL;
	const char *text = NULL;
	size_t len = 0;
	char *line;
	int r;

	if (json_object_deep_copy(request, &copy, NULL) == 0 &&
	    control_add(copy, "id", json_object_new_int64(id)))
		text = json_object_to_json_string_length(copy, JSON_C_TO_STRING_PLAIN,
							 &len);
	line = text ? malloc(len + 1) : NULL;
	if (line) {
		memcpy(line, text, len);
		line[len] = '\n';
	}
	json_object_put(copy);
	if (!line)
		return err_set(err, ENOMEM, "out of memory");
	r = control_stream_send(client->fd, line, len + 1, fd, deadline_ns, err);
	free(line);
	return r;
}

int control_call(struct control_client *client, struct json_object *request, int fd,
		 struct json_object **ret_answer, struct err *err)
{
	uint64_t deadline_ns = control_deadline(client->timeout_ms);
	int64_t id = client->next_id++;
	int r = send_request(client, request, id, fd, deadline_ns, err);

	/* a daemon that refuses a client without reading has answered all the same */
	if (r < 0 && r != -EPIPE)
		return r;
	return await_answer(client, id, deadline_ns, ret_answer, err);
}

int control_call_ok(struct control_client *client, struct json_object *request, int fd,
		    struct json_object **ret_answer, struct err *err)
{
	struct json_object *answer = NULL, *ok, *error;
	const char *message, *hint;
	int r = control_call(client, request, fd, &answer, err);

	if (r < 0)
		return r;
	*ret_answer = answer;
	if (json_object_object_get_ex(answer, "ok", &ok) && json_object_get_boolean(ok))
		return 0;
	error = control_get_object(answer, "error");
	message = control_get_text(error, "message");
	hint = control_get_text(error, "hint");
	return err_set(err, EREMOTEIO, "%s%s%s",
		       message ? message : "the daemon refused, without a reason",
		       hint ? ": " : "", hint ? hint : "");
}

/* ---- events ---- */

int control_next_event(struct control_client *client, int timeout_ms,
		       struct json_object **ret_event, struct err *err)
{
	struct json_object *object;
	int r;

	if (client->nevents > 0) {
		*ret_event = take_event(client);
		return 0;
	}
	r = next_object(client, control_deadline(timeout_ms), &object, err);
	if (r < 0)
		return r;
	if (!is_event(object)) {
		json_object_put(object);
		return refuse_line(err);
	}
	*ret_event = object;
	return 0;
}

int control_client_fd(const struct control_client *client)
{
	return client->fd;
}

bool control_client_has_event(struct control_client *client)
{
	size_t end;

	return client->nevents > 0 || find_line(client, &end);
}
