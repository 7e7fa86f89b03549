/* SPDX-License-Identifier: MIT
 * fd_kinds.c - file descriptors of all kinds, for fuzzers that pass them
 */
#include "fd_kinds.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fuzz.h"
#include "tests/lib/stuck_fs.h"
#include "util/compiler.h"

#define MEMORY_BYTES    0x10000u
#define HUGE_PAGE_BYTES (2u << 20)
#define SLOWLY          64u
#define FUSE_MAX        16u

static int fds[FD_KINDS];
static struct stuck_fs fuse;
static unsigned fuse_given;
static bool fuse_holds;
static int file; /* the memory that FD_MEMORY_READ_ONLY and FD_PATH reopen */

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int memory(unsigned flags, unsigned bytes)
{
	int fd = memfd_create("given", MFD_CLOEXEC | flags);

	if (fd >= 0)
		(void)!ftruncate(fd, bytes);
	return fd;
}

static void make_memories(void)
{
	fds[FD_MEMORY] = memory(0, MEMORY_BYTES);
	fds[FD_MEMORY_SEALED] = memory(MFD_ALLOW_SEALING, MEMORY_BYTES);
	(void)!fcntl(fds[FD_MEMORY_SEALED], F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	fds[FD_MEMORY_TRUNCATED] = memory(0, MEMORY_BYTES);
	fds[FD_MEMORY_EMPTY] = memory(0, 0);
	fds[FD_HUGE_PAGES] = memory(MFD_HUGETLB, HUGE_PAGE_BYTES);
	file = memory(0, MEMORY_BYTES);
	fds[FD_MEMORY_READ_ONLY] = reopen(file, O_RDONLY);
	fds[FD_FILE] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fds[FD_PATH] = reopen(file, O_PATH);
	fds[FD_FOLDER] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The peers stay open, except that of FD_SOCKET_CLOSED. */
static void make_pipes_and_sockets(void)
{
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	fds[FD_PIPE_READ] = ends[0];
	fds[FD_PIPE_WRITE] = ends[1];
	CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	while (write(ends[1], ends, sizeof(ends)) > 0)
		;
	(void)!fcntl(ends[1], F_SETFL, 0);
	fds[FD_PIPE_FULL] = ends[1];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fds[FD_SOCKET] = ends[0];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	fds[FD_SOCKET_CLOSED] = ends[0];
	close(ends[1]);
	fds[FD_SOCKET_LISTENING] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)!listen(fds[FD_SOCKET_LISTENING], 1);
}

static void end_fuse(void)
{
	(void)kill(fuse.server, SIGKILL);
}

static void make_others(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t none;

	fds[FD_EPOLL] = epoll_create1(EPOLL_CLOEXEC);
	(void)!epoll_ctl(fds[FD_EPOLL], EPOLL_CTL_ADD, fds[FD_EVENTFD], &event);
	fds[FD_TIMERFD] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	(void)sigemptyset(&none);
	fds[FD_SIGNALFD] = signalfd(-1, &none, SFD_CLOEXEC);
	fds[FD_INOTIFY] = inotify_init1(IN_CLOEXEC);
	fds[FD_PIDFD] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	fds[FD_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[FD_ZERO] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[FD_FULL] = open("/dev/full", O_RDWR | O_CLOEXEC);
	fds[FD_RANDOM] = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	fds[FD_PROC_MEM] = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	fds[FD_PROC_MAPS] = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	fds[FD_PTY] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	fds[FD_FUSE] = stuck_fs_start(&fuse) == 0 ? fuse.fd : -1;
	if (fds[FD_FUSE] >= 0)
		fuzz_unstick = end_fuse;
}

void fd_kinds_make(void)
{
	fds[FD_EVENTFD] = eventfd(0, EFD_CLOEXEC);
	fds[FD_EVENTFD_NONBLOCK] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[FD_EVENTFD_FULL] = eventfd(0, EFD_CLOEXEC);
	fds[FD_EVENTFD_SEMAPHORE] = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	CHECK(fds[FD_EVENTFD] >= 0);
	make_memories();
	make_pipes_and_sockets();
	make_others();
	fd_kinds_restore();
}

int fd_of(unsigned kind)
{
	int fd = fds[kind % FD_KINDS];

	if (kind % FD_KINDS == FD_FUSE && fuse_given++ >= FUSE_MAX)
		fd = -1;
	return fd >= 0 ? fd : fds[FD_EVENTFD];
}

static bool is_ready(int fd, short events)
{
	struct pollfd ask = {.fd = fd, .events = events};

	return poll(&ask, 1, 0) == 1 && (ask.revents & events);
}

static void drain(int fd)
{
	uint64_t count;

	while (is_ready(fd, POLLIN) && read(fd, &count, sizeof(count)) > 0)
		;
}

static void fill(int fd)
{
	const uint64_t most = UINT64_MAX - 1;
	const uint64_t one = 1;

	/* empty it first: then one write fills it */
	drain(fd);
	if (is_ready(fd, POLLOUT))
		(void)!write(fd, fd == fds[FD_EVENTFD_SEMAPHORE] ? &one : &most,
			     sizeof(most));
}

void fd_kinds_fill(void)
{
	fill(fds[FD_EVENTFD]);
	fill(fds[FD_EVENTFD_FULL]);
	fill(fds[FD_EVENTFD_NONBLOCK]);
}

void fd_kinds_fill_slowly(void)
{
	const uint64_t most = UINT64_MAX - 1 - SLOWLY;
	const uint64_t one = 1;

	if (!is_ready(fds[FD_EVENTFD], POLLOUT) ||
	    write(fds[FD_EVENTFD], &most, sizeof(most)) < 0)
		return;
	while (is_ready(fds[FD_EVENTFD], POLLOUT))
		(void)!write(fds[FD_EVENTFD], &one, sizeof(one));
}

static void drain_eventfds(void)
{
	drain(fds[FD_EVENTFD]);
	drain(fds[FD_EVENTFD_FULL]);
	drain(fds[FD_EVENTFD_NONBLOCK]);
}

void fd_kinds_truncate(unsigned long bytes)
{
	(void)!ftruncate(fds[FD_MEMORY_TRUNCATED], (off_t)(bytes % (MEMORY_BYTES + 1)));
}

void fd_kinds_hold(void)
{
	if (fds[FD_FUSE] < 0 || fuse_holds)
		return;
	fuse_holds = true;
	stuck_fs_hold(&fuse, true);
}

void fd_kinds_restore(void)
{
	if (fuse_holds)
		stuck_fs_hold(&fuse, false);
	fuse_holds = false;
	fuse_given = 0;
	drain_eventfds();
	drain(fds[FD_EVENTFD_SEMAPHORE]);
	fill(fds[FD_EVENTFD_FULL]);
	drain(fds[FD_PIPE_READ]);
	(void)!ftruncate(fds[FD_MEMORY_TRUNCATED], MEMORY_BYTES);
	(void)!ftruncate(fds[FD_MEMORY_EMPTY], 0);
}
