/* SPDX-License-Identifier: MIT
 * forms.c - calls that a C library makes in another form than the list has
 *
 * Versions of the C library use different calls for the same thing, and the list has one of each.
 * The others are rare here, so the time of a signal does not matter: the handler makes the call
 * in the listed form, under the same filter.
 *
 * In a handler of SIGSYS, on any thread: nothing here may wait or take memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/sandbox/forms.h"
#include "util/compiler.h"
#include "util/self.h"

static long call(long number, long a, long b, long c, long d)
{
	long r = syscall(number, a, b, c, d);

	return r < 0 ? -errno : r;
}

static long to_write(const long *args)
{
	const struct iovec *iov = (const struct iovec *)args[1]; // NOLINT
	long total = 0;

	for (long i = 0; i < args[2]; i++) {
		/* NOLINTNEXTLINE(bugprone-signal-handler): write() is safe in one */
		ssize_t n = write((int)args[0], iov[i].iov_base, iov[i].iov_len);

		if (n < 0)
			return total > 0 ? total : -errno;
		total += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return total;
}

static long to_newfstatat(const long *args)
{
	return call(SYS_newfstatat, args[0], (long)"", args[1], AT_EMPTY_PATH);
}

static long to_our_pid(const long *args)
{
	(void)args;
	return self_pid();
}

/* Only abort() makes this call: ends the process here, with a core dump that shows the caller. */
static long to_trap(const long *args)
{
	if (args[2] == SIGABRT)
		__builtin_trap();
	return -EPERM;
}

#ifdef __NR_readlink
static long to_readlinkat(const long *args)
{
	return call(SYS_readlinkat, AT_FDCWD, args[0], args[1], args[2]);
}
#endif

static const struct {
	int number;
	long (*make)(const long *args);
} forms[] = {
	{SYS_writev, to_write},        {SYS_fstat, to_newfstatat},
	{SYS_getpid, to_our_pid},      {SYS_gettid, to_our_pid},
	{SYS_tgkill, to_trap},
#ifdef __NR_readlink
	{SYS_readlink, to_readlinkat},
#endif
};

bool sandbox_form_is_known(int number)
{
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		if (forms[i].number == number)
			return number != SYS_tgkill;
	}
	return false;
}

bool sandbox_form_make(int number, const long args[SANDBOX_ARGS], long *ret_result)
{
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		if (forms[i].number != number)
			continue;
		*ret_result = forms[i].make(args);
		return *ret_result != -EPERM;
	}
	return false;
}
