/* SPDX-License-Identifier: MIT
 * stuck_fs.c - a FUSE file system that stops answering
 */
#include "tests/lib/stuck_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/pass_fds.h"
#include "util/fds.h"

#define FILE_NODE  2u
#define FILE_BYTES (1u << 20)
#define MOUNT_AT   "/tmp"

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
	close_fd(&fd);
}

/* Gains the right to mount; without root, from a user namespace. */
static int become_mounter(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	if (uid == 0)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	put_text("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	put_text("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	put_text("/proc/self/gid_map", map);
	return 0;
}

static struct fuse_attr attr_of(uint64_t node)
{
	bool file = node == FILE_NODE;

	return (struct fuse_attr){
		.ino = node,
		.size = file ? FILE_BYTES : 4096,
		.mode = file ? S_IFREG | 0666 : S_IFDIR | 0777,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void answer(int fuse, uint64_t unique, int error, const void *payload, size_t len)
{
	struct fuse_out_header header = {.len = (uint32_t)(sizeof(header) + len),
					 .error = error,
					 .unique = unique};
	struct iovec iov[] = {{&header, sizeof(header)}, {(void *)payload, len}};

	(void)!writev(fuse, iov, len > 0 ? 2 : 1);
}

static void serve(int fuse, const struct fuse_in_header *in)
{
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
	} out = {0};

	switch (in->opcode) {
	case FUSE_INIT:
		out.init = (struct fuse_init_out){
			.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536};
		answer(fuse, in->unique, 0, &out.init, sizeof(out.init));
		break;
	case FUSE_LOOKUP:
		out.entry = (struct fuse_entry_out){
			.nodeid = FILE_NODE, .generation = 1, .attr = attr_of(FILE_NODE)};
		answer(fuse, in->unique, 0, &out.entry, sizeof(out.entry));
		break;
	case FUSE_GETATTR:
		out.attr.attr = attr_of(in->nodeid);
		answer(fuse, in->unique, 0, &out.attr, sizeof(out.attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		out.open.fh = 1;
		answer(fuse, in->unique, 0, &out.open, sizeof(out.open));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		answer(fuse, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(fuse, in->unique, -ENOSYS, NULL, 0);
		break;
	}
}

/* Answers requests until the peer closes @mute, then leaves them unanswered. Each message
 * from @mute says whether to hold requests. */
static void serve_all(int fuse, int mute)
{
	static _Alignas(struct fuse_in_header) char request[1 << 17];
	struct pollfd fds[] = {{.fd = mute, .events = POLLIN},
			       {.fd = fuse, .events = POLLIN}};
	bool hold = false;

	for (;;) {
		if (poll(fds, hold ? 1 : 2, -1) < 0)
			break;
		if (fds[0].revents && (read(mute, &hold, sizeof(hold)) <= 0 ||
				       write(mute, &hold, sizeof(hold)) <= 0))
			break;
		if (hold || !fds[1].revents)
			continue;
		if (read(fuse, request, sizeof(request)) < 0)
			return;
		serve(fuse, (const struct fuse_in_header *)request);
	}
	/* take requests, so that the kernel cannot withdraw them, and never answer */
	for (;;) {
		if (read(fuse, request, sizeof(request)) < 0)
			return;
	}
}

/* Opens the file and sends it over @to. In a child process. */
static void open_and_send(int to)
{
	int fd = open(STUCK_FS_FILE, O_RDWR | O_CLOEXEC);
	char byte = 0;
	struct iovec iov = {&byte, 1};

	(void)!pass_fds(to, &iov, 1, &fd, fd >= 0);
	_exit(0);
}

static void run_server(int to, int mute)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(options, sizeof(options),
		       "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (fuse < 0 || become_mounter() < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("stuck", MOUNT_AT, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		_exit(1);
	(void)signal(SIGCHLD, SIG_IGN);
	if (fork() == 0) {
		close_fd(&fuse);
		open_and_send(to);
	}
	close_fd(&to);
	serve_all(fuse, mute);
	_exit(0);
}

int stuck_fs_start(struct stuck_fs *fs)
{
	int pair[2], mute[2];
	bool lost = false;
	size_t nfds = 0;
	char byte;

	*fs = (struct stuck_fs){.server = -1, .mute_fd = -1, .fd = -1};
	if (access("/dev/fuse", F_OK) < 0)
		return -ENOENT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mute) < 0)
		return -errno;
	fs->server = fork();
	if (fs->server == 0) {
		close_fd(&mute[1]);
		close_fd(&pair[0]);
		run_server(pair[1], mute[0]);
	}
	close_fd(&mute[0]);
	close_fd(&pair[1]);
	fs->mute_fd = mute[1];
	if (poll(&(struct pollfd){.fd = pair[0], .events = POLLIN}, 1, 20000) == 1)
		(void)!receive_fds(pair[0], &byte, 1, &fs->fd, 1, &nfds, &lost);
	close_fd(&pair[0]);
	if (nfds == 1)
		return 0;
	fs->fd = -1;
	stuck_fs_stop(fs);
	return -EPERM;
}

void stuck_fs_mute(struct stuck_fs *fs)
{
	close_fd(&fs->mute_fd);
}

void stuck_fs_hold(struct stuck_fs *fs, bool hold)
{
	if (write(fs->mute_fd, &hold, sizeof(hold)) > 0)
		(void)!read(fs->mute_fd, &hold, sizeof(hold));
}

void stuck_fs_stop(struct stuck_fs *fs)
{
	if (fs->server > 0) {
		(void)kill(fs->server, SIGKILL);
		(void)waitpid(fs->server, NULL, 0);
	}
	fs->server = -1;
	close_fd(&fs->mute_fd);
	close_fd(&fs->fd);
}
