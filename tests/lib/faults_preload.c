/* SPDX-License-Identifier: MIT
 * faults_preload.c - makes calls fail in the daemon under test: the daemon's side
 *
 * Preloaded, so the linker finds these functions before libc's. libc's internal calls
 * bypass them, except calls of malloc() and its family.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/lib/faults.h"

/* libc's internals; no header declares them. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *ptr);

static struct faults_page *page;

/* The errors of each kind that Linux really returns. */
static const int errors[FAULTS_KINDS][FAULTS_ERRORS_MAX] = {
	[FAULTS_ALLOC] = {ENOMEM},
	[FAULTS_READ] = {EINTR, EIO},
	[FAULTS_WRITE] = {EINTR, EIO, ENOSPC},
	[FAULTS_FILE_READ] = {EINTR, EIO, ENOMEM},
	[FAULTS_FILE_WRITE] = {EINTR, EIO, ENOSPC, ENOMEM},
	[FAULTS_SYNC] = {EIO, ENOSPC, EINTR},
	[FAULTS_SPACE] = {ENOSPC, EINTR},
	[FAULTS_RECEIVE] = {EINTR, EAGAIN, ENOMEM},
	[FAULTS_SEND] = {EINTR, EAGAIN, ENOMEM},
	[FAULTS_ACCEPT] = {EINTR, EMFILE, ENOMEM, ECONNABORTED},
	[FAULTS_WAIT] = {EINTR},
	[FAULTS_WATCH] = {ENOMEM, ENOSPC},
	[FAULTS_MAP] = {ENOMEM, EAGAIN},
	[FAULTS_UNMAP] = {ENOMEM},
	[FAULTS_TIMER] = {EMFILE, ENOMEM},
	[FAULTS_TIMER_SET] = {ENOMEM},
	[FAULTS_EVENTFD] = {EMFILE, ENOMEM},
	[FAULTS_OPEN] = {EINTR, EMFILE, ENOMEM, EIO},
	[FAULTS_FCNTL] = {EMFILE, ENOMEM},
	[FAULTS_STAT] = {ENOMEM, EIO},
	[FAULTS_IOCTL] = {EINTR, ENOMEM, EIO},
	[FAULTS_THREAD] = {EAGAIN},
	[FAULTS_SOCKET] = {ENOMEM, EMFILE},
	[FAULTS_SYSCALL] = {EINTR, EAGAIN, ENOMEM},
};

static __attribute__((constructor)) void join_page(void)
{
	const char *path = getenv(FAULTS_PAGE_ENV);
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (shared != MAP_FAILED)
		page = shared;
}

static void remember(const char *name, const void *caller)
{
	Dl_info info;

	if (dladdr(caller, &info) && info.dli_fname) {
		const char *slash = strrchr(info.dli_fname, '/');

		(void)snprintf(
			page->where, sizeof(page->where), "%s from %s+0x%lx", name,
			slash ? slash + 1 : info.dli_fname,
			(unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
	}
}

/* True if this call must fail; then sets errno. */
static bool fails(enum faults_kind kind, unsigned error_count, const char *name,
		  const void *caller)
{
	uint32_t number;
	int error;

	if (!page || !atomic_load(&page->armed))
		return false;
	number = atomic_fetch_add(&page->seen[kind], 1);
	if (page->kind != kind || number < page->nth || number - page->nth >= page->count)
		return false;
	if (atomic_fetch_add(&page->failed, 1) == 0)
		remember(name, caller);
	error = errors[kind][page->error % error_count];
	errno = error ? error : errors[kind][0];
	return true;
}

static unsigned errors_of(enum faults_kind kind)
{
	unsigned count = 0;

	while (count < FAULTS_ERRORS_MAX && errors[kind][count])
		count++;
	return count;
}

#define FAILS(kind) fails((kind), errors_of(kind), __func__, __builtin_return_address(0))

/* Fails at most one call on an eventfd or timerfd, with EINTR: they have no other errors. */
#define FAILS_ON(kind, fd)                                                       \
	(is_counter(fd) ? page->count == 1 && fails((kind), 1, __func__,         \
						    __builtin_return_address(0)) \
			: FAILS(kind))

static bool is_counter(int fd)
{
	static int (*next)(int, struct stat64 *);
	struct stat64 st;

	if (!page || !atomic_load(&page->armed))
		return false;
	if (!next)
		next = (int (*)(int, struct stat64 *))dlsym(RTLD_NEXT, "fstat64");
	/* their mode has no file type */
	return next(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

/* Declares next, libc's own function of this name. */
#define NEXT(name)                     \
	static __typeof__(name) *next; \
	if (!next)                     \
	next = (__typeof__(next))dlsym(RTLD_NEXT, #name)

/* ---- allocations ---- */

/* json-c does not check all of its allocations, so the daemon checks for memory before it
 * calls json-c (control_has_memory()). */
static bool is_forgiven(const void *caller)
{
	static const void *json_base;
	Dl_info info;

	if (!page || !atomic_load(&page->armed))
		return false;
	if (!json_base) {
		void *function = dlsym(RTLD_DEFAULT, "json_object_new_object");

		json_base = function && dladdr(function, &info) ? info.dli_fbase : page;
	}
	return dladdr(caller, &info) && info.dli_fbase == json_base;
}

#define FAILS_ALLOC (!is_forgiven(__builtin_return_address(0)) && FAILS(FAULTS_ALLOC))

static void *born(void *ptr)
{
	if (ptr && page)
		atomic_fetch_add(&page->live, 1);
	return ptr;
}

void *malloc(size_t bytes)
{
	return FAILS_ALLOC ? NULL : born(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
	return FAILS_ALLOC ? NULL : born(__libc_calloc(count, bytes));
}

void *realloc(void *ptr, size_t bytes)
{
	if (FAILS_ALLOC)
		return NULL;
	if (!ptr)
		return born(__libc_malloc(bytes));
	return __libc_realloc(ptr, bytes);
}

void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
	return FAILS_ALLOC ? NULL : born(__libc_memalign(align, bytes));
}

/* Wrapped too, so that page->where names their caller. */
char *strndup(const char *text, size_t most)
{
	size_t len = strnlen(text, most);
	char *copy = FAILS_ALLOC ? NULL : born(__libc_malloc(len + 1));

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

char *strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = FAILS_ALLOC ? NULL : born(__libc_malloc(bytes));

	return copy ? memcpy(copy, text, bytes) : NULL;
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return FAILS_ALLOC ? NULL : born(__libc_memalign(align, bytes));
}

int posix_memalign(void **ret_ptr, size_t align, size_t bytes)
{
	void *ptr = FAILS_ALLOC ? NULL : born(__libc_memalign(align, bytes));

	if (!ptr)
		return ENOMEM;
	*ret_ptr = ptr;
	return 0;
}

void free(void *ptr)
{
	if (ptr && page)
		atomic_fetch_sub(&page->live, 1);
	__libc_free(ptr);
}

/* ---- system calls ---- */

/* Wraps a libc function that fails with -1 and errno. */
#define CALL(kind, type, name, parameters, arguments)           \
	type name parameters;                                   \
	type name parameters                                    \
	{                                                       \
		NEXT(name);                                     \
		return FAILS(kind) ? (type)-1 : next arguments; \
	}
#define CALL_ON(kind, type, name, parameters, arguments)               \
	type name parameters;                                          \
	type name parameters                                           \
	{                                                              \
		NEXT(name);                                            \
		return FAILS_ON(kind, fd) ? (type)-1 : next arguments; \
	}

/* clang-format off */
CALL_ON(FAULTS_READ, ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
CALL_ON(FAULTS_WRITE, ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
CALL_ON(FAULTS_WRITE, ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n))
CALL(FAULTS_FILE_READ, ssize_t, pread64, (int fd, void *buf, size_t len, __off64_t at), (fd, buf, len, at))
CALL(FAULTS_FILE_READ, ssize_t, preadv64v2, (int fd, const struct iovec *iov, int n, __off64_t at, int flags), (fd, iov, n, at, flags))
CALL(FAULTS_FILE_WRITE, ssize_t, pwrite64, (int fd, const void *buf, size_t len, __off64_t at), (fd, buf, len, at))
CALL(FAULTS_FILE_WRITE, ssize_t, pwritev64v2, (int fd, const struct iovec *iov, int n, __off64_t at, int flags), (fd, iov, n, at, flags))
CALL(FAULTS_SYNC, int, fdatasync, (int fd), (fd))
CALL(FAULTS_SYNC, int, fsync, (int fd), (fd))
CALL(FAULTS_SPACE, int, ftruncate64, (int fd, __off64_t size), (fd, size))
CALL(FAULTS_SPACE, int, fallocate64, (int fd, int mode, __off64_t at, __off64_t len), (fd, mode, at, len))
CALL(FAULTS_RECEIVE, ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
CALL(FAULTS_RECEIVE, ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
CALL(FAULTS_SEND, ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
CALL(FAULTS_SEND, ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
CALL(FAULTS_ACCEPT, int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))
CALL(FAULTS_WAIT, int, epoll_wait, (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms))
CALL(FAULTS_WATCH, int, epoll_ctl, (int fd, int op, int of, struct epoll_event *event), (fd, op, of, event))
CALL(FAULTS_MAP, void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t off), (at, len, prot, flags, fd, off))
CALL(FAULTS_MAP, void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, __off64_t off), (at, len, prot, flags, fd, off))
CALL(FAULTS_UNMAP, int, munmap, (void *at, size_t len), (at, len))
CALL(FAULTS_TIMER, int, timerfd_create, (int clock, int flags), (clock, flags))
CALL(FAULTS_TIMER_SET, int, timerfd_settime, (int fd, int flags, const struct itimerspec *set, struct itimerspec *was), (fd, flags, set, was))
CALL(FAULTS_EVENTFD, int, eventfd, (unsigned initial, int flags), (initial, flags))
CALL(FAULTS_STAT, int, stat64, (const char *path, struct stat64 *st), (path, st))
CALL(FAULTS_STAT, int, lstat64, (const char *path, struct stat64 *st), (path, st))
CALL(FAULTS_STAT, int, fstat64, (int fd, struct stat64 *st), (fd, st))
CALL(FAULTS_STAT, int, fstatfs64, (int fd, struct statfs64 *st), (fd, st))
CALL(FAULTS_SOCKET, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(FAULTS_SOCKET, int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
CALL(FAULTS_SOCKET, int, listen, (int fd, int backlog), (fd, backlog))
CALL(FAULTS_SOCKET, int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
CALL(FAULTS_SOCKET, int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))
/* clang-format on */

FILE *fopen64(const char *path, const char *mode)
{
	NEXT(fopen64);
	return FAILS(FAULTS_OPEN) ? NULL : next(path, mode);
}

DIR *opendir(const char *path)
{
	NEXT(opendir);
	return FAILS(FAULTS_OPEN) ? NULL : next(path);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
		   void *arg)
{
	NEXT(pthread_create);
	return FAILS(FAULTS_THREAD) ? errno : next(thread, attr, run, arg);
}

/* Functions with an optional last argument. */

#define CALL_OPEN(name)                                                   \
	int name(const char *path, int flags, ...);                       \
	int name(const char *path, int flags, ...)                        \
	{                                                                 \
		va_list ap;                                               \
		unsigned mode;                                            \
		NEXT(name);                                               \
                                                                          \
		va_start(ap, flags);                                      \
		mode = va_arg(ap, unsigned);                              \
		va_end(ap);                                               \
		return FAILS(FAULTS_OPEN) ? -1 : next(path, flags, mode); \
	}
CALL_OPEN(open)
CALL_OPEN(open64)

int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	unsigned mode;
	NEXT(openat64);

	va_start(ap, flags);
	mode = va_arg(ap, unsigned);
	va_end(ap);
	return FAILS(FAULTS_OPEN) ? -1 : next(dir, path, flags, mode);
}

/* FORTIFY_SOURCE turns open() with two arguments, and read(), into these. */
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
	NEXT(__open64_2);
	return FAILS(FAULTS_OPEN) ? -1 : next(path, flags);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	NEXT(__read_chk);
	return FAILS_ON(FAULTS_READ, fd) ? -1 : next(fd, buf, len, room);
}

/* Other commands never fail here. */
#define CALL_FCNTL(name)                                                  \
	int name(int fd, int command, ...);                               \
	int name(int fd, int command, ...)                                \
	{                                                                 \
		va_list ap;                                               \
		void *arg;                                                \
		NEXT(name);                                               \
                                                                          \
		va_start(ap, command);                                    \
		arg = va_arg(ap, void *);                                 \
		va_end(ap);                                               \
		if ((command == F_DUPFD_CLOEXEC || command == F_SETLK) && \
		    FAILS(FAULTS_FCNTL))                                  \
			return -1;                                        \
		return next(fd, command, arg);                            \
	}
CALL_FCNTL(fcntl)
CALL_FCNTL(fcntl64)

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	NEXT(ioctl);

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return FAILS(FAULTS_IOCTL) ? -1 : next(fd, request, arg);
}

long syscall(long number, ...)
{
	va_list ap;
	long a[6];
	NEXT(syscall);

	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return FAILS(FAULTS_SYSCALL) ? -1
				     : next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
