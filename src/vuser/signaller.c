/* SPDX-License-Identifier: MIT
 * signaller.c - signalling eventfds of others without ever waiting
 *
 * The ring of completions is mapped where io_setup() says; its head is ours to move.
 * Every request completes inside io_submit(), so a store empties the ring before each one,
 * and we never wait for a completion nor read one. We create the context and the timer once
 * for the whole process and keep them: a sandbox may forbid creating them later, and
 * io_destroy() waits for all processors.
 */
#include "vuser/signaller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "util/fds.h"
#include "util/log.h"

/* Room for completions; we use one at a time. */
#define RING_EVENTS 4u
#define RING_MAGIC  0xa10a10a1u
#define SIGNAL_NO   (SIGRTMIN + 2)

/* How the kernel's ring begins (fs/aio.c; not in a public header, but used by others and
 * marked with a magic number and flags for that). */
struct aio_ring {
	uint32_t id;
	uint32_t nr;
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
};

/**
 * struct process - resources of the kernel for this process
 * @aio:	the context and, at the same address, its ring; 0: none
 * @null_fd:	/dev/null, for the reads; -1: no AIO
 * @timer:	ends a waiting write by a signal to the thread that created it
 */
static struct {
	bool prepared;
	aio_context_t aio;
	int null_fd;
	timer_t timer;
} process = {.null_fd = -1};

static struct aio_ring *aio_ring(void)
{
	/* The kernel returns an address as a number. */
	return (struct aio_ring *)(uintptr_t)process.aio; // NOLINT
}

static int open_aio(void)
{
	if (!process.aio && syscall(SYS_io_setup, RING_EVENTS, &process.aio) < 0)
		return -errno;
	if (aio_ring()->magic != RING_MAGIC || aio_ring()->incompat_features)
		return -ENOTSUP;
	process.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return process.null_fd < 0 ? -errno : 0;
}

static void on_timer_signal(int signal)
{
	(void)signal; /* the handler makes a waiting write end with EINTR */
}

static int open_timer(void)
{
	struct sigaction action = {.sa_handler = on_timer_signal};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
				 .sigev_signo = SIGNAL_NO};

	(void)sigemptyset(&action.sa_mask);
	if (sigaction(SIGNAL_NO, &action, NULL) < 0)
		return -errno;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	return timer_create(CLOCK_MONOTONIC, &event, &process.timer) < 0 ? -errno : 0;
}

int signaller_prepare(bool with_aio)
{
	int r = process.prepared ? 0 : open_timer();

	if (r < 0)
		return r;
	process.prepared = true;
	if (!with_aio) {
		close_fd(&process.null_fd);
		return 0;
	}
	r = process.null_fd >= 0 ? 0 : open_aio();
	if (r < 0)
		log_warn("vfio-user: interrupts need two more system calls each: no "
			 "asynchronous I/O: %s%s",
			 strerror(-r), r == -EAGAIN ? " (see sysctl fs.aio-max-nr)" : "");
	return 0;
}

bool signaller_has_aio(void)
{
	return process.null_fd >= 0;
}

static int submit(int fd)
{
	struct aio_ring *ring = aio_ring();
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)process.null_fd,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *iocbs[] = {&iocb};

	__atomic_store_n(&ring->head, __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
	return syscall(SYS_io_submit, process.aio, 1L, iocbs) == 1 ? 0 : -errno;
}

/* The timer repeats, as its first signal may come before the write has begun. */
static int set_timer(long ns)
{
	const struct itimerspec when = {.it_value.tv_nsec = ns,
					.it_interval.tv_nsec = ns};

	return timer_settime(process.timer, 0, &when, NULL) < 0 ? -errno : 0;
}

static int write_guarded(int fd)
{
	static const uint64_t one = 1;
	int r = set_timer(SIGNALLER_WAIT_MAX_NS);

	if (r < 0)
		return r;
	if (write(fd, &one, sizeof(one)) < 0)
		r = -errno;
	(void)set_timer(0);
	if (r == -EAGAIN)
		return 0;
	return r == -EINTR ? -ETIMEDOUT : r;
}

int signaller_signal(int fd)
{
	int r = signaller_has_aio() ? submit(fd) : -ENOSYS;

	if (r == 0 || r == -EINVAL || r == -EBADF)
		return r;
	return write_guarded(fd);
}
