/* SPDX-License-Identifier: MIT
 * fd_limit.c - raises the limit of file descriptors to what all clients can need
 */
#include "daemon/fd_limit.h"

#include <string.h>
#include <sys/resource.h>

#include "util/closer.h"
#include "util/compiler.h"
#include "util/fds.h"
#include "util/log.h"

_Static_assert(2 * CLOSER_BEHIND + RECEIVE_FDS_MAX < FD_LIMIT_NEED, "of others");
_Static_assert(FD_LIMIT_NEED < CLOSER_WAITING_MAX, "all can wait");

void fd_limit_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FD_LIMIT_NEED)
		return;
	if (limit.rlim_max < FD_LIMIT_NEED)
		log_warn(
			"at most %llu descriptors may be open here, %u are needed if all "
			"come that may: see LimitNOFILE= or ulimit -Hn",
			(unsigned long long)limit.rlim_max, FD_LIMIT_NEED);
	limit.rlim_cur = MIN_OF(limit.rlim_max, FD_LIMIT_NEED);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit on descriptors: %m");
}
