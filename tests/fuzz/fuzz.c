/* SPDX-License-Identifier: MIT
 * fuzz.c - runs one input of a fuzz target, within its time limit
 *
 * The limit is on CPU time, because the machine may be busy with other work, and on the fastest of
 * several runs, because caches and page faults cost time. Two timers end an input that would never
 * end, so that the report shows where it was: one of CPU time, one of real time for an input that
 * blocks. The latter does not count time in which other threads had the processor. If a system
 * call continues to wait even then, a thread ends the process.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/closer.h"
#include "util/compiler.h"
#include "util/log.h"
#include "util/loop.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define LIMIT_MS      100u
#define CPU_END_MS    2000u
#define BLOCKS_END_MS 20000u
#define STUCK_END_MS  22000u
#define RUNS_MAX      3u
#define CLOSING_MS    60000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool fuzz_counts_fds;
void (*fuzz_unstick)(void);
struct loop *fuzz_loop;

static timer_t cpu_timer, real_timer, stuck_timer;
static unsigned slow = 1;
static char schedstat[64];              /* path, for the thread that runs inputs */
static uint64_t start_ns, start_ran_ns; /* when the input started */

uint64_t take_uint(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
		value |= (uint64_t)*in->at++ << (8 * i);
	return value;
}

uint8_t take_u8(struct input *in)
{
	return (uint8_t)take_uint(in, 1);
}

uint16_t take_u16(struct input *in)
{
	return (uint16_t)take_uint(in, 2);
}

uint32_t take_u32(struct input *in)
{
	return (uint32_t)take_uint(in, 4);
}

size_t take_bytes(struct input *in, size_t len, const uint8_t **ret_bytes)
{
	len = MIN_OF(len, in->left);
	*ret_bytes = in->at;
	in->at += len;
	in->left -= len;
	return len;
}

void fuzz_run(unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		CHECK(loop_turn(fuzz_loop, false) == 0);
}

/* Counts descriptors: the lowest free number would not show a leak above it. */
static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void set_timer(timer_t timer, unsigned ms)
{
	struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};

	CHECK(timer_settime(timer, 0, &when, NULL) == 0);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	CHECK(clock_gettime(clock, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How long the thread that runs inputs has run or waited for a processor; 0 if the kernel does not
 * say. May be called in signal handlers. */
static uint64_t ran_ns(void)
{
	int fd = open(schedstat, O_RDONLY | O_CLOEXEC);
	char text[64];
	char *end;
	uint64_t sum;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	sum = strtoull(text, &end, 10);
	return sum + strtoull(end, &end, 10);
}

/* Whether the input has waited @limit_ms for anything but a processor. If not, rearms @timer. */
static bool is_blocked(timer_t timer, unsigned limit_ms)
{
	uint64_t all_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
	uint64_t run_ns = ran_ns() - start_ran_ns;
	uint64_t blocked_ms = (all_ns - MIN_OF(all_ns, run_ns)) / 1000000u;

	if (blocked_ms + LIMIT_MS >= limit_ms)
		return true;
	set_timer(timer, limit_ms - (unsigned)blocked_ms);
	return false;
}

/* A thread that waits for stuck_timer's signal. */
static void *wait_for_stuck(void *ctx)
{
	static const char text[] = "fuzz: the input is stuck in the kernel\n";
	const sigset_t *set = ctx;
	int signal;

	while (sigwait(set, &signal) != 0 ||
	       !is_blocked(stuck_timer, STUCK_END_MS * slow))
		;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	/* without this, the process would not end either */
	if (fuzz_unstick)
		fuzz_unstick();
	abort();
	return NULL;
}

static void watch_for_stuck(void)
{
	static sigset_t set;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	pthread_t thread;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, wait_for_stuck, &set) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &stuck_timer) == 0);
}

static void on_timer(int signal)
{
	static const char cpu[] = "fuzz: the input does not end: over 2 s of CPU time\n";
	static const char real[] = "fuzz: the input blocks: no end within 20 s\n";

	if (signal == SIGVTALRM && !is_blocked(real_timer, BLOCKS_END_MS * slow))
		return;
	if (signal == SIGXCPU)
		(void)!write(STDERR_FILENO, cpu, sizeof(cpu) - 1);
	else
		(void)!write(STDERR_FILENO, real, sizeof(real) - 1);
	abort();
}

static timer_t make_timer(clockid_t clock, int signal)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
	struct sigaction action = {.sa_handler = on_timer};
	timer_t timer;

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	CHECK(sigaction(signal, &action, NULL) == 0);
	CHECK(timer_create(clock, &event, &timer) == 0);
	return timer;
}

static void set_up(void)
{
	const char *factor = getenv("USBVFIOD_FUZZ_SLOW");

	if (factor && atoi(factor) > 0)
		slow = (unsigned)atoi(factor);
	snprintf(schedstat, sizeof(schedstat), "/proc/self/task/%ld/schedstat",
		 syscall(SYS_gettid));
	log_init(LOG_LEVEL_ERROR, false);
	cpu_timer = make_timer(CLOCK_THREAD_CPUTIME_ID, SIGXCPU);
	real_timer = make_timer(CLOCK_MONOTONIC, SIGVTALRM);
	watch_for_stuck();
	fuzz_loop = loop_create();
	CHECK(fuzz_loop);
	fuzz_set_up();
}

/* Return: CPU time in nanoseconds */
static uint64_t run_once(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint64_t start_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);

	start_ns = now_ns(CLOCK_MONOTONIC);
	start_ran_ns = ran_ns();
	set_timer(cpu_timer, CPU_END_MS * slow);
	set_timer(real_timer, BLOCKS_END_MS * slow);
	set_timer(stuck_timer, STUCK_END_MS * slow);
	fuzz_one(&in);
	set_timer(cpu_timer, 0);
	set_timer(real_timer, 0);
	set_timer(stuck_timer, 0);
	return now_ns(CLOCK_THREAD_CPUTIME_ID) - start_cpu_ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before;
	uint64_t best_ns = UINT64_MAX;

	if (!fuzz_loop)
		set_up();
	before = fuzz_counts_fds ? open_fds() : 0;
	for (unsigned i = 0; i < RUNS_MAX && best_ns > LIMIT_MS * 1000000u * slow; i++)
		best_ns = MIN_OF(best_ns, run_once(data, size));
	if (best_ns > LIMIT_MS * UINT64_C(1000000) * slow) {
		fprintf(stderr,
			"fuzz: the input takes %.1f ms of CPU time, the limit is %u ms\n",
			(double)best_ns / 1e6, LIMIT_MS * slow);
		abort();
	}
	if (fuzz_counts_fds) {
		CHECK(closer_wait(CLOSING_MS)); /* a thread closes some descriptors */
		CHECK(open_fds() == before);
	}
	return 0;
}
