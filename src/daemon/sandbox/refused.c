/* SPDX-License-Identifier: MIT
 * refused.c - reports which system calls the sandbox refuses, or would refuse
 *
 * SANDBOX_MODE_ON: the kernel sends the thread SIGSYS in the place of the call. The handler makes it in
 * another form that is listed (forms.c), if there is one. Else it notes the call's number,
 * wakes the loop, and has the call return -EPERM. All that it does itself is on the list.
 *
 * SANDBOX_MODE_LOG: the kernel holds the thread until our own thread has noted the call, then makes it
 * (SECCOMP_USER_NOTIF_FLAG_CONTINUE). An attacker in this process could answer as well: so this
 * mode is for development and confines no one.
 */
#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "daemon/sandbox/forms.h"
#include "daemon/sandbox/refused.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/thread.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

/* Kinds of calls kept for the loop; it only counts further ones. */
#define NOTED_MAX 16u

static struct {
	atomic_uint count;
	/* number + 1, 0: free */
	atomic_int noted[NOTED_MAX];
	int event_fd;
	struct loop_watch *watch;
	/* logged so far, by the loop */
	struct sandbox_refused told;
	const char *verdict;
	/* of SANDBOX_MODE_LOG */
	sem_t loaded;
	int listener;
	struct seccomp_notif *asked;
	struct seccomp_notif_resp *answer;
} refused = {.event_fd = -1};

/* Any thread, in a signal handler too. */
static void note(int number)
{
	const uint64_t one = 1;

	atomic_fetch_add(&refused.count, 1);
	for (unsigned i = 0; i < NOTED_MAX; i++) {
		int unused = 0;

		if (atomic_load(&refused.noted[i]) == number + 1 ||
		    atomic_compare_exchange_strong(&refused.noted[i], &unused,
						   number + 1))
			break;
	}
	/* full: readable anyway */
	(void)!write(refused.event_fd, &one, sizeof(one));
}

static void remember(const char *name)
{
	struct sandbox_refused *told = &refused.told;
	unsigned at = 0;

	while (at < told->last_count && strcmp(told->last[at], name) != 0)
		at++;
	if (at == told->last_count && at < SANDBOX_LAST)
		told->last_count++;
	at = MIN_OF(at, SANDBOX_LAST - 1);
	memmove(told->last[1], told->last[0], at * sizeof(told->last[0]));
	(void)snprintf(told->last[0], sizeof(told->last[0]), "%s", name);
}

static void report(void)
{
	unsigned count = atomic_exchange(&refused.count, 0);

	refused.told.count += count;
	for (unsigned i = 0; i < NOTED_MAX; i++) {
		int number = atomic_exchange(&refused.noted[i], 0) - 1;
		char name[SANDBOX_NAME_BYTES];

		if (number < 0)
			continue;
		sandbox_calls_name(number, name);
		remember(name);
		log_limited(LOG_LEVEL_WARN, "sandbox: system call %s (%d) %s", name,
			    number, refused.verdict);
	}
	if (count > 1)
		log_limited(LOG_LEVEL_WARN, "sandbox: %u calls in all", count);
}

static void on_noted(void *ctx, int fd, unsigned events)
{
	uint64_t count;

	(void)ctx;
	(void)events;
	if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
		report();
}

/* The call's result, where this architecture returns it. */
static void set_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long)result;
#elif defined(__riscv)
	context->uc_mcontext.__gregs[REG_A0] = (unsigned long)result;
#else
	/* the call returns its number, which makes no sense, but the call is refused */
	(void)context;
	(void)result;
#endif
}

static void get_arguments(const ucontext_t *context, long ret_args[SANDBOX_ARGS])
{
#if defined(__x86_64__)
	ret_args[0] = context->uc_mcontext.gregs[REG_RDI];
	ret_args[1] = context->uc_mcontext.gregs[REG_RSI];
	ret_args[2] = context->uc_mcontext.gregs[REG_RDX];
#else
	for (unsigned i = 0; i < SANDBOX_ARGS; i++) {
#if defined(__aarch64__)
		ret_args[i] = (long)context->uc_mcontext.regs[i];
#elif defined(__riscv)
		ret_args[i] = (long)context->uc_mcontext.__gregs[REG_A0 + i];
#else
		/* as if it had been made without */
		ret_args[i] = 0;
#endif
	}
#endif
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	long args[SANDBOX_ARGS];
	long result = -EPERM;

	(void)signal;
	/* kill() may have sent it */
	if (info->si_code != SYS_SECCOMP)
		return;
	get_arguments(context, args);
	if (!sandbox_form_make(info->si_syscall, args, &result))
		note(info->si_syscall);
	set_result(context, result);
	errno = saved_errno;
}

static void *answer(void *arg)
{
	struct seccomp_notif *asked = refused.asked;

	while (sem_wait(&refused.loaded) < 0)
		;
	for (;;) {
		/* the kernel demands zeroes */
		memset(asked, 0, sizeof(*asked));
		if (seccomp_notify_receive(refused.listener, asked) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			break;
		}
		if (!sandbox_form_is_known(asked->data.nr))
			note(asked->data.nr);
		*refused.answer = (struct seccomp_notif_resp){
			.id = asked->id,
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
		};
		(void)seccomp_notify_respond(refused.listener, refused.answer);
	}
	return arg;
}

/* Before the filter: it makes calls that are not on the list. */
static int start_answering(void)
{
	pthread_t thread;
	int r = seccomp_notify_alloc(&refused.asked, &refused.answer);

	if (r < 0)
		return r;
	(void)sem_init(&refused.loaded, 0, 0);
	r = thread_start(&thread, "sandbox", answer, NULL);
	if (r == 0)
		(void)pthread_detach(thread);
	return r;
}

int sandbox_refused_listen(enum sandbox_mode mode, struct loop *loop)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO};

	refused.verdict = mode == SANDBOX_MODE_LOG ? "would be refused" : "was refused";
	refused.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (refused.event_fd < 0)
		return -errno;
	refused.watch = loop_watch_fd(loop, refused.event_fd, LOOP_READ, on_noted, NULL);
	if (!refused.watch)
		return -ENOMEM;
	if (mode == SANDBOX_MODE_LOG)
		return start_answering();
	action.sa_sigaction = on_sigsys;
	(void)sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

void sandbox_refused_answer(int listener)
{
	refused.listener = listener;
	(void)sem_post(&refused.loaded);
}

struct sandbox_refused sandbox_refused_state(void)
{
	if (atomic_load(&refused.count) > 0)
		report();
	return refused.told;
}

void sandbox_refused_finish(void)
{
	if (atomic_load(&refused.count) > 0)
		report();
	loop_unwatch(refused.watch);
	refused.watch = NULL;
}
