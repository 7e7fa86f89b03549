/* SPDX-License-Identifier: MIT
 * uevent.c - the kernel's news of USB devices that come and go
 */
#include "rules/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"

#define GROUP_KERNEL      1u
#define MESSAGE_BYTES_MAX 8192u /* the kernel sends at most 2048 and a header */
/* In one turn of the loop. */
#define MESSAGES_MAX 32u

/**
 * struct uevents
 * @in_event:	@on_event is running
 * @destroyed:	@on_event has called uevents_destroy(): free the memory afterwards
 */
struct uevents {
	int fd;
	struct loop_watch *watch;
	void (*on_event)(void *ctx, const struct uevent *event);
	void *ctx;
	bool in_event;
	bool destroyed;
};

/* Opened by uevents_reserve(): descriptors + 1, 0: none. */
static int reserved[UEVENTS_RESERVED];

/* A decimal number from 1 to 999 and nothing else. */
static int parse_number(const char *text, unsigned *ret_number)
{
	unsigned number = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 3)
		return -EBADMSG;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EBADMSG;
		number = number * 10 + (unsigned)(*text - '0');
	}
	*ret_number = number;
	return number > 0 ? 0 : -EBADMSG;
}

/* Values of a message. NULL: it has none of that name. */
struct fields {
	const char *action, *place, *subsystem, *type, *bus, *number;
};

/* Takes the value if @field is "@name=...". The first one counts. */
static void take(const char *field, const char *name, const char **value)
{
	size_t len = strlen(name);

	if (!*value && strncmp(field, name, len) == 0 && field[len] == '=')
		*value = field + len + 1;
}

/* "add@/devices/..." NUL "ACTION=add" NUL "DEVPATH=/devices/..." NUL ... */
static int split(const char *message, size_t len, struct fields *fields)
{
	const char *at = message;
	const char *end = message + len;

	memset(fields, 0, sizeof(*fields));
	/* so each string below ends within the message */
	if (len == 0 || end[-1] != '\0')
		return -EBADMSG;
	for (; at < end; at += strlen(at) + 1) {
		take(at, "ACTION", &fields->action);
		take(at, "DEVPATH", &fields->place);
		take(at, "SUBSYSTEM", &fields->subsystem);
		take(at, "DEVTYPE", &fields->type);
		take(at, "BUSNUM", &fields->bus);
		take(at, "DEVNUM", &fields->number);
	}
	return 0;
}

int uevent_parse(const char *message, size_t len, struct uevent *ret_event)
{
	struct fields fields;
	int r = split(message, len, &fields);

	if (r < 0)
		return r;
	if (!fields.action || !fields.subsystem || !fields.type ||
	    strcmp(fields.subsystem, "usb") != 0 ||
	    strcmp(fields.type, "usb_device") != 0)
		return -ENOMSG;
	if (strcmp(fields.action, "add") != 0 && strcmp(fields.action, "remove") != 0)
		return -ENOMSG;
	/* it becomes part of paths */
	if (!fields.place || !fields.bus || !fields.number || fields.place[0] != '/' ||
	    strlen(fields.place) >= sizeof(ret_event->place) ||
	    strstr(fields.place, "/../"))
		return -EBADMSG;
	if (parse_number(fields.bus, &ret_event->bus) < 0 ||
	    parse_number(fields.number, &ret_event->number) < 0)
		return -EBADMSG;
	ret_event->added = strcmp(fields.action, "add") == 0;
	memcpy(ret_event->place, fields.place, strlen(fields.place) + 1);
	return 0;
}

/* Return: 1 if there may be more, -EAGAIN if not; another -errno: no more will come */
static int receive(struct uevents *uevents)
{
	char buf[MESSAGE_BYTES_MAX];
	struct sockaddr_nl from = {.nl_pid = 1};
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t len = recvmsg(uevents->fd, &msg, MSG_DONTWAIT);
	struct uevent event;

	if (len < 0 && errno == ENOBUFS) {
		uevents->on_event(uevents->ctx, NULL);
		return 1;
	}
	if (len < 0)
		return errno == EINTR ? 1 : -errno;
	/* any process may send to this socket; only the kernel has port 0 */
	if (msg.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK ||
	    from.nl_pid != 0 || (msg.msg_flags & MSG_TRUNC))
		return 1;
	if (uevent_parse(buf, (size_t)len, &event) == 0)
		uevents->on_event(uevents->ctx, &event);
	return 1;
}

static void on_readable(void *ctx, int fd, unsigned events)
{
	struct uevents *uevents = ctx;
	int r = 1;

	(void)fd;
	(void)events;
	uevents->in_event = true;
	for (unsigned i = 0; i < MESSAGES_MAX && r > 0 && !uevents->destroyed; i++)
		r = receive(uevents);
	uevents->in_event = false;
	if (uevents->destroyed) {
		free(uevents);
		return;
	}
	if (r < 0 && r != -EAGAIN) {
		log_warn("cannot listen for USB devices any more: %s", strerror(-r));
		loop_unwatch(uevents->watch);
		uevents->watch = NULL;
	}
}

static int open_socket(void)
{
	const struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = GROUP_KERNEL,
	};
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* A reserved socket, without its old messages, or a new one. */
static int take_socket(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
		int fd = reserved[i] - 1;
		char old[64];

		if (fd < 0)
			continue;
		reserved[i] = 0;
		while (read(fd, old, sizeof(old)) >= 0 || errno == ENOBUFS)
			;
		return fd;
	}
	return open_socket();
}

void uevents_reserve(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
		int fd = reserved[i] ? -1 : open_socket();

		if (fd >= 0)
			reserved[i] = fd + 1;
	}
}

void uevents_unreserve(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
		int fd = reserved[i] - 1;

		close_fd(&fd);
		reserved[i] = 0;
	}
}

struct uevents *uevents_create(struct loop *loop,
			       void (*on_event)(void *ctx, const struct uevent *event),
			       void *ctx)
{
	struct uevents *uevents = calloc(1, sizeof(*uevents));

	if (!uevents)
		return NULL;
	uevents->on_event = on_event;
	uevents->ctx = ctx;
	uevents->fd = take_socket();
	if (uevents->fd >= 0)
		uevents->watch =
			loop_watch_fd(loop, uevents->fd, LOOP_READ, on_readable, uevents);
	if (!uevents->watch) {
		uevents_destroy(uevents);
		return NULL;
	}
	return uevents;
}

void uevents_destroy(struct uevents *uevents)
{
	if (!uevents)
		return;
	loop_unwatch(uevents->watch);
	close_fd(&uevents->fd);
	if (uevents->in_event)
		uevents->destroyed = true;
	else
		free(uevents);
}
