/* SPDX-License-Identifier: MIT
 * client_path.c - paths that clients of the control socket name
 */
#include "daemon/client_path.h"

#include <errno.h>

int client_path_check(const char *path, struct err *err)
{
	if (path[0] == '/')
		return 0;
	return err_set(err, EINVAL,
		       "'%.128s' is a relative path, and usbvfiod runs in another folder "
		       "than you: give the full path",
		       path);
}
