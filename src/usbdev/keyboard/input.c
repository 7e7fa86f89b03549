/* SPDX-License-Identifier: MIT
 * input.c - the FIFO whose text a keyboard types
 */
#include "usbdev/keyboard/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fds.h"
#include "util/safe_path.h"
#include "util/self.h"

/* Paths from keyboard_input_made() that have not been opened since; NULL: free. */
#define MADE_MAX 32u
static char *_Atomic made[MADE_MAX];

bool keyboard_input_make(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 && errno == ENOENT && mkfifo(path, 0600) == 0;
}

void keyboard_input_made(const char *path)
{
	for (unsigned i = 0; i < MADE_MAX; i++) {
		if (made[i])
			continue;
		made[i] = strdup(path);
		return;
	}
}

static bool take_made(const char *path)
{
	for (unsigned i = 0; i < MADE_MAX; i++) {
		char *found = made[i];

		if (!found || strcmp(found, path) != 0 ||
		    !atomic_compare_exchange_strong(&made[i], &found, NULL))
			continue;
		free(found);
		return true;
	}
	return false;
}

static int not_a_fifo(const char *path, struct err *err)
{
	return err_set(err, EINVAL, "%s is there and is no FIFO", path);
}

/* Return: 0, or -EPERM with the reason in @err. */
static int check_writers(const struct stat *st, const char *path, struct err *err)
{
	if (st->st_uid != self_uid() && st->st_uid != 0)
		return err_set(err, EPERM,
			       "the FIFO %s belongs to user %u, who could type into the "
			       "guest; with ,anyone it is taken all the same",
			       path, (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EPERM,
			       "others may write to the FIFO %s and so type into the "
			       "guest: chmod go-w it; with ,anyone it is taken all the "
			       "same",
			       path);
	return 0;
}

/* Opens it for writing too, so that it does not end when a writer goes. Return: fd or -errno. */
static int open_found(struct safe_path *sp, const char *path, bool anyone,
		      struct err *err)
{
	int fd;

	if (!S_ISFIFO(sp->st.st_mode))
		return not_a_fifo(path, err);
	if (!anyone && check_writers(&sp->st, path, err) < 0)
		return -EPERM;
	fd = safe_path_open(sp, O_RDWR, 0);
	if (fd < 0)
		return err_set(err, -fd, "cannot open %s: %s", path, strerror(-fd));
	return fd;
}

static int make(struct safe_path *sp, const char *path, struct err *err)
{
	/* the umask can only take rights away */
	if (mkfifoat(sp->folder, sp->name, 0600) < 0 ||
	    fstatat(sp->folder, sp->name, &sp->st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "cannot make the FIFO %s: %s", path,
			       strerror(errno));
	sp->exists = true;
	return 0;
}

int keyboard_input_open(struct keyboard_input *input, const char *path, bool anyone,
			struct err *err)
{
	struct safe_path sp;
	int r;

	*input = (struct keyboard_input){.fd = -1, .path = strdup(path)};
	if (!input->path)
		return err_set(err, ENOMEM, "no memory for a keyboard");
	/* open_found() checks the owner */
	r = safe_path_find(&sp, path, true, err);
	if (r == 0 && !sp.exists) {
		r = make(&sp, path, err);
		input->made = r == 0;
	}
	if (r == 0)
		r = open_found(&sp, path, anyone, err);
	safe_path_finish(&sp);
	if (r < 0) {
		keyboard_input_close(input);
		return r;
	}
	input->fd = r;
	input->made |= take_made(path);
	return 0;
}

int keyboard_input_adopt(struct keyboard_input *input, int fd, const char *path,
			 struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	int r = 0;

	*input = (struct keyboard_input){.fd = fd, .path = strdup(path)};
	if (!input->path)
		r = err_set(err, ENOMEM, "no memory for a keyboard");
	else if (flags < 0 || fstat(fd, &st) < 0)
		r = err_set(err, errno, "%s: %s", path, strerror(errno));
	else if (!S_ISFIFO(st.st_mode))
		r = not_a_fifo(path, err);
	else if ((flags & O_ACCMODE) == O_WRONLY)
		r = err_set(err, EBADF, "%s must be opened for reading", path);
	else if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = err_set(err, errno, "%s: %s", path, strerror(errno));
	if (r < 0)
		keyboard_input_close(input);
	return r;
}

void keyboard_input_close(struct keyboard_input *input)
{
	close_fd(&input->fd);
	if (input->made)
		(void)unlinkat(AT_FDCWD, input->path, 0);
	free(input->path);
	*input = (struct keyboard_input){.fd = -1};
}
