/* SPDX-License-Identifier: MIT
 * sockets.c - the listening sockets at the paths of the command line
 */
#include "daemon/sockets.h"

#include <errno.h>
#include <string.h>

#include "daemon/options.h"
#include "daemon/sandbox/sandbox.h"
#include "util/err.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/peers.h"

/* A socket at @path that those in @peers or @more can connect to. Return: 0, or -errno,
 * logged. */
static int listen_at(struct socket_file *file, const char *path,
		     const struct peers *peers, const struct peers *more)
{
	struct err err = {0};
	int fd, r;

	if (!path)
		return 0;
	fd = listen_unix(path, &err);
	if (fd < 0) {
		log_error("%s", err.text);
		return -err.code;
	}
	*file = (struct socket_file){.path = path, .fd = fd};
	if (!peers_given(peers) && !peers_given(more))
		return 0;
	r = open_unix_to_all(path, fd);
	if (r < 0)
		log_error("cannot open %s to other users: %s", path, strerror(-r));
	return r;
}

int sockets_listen(struct sockets *sockets, const struct options *options)
{
	int r = listen_at(&sockets->vmm, options->socket_path, &options->vmm_peers,
			  &options->vmm_peers);

	return r < 0 ? r
		     : listen_at(&sockets->control, options->control_path,
				 &options->control_peers, &options->control_readers);
}

int sockets_give(struct sockets *sockets, const struct options *options)
{
	const struct socket_file *files[] = {&sockets->vmm, &sockets->control};
	struct err err = {0};
	uid_t uid;
	gid_t gid;
	int r;

	if (!options->user)
		return 0;
	r = sandbox_ids_of(options->user, &uid, &gid, &err);
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		if (files[i]->path)
			r = give_unix_to(files[i]->path, files[i]->fd, uid, gid);
	}
	/* without the right to give, there is none to become somebody else either */
	if (r < 0 && r != -EPERM)
		log_error("--user: %s", err.text[0] ? err.text : strerror(-r));
	return r == -EPERM ? 0 : r;
}

int sockets_take(struct socket_file *file)
{
	file->is_taken = true;
	return file->fd;
}

static void remove_file(struct socket_file *file)
{
	int r;

	if (!file->path)
		return;
	r = unlink_unix(file->path, file->fd);
	if (r < 0)
		log_info("cannot remove the socket %s: %s; the next start replaces it",
			 file->path, strerror(-r));
	if (!file->is_taken)
		close_fd(&file->fd);
	file->path = NULL;
}

void sockets_remove(struct sockets *sockets)
{
	remove_file(&sockets->vmm);
	remove_file(&sockets->control);
}
