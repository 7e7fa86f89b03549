/* SPDX-License-Identifier: MIT
 * loop_remote.c - calls in the loop that other threads ask for
 *
 * All share one eventfd, which only says that some thread has asked. A thread first marks its
 * remote and then writes; the loop first reads and then checks the marks. So no call is lost.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/loop_priv.h"

struct loop_remote {
	struct grave grave;
	struct loop *loop;
	struct list node;
	atomic_bool asked;
	loop_cb *cb;
	void *ctx;
};

int loop_remotes_init(struct loop *loop)
{
	list_init(&loop->remotes);
	list_init(&loop->asked);
	loop->remote_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return loop->remote_fd < 0 ? -errno : 0;
}

void loop_remotes_call(struct loop *loop)
{
	struct list *node;
	uint64_t count;

	if (read(loop->remote_fd, &count, sizeof(count)) < 0)
		return;
	/* First collect: callbacks may remove any remote, and threads may ask again. */
	while ((node = list_first(&loop->remotes)) != NULL) {
		list_remove(node);
		list_append(&loop->asked, node);
	}
	while ((node = list_first(&loop->asked)) != NULL) {
		struct loop_remote *remote = LIST_ENTRY(node, struct loop_remote, node);

		list_remove(node);
		list_append(&loop->remotes, node);
		if (atomic_exchange(&remote->asked, false))
			remote->cb(remote->ctx);
	}
}

struct loop_remote *loop_remote_create(struct loop *loop, loop_cb *cb, void *ctx)
{
	struct loop_remote *remote = calloc(1, sizeof(*remote));

	if (!remote)
		return NULL;
	remote->loop = loop;
	remote->cb = cb;
	remote->ctx = ctx;
	list_append(&loop->remotes, &remote->node);
	loop->live++;
	return remote;
}

void loop_remote_ask(struct loop_remote *remote)
{
	const uint64_t one = 1;
	ssize_t n;

	if (atomic_exchange(&remote->asked, true))
		return;
	do {
		n = write(remote->loop->remote_fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	assert(n > 0 || errno == EAGAIN); /* the counter is full, so it is readable */
}

void loop_remote_destroy(struct loop_remote *remote)
{
	if (!remote)
		return;
	list_remove(&remote->node);
	loop_bury(remote->loop, &remote->grave, NULL);
}
