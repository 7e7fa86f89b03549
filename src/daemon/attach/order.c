/* SPDX-License-Identifier: MIT
 * order.c - takes a --device or an order at run time apart
 */
#include "daemon/attach/order.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/attach/devices.h"
#include "daemon/client_path.h"
#include "util/closer.h"
#include "util/self.h"

static void take_host(struct wanted *wanted, const struct device_host *host)
{
	wanted->kind = host->fd < 0 ? ATTACH_KIND_NODE : ATTACH_KIND_FD;
	wanted->reset = host->reset;
	wanted->fd = host->fd;
	if (host->fd >= 0)
		(void)snprintf(wanted->name, sizeof(wanted->name), "fd %d", host->fd);
	else if (wanted->name[0] == '\0')
		(void)snprintf(wanted->name, sizeof(wanted->name), "%.*s",
			       (int)sizeof(wanted->name) - 1, host->path);
	(void)snprintf(wanted->path, sizeof(wanted->path), "%s", host->path);
}

int wanted_from_option(const char *text, struct wanted *ret_wanted)
{
	struct wanted wanted = {.is_option = true, .fd = -1};
	struct device_host host;
	int r = device_is_host(text, &host, NULL);

	assert(r >= 0); /* device_check() has accepted it */
	wanted.text = strdup(text);
	if (!wanted.text)
		return -ENOMEM;
	if (r == 1) {
		take_host(&wanted, &host);
		wanted.careful = !host.force;
		/* the process that started us */
		wanted.giver_uid = self_uid();
	} else {
		wanted.kind = device_needs_file(text, wanted.path) ? ATTACH_KIND_FILE
								   : ATTACH_KIND_EMULATED;
	}
	*ret_wanted = wanted;
	return 0;
}

static int take_emulated(struct wanted *wanted, const struct attach_order *order,
			 struct err *err)
{
	wanted->kind = device_needs_file(order->text, wanted->path)
			       ? ATTACH_KIND_FILE
			       : ATTACH_KIND_EMULATED;
	wanted->fd = order->fd;
	if (order->fd < 0)
		return wanted->kind == ATTACH_KIND_FILE
			       ? client_path_check(wanted->path, err)
			       : 0;
	if (wanted->kind == ATTACH_KIND_EMULATED)
		return err_set(err, EINVAL, "%.64s has no use for a file descriptor",
			       order->text);
	return 0;
}

/* A device that its text names, not a descriptor of its node. */
static int take_named(struct wanted *wanted, const struct attach_order *order,
		      struct err *err)
{
	struct device_host host;
	int r = device_is_host(order->text, &host, err);

	if (order->name)
		(void)snprintf(wanted->name, sizeof(wanted->name), "%s", order->name);
	if (r < 0)
		return r;
	if (r == 0)
		return take_emulated(wanted, order, err);
	if (order->fd >= 0)
		return err_set(err, EINVAL,
			       "name a device of the host by its node or by a file "
			       "descriptor, not by both");
	/* numbers of fds mean nothing in somebody else's message */
	if (host.fd >= 0)
		return err_set(err, EINVAL, "fd=%d: send the fd along with the request",
			       host.fd);
	take_host(wanted, &host);
	wanted->careful = !order->force && !host.force;
	return 0;
}

int wanted_from_order(const struct attach_order *order, struct wanted *ret_wanted,
		      struct err *err)
{
	struct wanted wanted = {.fd = -1, .careful = !order->force, .port = order->port};
	int r = 0;

	(void)snprintf(wanted.rule, sizeof(wanted.rule), "%s",
		       order->rule ? order->rule : "");
	if (order->fd >= 0 && !order->fd_is_file) {
		wanted.kind = ATTACH_KIND_FD;
		wanted.fd = order->fd;
		wanted.reset = order->reset;
		wanted.giver_uid = order->giver_uid;
		(void)snprintf(wanted.name, sizeof(wanted.name), "%s", order->text);
	} else {
		r = take_named(&wanted, order, err);
	}
	if (r < 0)
		return r;
	wanted.text = strdup(order->text);
	if (!wanted.text)
		return err_set(err, ENOMEM, "not enough memory");
	*ret_wanted = wanted;
	return 0;
}

void wanted_finish(struct wanted *wanted)
{
	closer_close(&wanted->fd);
	free(wanted->text);
	wanted->text = NULL;
}
