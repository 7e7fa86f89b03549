/* SPDX-License-Identifier: MIT
 * file.h - open images, FIFOs and captures, to hand them over
 *
 * So the daemon needs no right to them, a relative path is the caller's, and a daemon in its
 * sandbox need not open a file that its command line does not name.
 */
#ifndef CTL_FILE_H
#define CTL_FILE_H

#include <stdbool.h>

#include "ctl/ctl.h"
#include "util/safe_path.h"

/**
 * ctl_file_of_spec() - open the file that the emulated device of @spec needs
 * @ret_fd:	owned by the caller; -1: it needs none, or we cannot open it but perhaps the
 *		daemon can
 *
 * Return: CTL_STATUS_FAILED after a complaint if neither can.
 */
MUST_USE enum ctl_status ctl_file_of_spec(const char *spec, int *ret_fd);

/**
 * struct ctl_capture_file - a file for a capture
 * @fd:		-1: as above
 * @made:	we created it
 */
struct ctl_capture_file {
	struct safe_path sp;
	int fd;
	bool made;
};

/* Opens @path, an absolute one, without changing the file. Return: CTL_STATUS_FAILED after a
 * complaint. */
MUST_USE enum ctl_status ctl_capture_file_open(struct ctl_capture_file *file,
					       const char *path);
/* Unless @used, removes a file that we created. */
void ctl_capture_file_finish(struct ctl_capture_file *file, bool used);

#endif /* CTL_FILE_H */
