/* SPDX-License-Identifier: MIT
 * attach.c - attach SPEC: opens nodes and files, and sends the daemon the rest as text
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/file.h"
#include "ctl/node.h"
#include "ctl/text.h"
#include "util/fds.h"

/* With the settings of all kinds. */
static struct json_object *attach_request(const struct ctl *ctl)
{
	struct json_object *request = ctl_request("attach");

	if (ctl->port)
		ctl_put_number(request, "port", ctl->port);
	if (ctl->given & CTL_OPTION_FORCE)
		ctl_put_true(request, "force");
	return request;
}

/* @fd is borrowed; @bus and @address are 0 if unknown. */
static enum ctl_status hand_over(const struct ctl *ctl, const struct ctl_node *node,
				 int fd, unsigned bus, unsigned address)
{
	const char *path = node->path[0] ? node->path : NULL;
	const char *reset = node->reset[0] ? node->reset : NULL;
	struct json_object *request;

	if ((ctl->given & CTL_OPTION_LEGACY) && node->force)
		return ctl_misused("--legacy has no force");
	if (ctl->given & CTL_OPTION_LEGACY)
		return ctl_legacy_attach(ctl, bus, address, fd);
	request = attach_request(ctl);
	ctl_put_text(request, "name", ctl->name ? ctl->name : path);
	ctl_put_text(request, "reset", ctl->reset ? ctl->reset : reset);
	if (node->force && !(ctl->given & CTL_OPTION_FORCE))
		ctl_put_true(request, "force");
	if (bus && address) {
		ctl_put_number(request, "bus", bus);
		ctl_put_number(request, "address", address);
	}
	return ctl_ask_device(ctl, request, fd, "attached", ctl->args[0]);
}

static enum ctl_status attach_node(const struct ctl *ctl, const struct ctl_node *node)
{
	unsigned bus, address;
	enum ctl_status status;
	int fd;

	/* an inherited descriptor: not ours to close */
	if (node->path[0] == '\0')
		return hand_over(ctl, node, node->fd_number, 0, 0);
	fd = ctl_node_open(node->path, &bus, &address);
	if (fd < 0)
		return CTL_STATUS_FAILED;
	status = hand_over(ctl, node, fd, bus, address);
	(void)close(fd);
	return status;
}

/* A rule stays, and attaches matching devices now and later. */
static enum ctl_status attach_rule(const struct ctl *ctl, const char *rule)
{
	struct json_object *request, *answer;
	enum ctl_status status;

	if (ctl->given)
		return ctl_misused("write port=, force and other settings of a rule "
				   "into it: usb:...,port=");
	request = ctl_request("rules");
	ctl_put_text(request, "action", "add");
	ctl_put_text(request, "rule", rule);
	status = ctl_ask(ctl, request, -1, &answer);
	if (status == CTL_STATUS_DONE && !ctl->json) {
		_cleanup_free_ char *clean =
			ctl_clean(ctl_rule_id(answer), CTL_COLUMNS_ANY, NULL);

		(void)printf(
			"rule %s attaches matching devices; usbvfioctl rules remove %s "
			"ends that\n",
			clean, clean);
	}
	json_object_put(answer);
	return status;
}

static enum ctl_status attach_emulated(const struct ctl *ctl, const char *spec)
{
	struct json_object *request;
	enum ctl_status status;
	int fd;

	if (ctl_file_of_spec(spec, &fd) != CTL_STATUS_DONE)
		return CTL_STATUS_FAILED;
	request = attach_request(ctl);
	ctl_put_text(request, "spec", spec);
	ctl_put_text(request, "name", ctl->name);
	ctl_put_text(request, "reset", ctl->reset);
	status = ctl_ask_device(ctl, request, fd, "attached", ctl->args[0]);
	close_fd(&fd);
	return status;
}

enum ctl_status ctl_attach(const struct ctl *ctl)
{
	const char *spec = ctl->args[0];
	struct ctl_node node;

	if ((ctl->given & CTL_OPTION_LEGACY) &&
	    (ctl->given & ~(unsigned)CTL_OPTION_LEGACY))
		return ctl_misused("--legacy takes no other settings");
	if (ctl_node_parse(&node, spec) != CTL_STATUS_DONE)
		return CTL_STATUS_USAGE;
	if (node.is_node)
		return attach_node(ctl, &node);
	if (ctl->given & CTL_OPTION_LEGACY)
		return ctl_misused("--legacy attaches nodes in /dev/bus/usb only");
	if (strncmp(spec, "usb:", 4) == 0)
		return attach_rule(ctl, spec);
	return attach_emulated(ctl, spec);
}
