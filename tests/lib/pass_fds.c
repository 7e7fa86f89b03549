/* SPDX-License-Identifier: MIT
 * pass_fds.c - bytes and file descriptors, sent in one message
 */
#include "tests/lib/pass_fds.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t pass_fds(int fd, struct iovec *iov, size_t niov, const int *fds, unsigned nfds)
{
	union {
		char bytes[CMSG_SPACE(PASS_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = niov};
	ssize_t n;

	if (nfds > PASS_FDS_MAX)
		return -EINVAL;
	if (nfds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}
