/* SPDX-License-Identifier: MIT
 * paths.c - makes and opens the named paths, by a process that may be left behind
 *
 * A file system may never answer, and SIGTERM cannot end a thread that waits for one. So a child
 * makes and opens one path after the other and hands each over. If it is silent for too long, we
 * leave out the path where it waits, and another child goes on behind it.
 *
 * The child also finds out what root could not do without capabilities, since it can drop them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox/access.h"
#include "daemon/sandbox/paths.h"
#include "util/fds.h"

/* How long a path may take. Each path left out halves the time for the next, which may be on the
 * same file system. */
#define PATIENCE_MAX_MS 10000
#define PATIENCE_MIN_MS 100

/* The child's report of a step: it makes all paths, then opens all. A descriptor comes along if the
 * path is there. */
struct report {
	unsigned step;
	bool made;
	bool is_there; /* but its descriptor could not be sent */
	bool is_folder;
	bool of_others;
};

/* --- the child --- */

static bool can_reach(const struct sandbox_path *path, bool is_folder)
{
	int file_mode = (path->access & SANDBOX_READ ? R_OK : 0) |
			(path->access & SANDBOX_WRITE ? W_OK : 0);
	int folder_mode =
		X_OK | (path->access & (SANDBOX_MAKE | SANDBOX_REMOVE) ? W_OK : 0);

	return faccessat(AT_FDCWD, path->path, is_folder ? folder_mode : file_mode,
			 AT_EACCESS) == 0;
}

/* Whether we can reach the path, but only by the capability to override permissions. A user other
 * than root was given that on purpose, so it also counts for a folder to write in. */
static bool is_of_others(const struct sandbox_path *path, bool is_folder)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
	bool found;

	if (syscall(SYS_capget, &header, now) < 0 ||
	    !(now[0].effective & (1u << CAP_DAC_OVERRIDE)) || !can_reach(path, is_folder))
		return false;
	if (geteuid() != 0 && is_folder && (path->access & SANDBOX_WRITE))
		return true;
	memcpy(none, now, sizeof(none));
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
		none[i].effective = 0;
	if (syscall(SYS_capset, &header, none) < 0)
		return false;
	found = !can_reach(path, is_folder);
	(void)syscall(SYS_capset, &header, now);
	return found;
}

/* Return: whether it was sent. */
static bool send_report(int socket_fd, const struct report *report, int fd)
{
	struct pollfd room = {.fd = socket_fd, .events = POLLOUT};
	ssize_t n;

	while ((n = send_fd_now(socket_fd, report, sizeof(*report), fd)) == -EAGAIN)
		(void)poll(&room, 1, -1);
	return n >= 0;
}

static _Noreturn void open_all(int socket_fd, const struct sandbox_path *paths,
			       unsigned first, unsigned count)
{
	/* a child left behind must not hold our sockets; descriptors that others gave us may
	 * block in close() */
	close_unix_of_parent();
	for (unsigned step = first; step < 2 * count; step++) {
		const struct sandbox_path *path = &paths[step % count];
		struct report report = {.step = step};
		struct stat st;
		int fd = -1;

		if (step < count)
			report.made = path->make && path->make(path->path);
		else if (path->access)
			fd = open(path->path, O_PATH | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0)
			report.is_folder = S_ISDIR(st.st_mode);
		if (fd >= 0)
			report.of_others = is_of_others(path, report.is_folder);
		/* our user may have too many descriptors in flight */
		if (!send_report(socket_fd, &report, fd)) {
			report.is_there = fd >= 0;
			if (!send_report(socket_fd, &report, -1))
				_exit(1);
		}
		close_fd(&fd);
	}
	_exit(0);
}

/* --- the parent --- */

/* Return: 1 a report; 0 the child has ended; -ETIMEDOUT; -ECANCELED: SIGTERM or SIGINT came. */
static int receive_report(int socket_fd, int signal_fd, int patience_ms,
			  struct report *report, int *ret_fd)
{
	struct pollfd ask[] = {{.fd = socket_fd, .events = POLLIN},
			       {.fd = signal_fd, .events = POLLIN}};
	bool lost = false;
	size_t nfds;
	int ready;

	*ret_fd = -1;
	do {
		ready = poll(ask, ARRAY_SIZE(ask), patience_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return -ETIMEDOUT;
	if (ask[1].revents)
		return -ECANCELED;
	return receive_fds(socket_fd, report, sizeof(*report), ret_fd, 1, &nfds, &lost) ==
	       (ssize_t)sizeof(*report);
}

static void take(struct sandbox_path *path, const struct report *report, int fd)
{
	close_fd(&path->fd);
	path->fd = fd;
	/* does not block: the child's open has just returned */
	if (report->is_there)
		path->fd = open(path->path, O_PATH | O_CLOEXEC);
	path->is_folder = report->is_folder;
	path->of_others = report->of_others;
	if (report->made && path->made)
		path->made(path->path);
}

/* Runs one child, from step *@next on. *@next: the first that it did not finish.
 * Return: 0, -ETIMEDOUT, -ECANCELED, or -errno: no child. */
static int open_some(struct sandbox_path *paths, unsigned count, int signal_fd,
		     int patience_ms, unsigned *next)
{
	int pair[2], fd, r;
	struct report report;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		open_all(pair[1], paths, *next, count);
	r = child < 0 ? -errno : 0;
	close_fd(&pair[1]);
	while (child > 0 && *next < 2 * count &&
	       (r = receive_report(pair[0], signal_fd, patience_ms, &report, &fd)) > 0) {
		take(&paths[report.step % count], &report, fd);
		*next = report.step + 1;
	}
	close_fd(&pair[0]);
	/* it may hang in exit(), too, which closes descriptors that others gave us */
	if (child > 0) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, WNOHANG);
	}
	return *next < 2 * count ? r : 0;
}

int sandbox_paths_open(struct sandbox_path *paths, unsigned count)
{
	/* blocked, since the thread of ending.c does not run yet */
	_cleanup_close_ int signal_fd = -1;
	int patience_ms = PATIENCE_MAX_MS;
	unsigned next = 0;
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	signal_fd = signalfd(-1, &ends, SFD_CLOEXEC);

	for (unsigned i = 0; i < count; i++)
		paths[i].fd = -1;
	while (next < 2 * count) {
		int r = open_some(paths, count, signal_fd, patience_ms, &next);

		if (r != -ETIMEDOUT)
			return r < 0 ? r : next < 2 * count ? -EIO : 0;
		paths[next % count].is_silent = true;
		patience_ms = MAX_OF(patience_ms / 2, PATIENCE_MIN_MS);
		next++;
	}
	return 0;
}
