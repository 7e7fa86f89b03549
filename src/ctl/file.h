/* SPDX-License-Identifier: MIT
 * file.h - images, FIFOs and captures, opened here to be handed over
 *
 * So the daemon needs no right to them, a relative path is the caller's, and in its sandbox
 * the daemon opens nothing that was not named at its start.
 */
#ifndef CTL_FILE_H
#define CTL_FILE_H

#include <stdbool.h>

#include "ctl/ctl.h"
#include "util/safe_path.h"

/**
 * ctl_file_of_spec() - open what the emulated device of @spec needs
 * @ret_fd:	owned by the caller; -1: it needs nothing, or the daemon has to open it, since
 *		we cannot but perhaps it can
 *
 * Return: CTL_STATUS_FAILED if neither can, which has been said.
 */
MUST_USE enum ctl_status ctl_file_of_spec(const char *spec, int *ret_fd);

/**
 * struct ctl_capture_file - a file for a capture
 * @fd:		-1: as above
 * @made:	it was not there before
 */
struct ctl_capture_file {
	struct safe_path sp;
	int fd;
	bool made;
};

/* Opens @path, an absolute one, but does not change what is there. Return: CTL_STATUS_FAILED if it
 * cannot be, which has been said. */
MUST_USE enum ctl_status ctl_capture_file_open(struct ctl_capture_file *file,
					       const char *path);
/* Not @used: what was made is removed. */
void ctl_capture_file_finish(struct ctl_capture_file *file, bool used);

#endif /* CTL_FILE_H */
