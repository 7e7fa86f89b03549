/* SPDX-License-Identifier: MIT
 * open.c - opens nodes of the host's devices, and files of emulated ones, on a worker
 *
 * An open may wait for a device that is being reset or probed, or for a file system.
 */
#include "daemon/attach/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "rules/guard.h"
#include "util/apart.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/self.h"

/* Return: 0 or -errno, in @failure; its fd is closed then. */
static int open_once_more(struct opening *opening)
{
	const struct wanted *wanted = opening->wanted;
	int r = node_reopen(&opening->node);

	if (r == 0)
		return 0;
	/* root and our own user could write into our memory anyway */
	if (wanted->giver_uid == 0 || wanted->giver_uid == self_uid()) {
		log_info("%s: using it as it was handed over, since usbvfiod cannot open "
			 "it: "
			 "%s",
			 wanted->name, strerror(-r));
		return 0;
	}
	close_fd(&opening->node.fd);
	(void)snprintf(opening->failure.hint, sizeof(opening->failure.hint),
		       "let usbvfiod open the node itself, or have root or the user it "
		       "runs as hand it over");
	return err_set(
		&opening->failure.err, -r,
		"the giver of a descriptor could keep it and write into usbvfiod's "
		"memory, so usbvfiod opens the node again, which fails: %s",
		strerror(-r));
}

/* Return: 0 or -errno, in @failure. */
static int adopt(struct opening *opening)
{
	struct wanted *wanted = opening->wanted;
	int r = node_adopt(wanted->fd, &opening->node, &opening->failure.err);

	/* here, since closing some other file may wait */
	if (r < 0)
		close_fd(&wanted->fd);
	else
		wanted->fd = -1; /* it is the node's now */
	return r;
}

static int take_node(struct opening *opening)
{
	int r = 0;

	if (opening->wanted->kind == ATTACH_KIND_NODE)
		return node_open(opening->path, &opening->node, &opening->failure.err,
				 opening->failure.hint);
	if (opening->node.fd < 0)
		r = adopt(opening);
	return r < 0 ? r : open_once_more(opening);
}

static void run_node_apart(void *arg)
{
	struct opening *opening = arg;
	const struct node *node = &opening->node;

	if (take_node(opening) < 0)
		return;
	opening->hostdev_known = node->place[0] != '\0' &&
				 hostdev_read("", node->place, &opening->hostdev) == 0;
	opening->refusal.code = 0;
	if (opening->wanted->careful && opening->hostdev_known &&
	    guard_check("", &opening->hostdev, &opening->refusal) == 0)
		opening->refusal.code = 0;
}

static void run_node(struct worker_job *job)
{
	run_apart(run_node_apart, CONTAINER_OF(job, struct opening, job));
}

static void run_file_apart(void *arg)
{
	struct opening *opening = arg;
	struct wanted *wanted = opening->wanted;
	struct err *err = &opening->failure.err;
	int fd = -1;

	/* the original stays: a reset opens the file again */
	if (wanted->fd >= 0) {
		fd = fcntl(wanted->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			(void)err_set(err, errno, "%s", strerror(errno));
			close_fd(&wanted->fd);
			return;
		}
	}
	if (device_file_open(wanted->text, fd, &opening->file, err) < 0)
		close_fd(&wanted->fd);
}

static void run_file(struct worker_job *job)
{
	run_apart(run_file_apart, CONTAINER_OF(job, struct opening, job));
}

static void on_job_done(struct worker_job *job)
{
	struct opening *opening = CONTAINER_OF(job, struct opening, job);

	worker_destroy(opening->worker);
	opening->worker = NULL;
	opening->on_done(opening);
}

static int start(struct opening *opening, struct loop *loop,
		 void (*run)(struct worker_job *job))
{
	opening->failure.err.code = 0;
	opening->failure.hint[0] = '\0';
	opening->job = (struct worker_job){.run = run, .done = on_job_done};
	opening->worker = worker_create(loop, "attach");
	if (!opening->worker)
		return err_set(
			&opening->failure.err, errno,
			errno == EMFILE
				? "there are too few file descriptors: see ulimit -n"
				: "no memory or thread to open it");
	worker_submit(opening->worker, &opening->job);
	return 0;
}

int opening_begin_node(struct opening *opening, struct loop *loop)
{
	return start(opening, loop, run_node);
}

int opening_begin_file(struct opening *opening, struct loop *loop)
{
	return start(opening, loop, run_file);
}
