/* SPDX-License-Identifier: MIT
 * named.c - what the --device options name: devices, and rules
 */
#include "daemon/named.h"

#include <errno.h>

#include "daemon/attach/devices.h"
#include "daemon/options.h"
#include "rules/rule.h"

/* The descriptors that the command line names: each can be one thing only. */
struct taken {
	unsigned count;
	int fds[VM_PORT_MAX + 2];
};

static int take_fd(struct taken *taken, int fd, struct err *err)
{
	for (unsigned i = 0; fd >= 0 && i < taken->count; i++) {
		if (taken->fds[i] == fd)
			return err_set(err, EINVAL, "fd %d is named twice", fd);
	}
	taken->fds[taken->count++] = fd;
	return 0;
}

static int take_device(struct named *named, const char *text, struct taken *taken,
		       struct err *err)
{
	struct device_host host;
	int r = device_is_host(text, &host, err);

	if (r < 0)
		return r;
	named->devices[named->device_count++] = text;
	if (r == 0)
		return 0;
	named->any_host = true;
	return take_fd(taken, host.fd, err);
}

static int take_rule(struct named *named, const char *text, struct err *err)
{
	struct rule rule;
	int r = rule_parse(&rule, text, err);

	if (r == 0)
		named->rules[named->rule_count++] = text;
	return r;
}

int named_parse(struct named *ret_named, const struct options *options, struct err *err)
{
	struct taken taken = {2, {options->fd, options->control_fd}};
	struct named named = {0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < options->device_count; i++) {
		const char *text = options->devices[i];

		r = rule_is_rule(text) ? take_rule(&named, text, err)
				       : take_device(&named, text, &taken, err);
	}
	if (r == 0)
		*ret_named = named;
	return r;
}
