/* SPDX-License-Identifier: MIT
 * node.c - open the nodes of the host's USB devices, to hand them over
 */
#include "ctl/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST "host:"

/* ---- the SPEC ---- */

/* Copies up to the next comma without a backslash before it. Return: where it ended; NULL if
 * the value does not fit. */
static const char *take_value(const char *from, char *to, size_t room)
{
	size_t len = 0;

	for (; *from && *from != ','; from++) {
		if (*from == '\\' && from[1])
			from++;
		if (len + 1 >= room)
			return NULL;
		to[len++] = *from;
	}
	to[len] = '\0';
	return from;
}

static enum ctl_status parse_fd(struct ctl_node *node, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || fd < 3 || fd > INT_MAX)
		return ctl_misused("host:fd=%s: needs a number of at least 3", text);
	node->fd_number = (int)fd;
	return CTL_STATUS_DONE;
}

/* Parses one KEY=VALUE at *@at and moves *@at behind it. */
static enum ctl_status parse_setting(struct ctl_node *node, const char **at)
{
	char fd[16] = "";
	const char *from = *at, *end;
	bool is_force =
		strncmp(from, "force", 5) == 0 && (from[5] == ',' || from[5] == '\0');

	if (strncmp(from, "path=", 5) == 0)
		end = take_value(from + 5, node->path, sizeof(node->path));
	else if (strncmp(from, "reset=", 6) == 0)
		end = take_value(from + 6, node->reset, sizeof(node->reset));
	else if (is_force)
		end = from + 5;
	else if (strncmp(from, "fd=", 3) == 0)
		end = take_value(from + 3, fd, sizeof(fd));
	else
		return ctl_misused("'%s': path=, fd=, reset= and force go with host:",
				   from);
	if (!end)
		return ctl_misused("'%s' is too long", from);
	node->force = node->force || is_force;
	*at = *end ? end + 1 : end;
	return fd[0] ? parse_fd(node, fd) : CTL_STATUS_DONE;
}

enum ctl_status ctl_node_parse(struct ctl_node *node, const char *spec)
{
	size_t len = strlen(spec);

	*node = (struct ctl_node){.fd_number = -1};
	if (spec[0] == '/') {
		if (len >= sizeof(node->path))
			return ctl_misused("the path is too long");
		node->is_node = true;
		memcpy(node->path, spec, len + 1);
		return CTL_STATUS_DONE;
	}
	if (strncmp(spec, HOST, strlen(HOST)) != 0)
		return CTL_STATUS_DONE;
	node->is_node = true;
	for (const char *at = spec + strlen(HOST); *at;) {
		enum ctl_status status = parse_setting(node, &at);

		if (status != CTL_STATUS_DONE)
			return status;
	}
	if ((node->path[0] == '\0') == (node->fd_number < 0))
		return ctl_misused("'%s': host: needs path=, or fd=", spec);
	return CTL_STATUS_DONE;
}

/* ---- the file ---- */

/* BBB/DDD at the end of @path. */
static void find_numbers(const char *path, unsigned *ret_bus, unsigned *ret_address)
{
	size_t len = strlen(path);
	int end = 0;

	*ret_bus = 0;
	*ret_address = 0;
	if (len < 8 ||
	    sscanf(path + len - 8, "/%3u/%3u%n", ret_bus, ret_address, &end) != 2 ||
	    end != 8) {
		*ret_bus = 0;
		*ret_address = 0;
	}
}

static void complain_why(const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		ctl_complain("there is no device at %s: lsusb lists the devices", path);
		break;
	case EACCES:
	case EPERM:
		ctl_complain("you may not open %s: be root, or let a udev rule give it "
			     "to your group, see usbvfiod(8)",
			     path);
		break;
	default:
		ctl_complain("cannot open %s: %s", path, strerror(error));
	}
}

int ctl_node_open(const char *path, unsigned *ret_bus, unsigned *ret_address)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	int fd = real ? open(real, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;

	if (fd < 0)
		complain_why(real ? real : path, errno);
	else
		find_numbers(real, ret_bus, ret_address);
	return fd;
}
