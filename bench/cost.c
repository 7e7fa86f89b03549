/* SPDX-License-Identifier: MIT
 * cost.c - bench: system calls and instructions of the daemon per transfer, and its
 * memory and wake-ups while idle
 *
 * strace counts system calls while a known number of transfers runs. callgrind counts
 * instructions; the difference of a long and a short run excludes start and end. Without
 * those programs the bench omits the figures.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define SYSCALL_COMMANDS 300u
#define SHORT_COMMANDS   20u
#define LONG_COMMANDS    120u
#define IDLE_MS          3000

/* One kind of work: READ(10) or WRITE(10) cut into TDs. */
struct work {
	const char *name;
	bool in;
	uint16_t sectors;
	uint32_t td_bytes;
	unsigned depth;
};

static const struct work works[] = {
	{"4 KiB read, one TD", true, 8, 4096, 1},
	{"4 KiB write, one TD", false, 8, 4096, 1},
	{"64 KiB read, one TD", true, 128, 65536, 1},
	{"128 KiB read, 32 TDs of 4 KiB", true, 256, 4096, 32},
	{"2 MiB read, 32 TDs of 64 KiB", true, 4096, 65536, 32},
};

/* CBW, data TDs, CSW. */
static unsigned transfers(const struct work *work)
{
	return work->sectors * BOT_SECTOR / work->td_bytes + 2;
}

static void do_work(struct bench *b, const struct work *work, unsigned commands)
{
	for (unsigned i = 0; i < commands; i++)
		bench_check(work->name,
			    work->in ? bot_read(&b->bot, 0, work->sectors, b->buf.iova,
						work->td_bytes, work->depth)
				     : bot_write(&b->bot, 0, work->sectors, b->buf.iova,
						 work->td_bytes, work->depth));
}

static bool have(const char *program)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1",
		       program);
	return system(command) == 0;
}

/* Starts strace on the daemon and waits until strace has attached. */
static pid_t trace(const struct bench *b, const char *result)
{
	char pid[16];
	char said[512];
	size_t used = 0;
	int pipes[2];
	pid_t child;

	(void)snprintf(pid, sizeof(pid), "%d", (int)b->daemon.pid);
	if (pipe(pipes) < 0)
		bench_die("a pipe", -errno);
	child = fork();
	if (child == 0) {
		(void)dup2(pipes[1], STDERR_FILENO);
		(void)execlp("strace", "strace", "-f", "-c", "-o", result, "-p", pid,
			     (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	while (used < sizeof(said) - 1) {
		ssize_t n = read(pipes[0], said + used, sizeof(said) - 1 - used);

		if (n <= 0)
			break;
		used += (size_t)n;
		said[used] = '\0';
		if (strstr(said, "attached")) {
			(void)close(pipes[0]);
			return child;
		}
	}
	(void)close(pipes[0]);
	(void)waitpid(child, NULL, 0);
	return -1;
}

/* Return: the number of calls in the "total" line of strace -c, its fourth number; -1 if
 * there is none. */
static double total_calls(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	double calls = -1;

	while (file && fgets(line, sizeof(line), file)) {
		double percent;
		double seconds;
		double us;
		double n;

		if (!strstr(line, "total"))
			continue;
		/* "100.00 0.123456 12 3456 [errors] total" */
		if (sscanf(line, "%lf %lf %lf %lf", &percent, &seconds, &us, &n) == 4)
			calls = n;
	}
	if (file)
		(void)fclose(file);
	return calls;
}

static double count_syscalls(const struct work *work)
{
	struct bench bench;
	char result[DAEMON_PATH_MAX];
	double calls = -1;
	pid_t child;

	bench_start(&bench, NULL, false);
	daemon_path(&bench.daemon, "strace", result);
	do_work(&bench, work, 3);
	child = trace(&bench, result);
	if (child > 0) {
		do_work(&bench, work, SYSCALL_COMMANDS);
		(void)kill(child, SIGINT);
		(void)waitpid(child, NULL, 0);
		calls = total_calls(result);
	}
	bench_stop(&bench);
	return calls < 0 ? -1 : calls / SYSCALL_COMMANDS / transfers(work);
}

static double collected(const struct work *work, unsigned commands)
{
	const char *const wrapper[] = {"valgrind", "--tool=callgrind",
				       "--callgrind-out-file=/dev/null", NULL};
	struct bench bench;
	_cleanup_free_ char *text = NULL;
	const char *at;
	double count = -1;

	bench_start(&bench, wrapper, false);
	do_work(&bench, work, commands);
	drv_finish(&bench.drv);
	vmm_finish(&bench.vmm);
	bench_check("the daemon's exit status", daemon_stop(&bench.daemon));
	text = daemon_stderr(&bench.daemon);
	at = text ? strstr(text, "Collected : ") : NULL;
	if (at)
		count = strtod(at + strlen("Collected : "), NULL);
	bench_stop(&bench);
	return count;
}

static double count_instructions(const struct work *work)
{
	double few = collected(work, SHORT_COMMANDS);
	double many = collected(work, LONG_COMMANDS);

	if (few < 0 || many < 0)
		return -1;
	return (many - few) / (LONG_COMMANDS - SHORT_COMMANDS) / transfers(work);
}

static void print_figure(double value)
{
	if (value < 0)
		printf(" %16s", "-");
	else
		printf(" %16.1f", value);
}

static void print_idle(void)
{
	struct daemon_usage before;
	struct daemon_usage after;
	struct bench bench;

	bench_start(&bench, NULL, true);
	do_work(&bench, &works[4], 20);
	(void)poll(NULL, 0, 100);
	bench_check("usage", daemon_usage(&bench.daemon, &before));
	(void)poll(NULL, 0, IDLE_MS);
	bench_check("usage", daemon_usage(&bench.daemon, &after));
	printf("Idle, a stick and a keyboard attached\n");
	printf("  wake-ups per second %31.1f\n",
	       (double)(after.wakeups - before.wakeups) / (IDLE_MS / 1000.0));
	printf("  resident memory, guest RAM not counted %8.2f MiB (own %.2f, files "
	       "%.2f)\n",
	       (double)(after.rss_anon_kib + after.rss_file_kib) / 1024,
	       (double)after.rss_anon_kib / 1024, (double)after.rss_file_kib / 1024);
	printf("  threads %43lu\n", (unsigned long)after.threads);
	bench_stop(&bench);
}

int main(void)
{
	bool with_strace = have("strace");
	bool with_valgrind = have("valgrind");

	printf("The daemon's work per USB transfer (a BOT command is CBW, data, CSW)\n");
	printf("  %-34s %16s %16s %16s\n", "", "transfers", "system calls",
	       "instructions");
	for (unsigned i = 0; i < ARRAY_SIZE(works); i++) {
		printf("  %-34s %16u", works[i].name, transfers(&works[i]));
		print_figure(with_strace ? count_syscalls(&works[i]) : -1);
		print_figure(with_valgrind ? count_instructions(&works[i]) : -1);
		printf("\n");
		(void)fflush(stdout);
	}
	if (!with_strace)
		printf("  system calls not counted: strace is not installed\n");
	if (!with_valgrind)
		printf("  instructions not counted: valgrind is not installed\n");
	print_idle();
	return 0;
}
