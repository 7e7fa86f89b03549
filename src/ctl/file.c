/* SPDX-License-Identifier: MIT
 * file.c - open images, FIFOs and captures, to hand them over
 */
#include "ctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util/fds.h"
#include "util/spec.h"

/* The daemon may be able to open it although we are not. It needs an absolute path. */
static enum ctl_status leave_to_daemon(const char *path, int error)
{
	if (path[0] == '/' && (error == EACCES || error == EPERM || error == ENOENT))
		return CTL_STATUS_DONE;
	ctl_complain("cannot open %s: %s", path, strerror(error));
	return CTL_STATUS_FAILED;
}

static enum ctl_status open_image(const char *path, bool readonly, int *ret_fd)
{
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (readonly ? O_RDONLY : O_RDWR);
	struct stat st;

	/* stat first: opening something else may have effects */
	if (stat(path, &st) < 0)
		return leave_to_daemon(path, errno);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		ctl_complain("%s is neither a file nor a block device", path);
		return CTL_STATUS_FAILED;
	}
	/* refuses a disk that the host has mounted */
	if (S_ISBLK(st.st_mode) && !readonly)
		flags |= O_EXCL;
	*ret_fd = open(path, flags);
	if (*ret_fd >= 0)
		return CTL_STATUS_DONE;
	if (errno == EBUSY) {
		ctl_complain("%s is in use by the host (mounted or part of a volume)",
			     path);
		return CTL_STATUS_FAILED;
	}
	return leave_to_daemon(path, errno);
}

/* A user who can write to it can type into the guest. */
static enum ctl_status check_input(const struct stat *st, const char *path)
{
	if (!S_ISFIFO(st->st_mode))
		ctl_complain("%s is there and is no FIFO", path);
	else if (st->st_uid != geteuid() && st->st_uid != 0)
		ctl_complain("the FIFO %s belongs to user %u, who could type into the "
			     "guest; with ,anyone it is taken all the same",
			     path, (unsigned)st->st_uid);
	else if (st->st_mode & (S_IWGRP | S_IWOTH))
		ctl_complain(
			"others may write to the FIFO %s and so type into the "
			"guest: chmod go-w it; with ,anyone it is taken all the same",
			path);
	else
		return CTL_STATUS_DONE;
	return CTL_STATUS_FAILED;
}

static enum ctl_status open_found_input(struct safe_path *sp, const char *path,
					bool anyone, int *ret_fd)
{
	if (!sp->exists) {
		if (mkfifoat(sp->folder, sp->name, 0600) < 0 ||
		    fstatat(sp->folder, sp->name, &sp->st, AT_SYMLINK_NOFOLLOW) < 0)
			return leave_to_daemon(path, errno);
		sp->exists = true;
	} else if ((!anyone || !S_ISFIFO(sp->st.st_mode)) &&
		   check_input(&sp->st, path) != CTL_STATUS_DONE) {
		return CTL_STATUS_FAILED;
	}
	*ret_fd = safe_path_open(sp, O_RDWR, 0);
	return *ret_fd >= 0 ? CTL_STATUS_DONE : leave_to_daemon(path, -*ret_fd);
}

static enum ctl_status open_input(const char *path, bool anyone, int *ret_fd)
{
	struct safe_path sp;
	struct err err = {0};
	enum ctl_status status = CTL_STATUS_DONE;
	/* check_input() checks the owner */
	int r = safe_path_find(&sp, path, true, &err);

	if (r == 0) {
		status = open_found_input(&sp, path, anyone, ret_fd);
	} else if (r == -EPERM) {
		ctl_complain("%s", err.text);
		status = CTL_STATUS_FAILED;
	} else {
		status = leave_to_daemon(path, -r);
	}
	safe_path_finish(&sp);
	return status;
}

enum ctl_status ctl_file_of_spec(const char *spec, int *ret_fd)
{
	const char *image = NULL, *input = NULL;
	bool readonly = false, anyone = false;
	struct spec parsed;

	*ret_fd = -1;
	/* let the daemon complain about a wrong spec */
	if (spec_parse(&parsed, spec, NULL) < 0)
		return CTL_STATUS_DONE;
	if (strcmp(parsed.name, "stick") == 0 &&
	    spec_string(&parsed, "file", &image, NULL) == 0 && image &&
	    spec_flag(&parsed, "readonly", &readonly, NULL) == 0)
		return open_image(image, readonly, ret_fd);
	if (strcmp(parsed.name, "keyboard") == 0 &&
	    spec_string(&parsed, "input", &input, NULL) == 0 && input &&
	    spec_flag(&parsed, "anyone", &anyone, NULL) == 0)
		return open_input(input, anyone, ret_fd);
	return CTL_STATUS_DONE;
}

enum ctl_status ctl_capture_file_open(struct ctl_capture_file *file, const char *path)
{
	struct err err = {0};
	bool is_file;
	int r;

	file->fd = -1;
	file->made = false;
	r = safe_path_find(&file->sp, path, false, &err);
	if (r < 0 && r != -ENOENT && r != -EACCES) {
		ctl_complain("%s", err.text);
		return CTL_STATUS_FAILED;
	}
	is_file = !file->sp.exists || S_ISREG(file->sp.st.st_mode);
	/* the daemon creates missing folders, and checks other kinds of files */
	if (r < 0 || (!is_file && !S_ISFIFO(file->sp.st.st_mode)))
		return CTL_STATUS_DONE;
	file->made = !file->sp.exists;
	file->fd = safe_path_open(&file->sp, is_file ? O_RDWR | O_CREAT : O_WRONLY, 0600);
	if (file->fd >= 0)
		return CTL_STATUS_DONE;
	r = file->fd;
	file->fd = -1;
	file->made = false;
	if (r != -ENXIO)
		return leave_to_daemon(path, -r);
	ctl_complain("%s is a FIFO without a reader: start the reader first", path);
	return CTL_STATUS_FAILED;
}

void ctl_capture_file_finish(struct ctl_capture_file *file, bool used)
{
	if (file->made && !used)
		(void)unlinkat(file->sp.folder, file->sp.name, 0);
	close_fd(&file->fd);
	safe_path_finish(&file->sp);
}
