/* SPDX-License-Identifier: MIT
 * mmio.c - bench: register accesses against messages of the same size on a bare socket
 *
 * The yardstick is a process that receives as many bytes and sends as many back, with one
 * system call each and no other work. Our rounds and the yardstick's alternate, so that
 * both see the same machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define ROUNDS      9u
#define ROUND_OPS   4000u
#define READ_ASK    32u
#define READ_REPLY  36u
#define WRITE_ASK   36u
#define WRITE_REPLY 32u

/* In the child: answers each @ask bytes with @reply bytes (0: not at all) until the
 * socket closes. A first byte of 1 asks for an answer in any case. */
static void echo(int fd, size_t ask, size_t reply)
{
	uint8_t buf[256] = {0};

	for (;;) {
		size_t got = 0;

		while (got < ask) {
			ssize_t n = recv(fd, buf + got, ask - got, 0);

			if (n <= 0)
				_exit(0);
			got += (size_t)n;
		}
		if (reply > 0 || buf[0] == 1)
			if (send(fd, buf, reply ? reply : 1, MSG_NOSIGNAL) < 0)
				_exit(0);
	}
}

struct yardstick {
	int fd;
	pid_t pid;
	size_t ask, reply;
};

static void yardstick_start(struct yardstick *y, size_t ask, size_t reply)
{
	int pair[2];

	*y = (struct yardstick){.ask = ask, .reply = reply};
	bench_check("a socket pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	y->pid = fork();
	if (y->pid < 0)
		bench_die("fork", -1);
	if (y->pid == 0) {
		(void)close(pair[0]);
		echo(pair[1], ask, reply);
	}
	(void)close(pair[1]);
	y->fd = pair[0];
}

static void yardstick_stop(struct yardstick *y)
{
	(void)close(y->fd);
	(void)waitpid(y->pid, NULL, 0);
}

static void yardstick_op(struct yardstick *y, bool answer)
{
	uint8_t buf[256] = {answer && y->reply == 0};
	size_t want = y->reply ? y->reply : answer ? 1 : 0;

	if (send(y->fd, buf, y->ask, MSG_NOSIGNAL) != (ssize_t)y->ask)
		bench_die("sending", -1);
	if (want && recv(y->fd, buf, want, MSG_WAITALL) != (ssize_t)want)
		bench_die("receiving", -1);
}

static double yardstick_round(struct yardstick *y)
{
	uint64_t start = bench_now_ns();

	for (unsigned i = 0; i < ROUND_OPS; i++)
		yardstick_op(y, i == ROUND_OPS - 1);
	return (double)(bench_now_ns() - start) / ROUND_OPS;
}

enum kind {
	KIND_READ,
	KIND_WRITE,
	KIND_POSTED,
};

static double our_round(struct bench *b, enum kind kind)
{
	/* IMOD of an unused interrupter: a register without side effects */
	const uint64_t at = drv_ir(&b->drv, 7, XIR_IMOD);
	struct vfu_client *c = &b->vmm.client;
	uint64_t start = bench_now_ns();
	uint32_t value = 1000;

	for (unsigned i = 0; i < ROUND_OPS; i++) {
		int r;

		if (kind == KIND_READ || (kind == KIND_POSTED && i == ROUND_OPS - 1))
			r = vfu_region_read(c, VFU_REGION_BAR0, at, &value, 4);
		else if (kind == KIND_WRITE)
			r = vfu_region_write(c, VFU_REGION_BAR0, at, &value, 4);
		else
			r = vfu_region_post(c, VFU_REGION_BAR0, at, &value, 4);
		bench_check("a register access", r);
	}
	return (double)(bench_now_ns() - start) / ROUND_OPS;
}

static void compare(struct bench *b, enum kind kind, const char *name, size_t ask,
		    size_t reply)
{
	double ours[ROUNDS];
	double bare[ROUNDS];
	double ratio[ROUNDS];
	struct yardstick y;

	yardstick_start(&y, ask, reply);
	(void)yardstick_round(&y);
	(void)our_round(b, kind);
	for (unsigned i = 0; i < ROUNDS; i++) {
		bare[i] = yardstick_round(&y);
		ours[i] = our_round(b, kind);
		ratio[i] = ours[i] / bare[i];
	}
	yardstick_stop(&y);
	printf("  %-34s %9.2f us %9.2f us %8.2f\n", name,
	       bench_median(ours, ROUNDS) / 1000, bench_median(bare, ROUNDS) / 1000,
	       bench_median(ratio, ROUNDS));
}

int main(void)
{
	struct bench bench;

	bench_start(&bench, NULL, false);
	printf("Register accesses (median of %u rounds of %u)\n", ROUNDS, ROUND_OPS);
	printf("  %-34s %12s %12s %8s\n", "", "ours", "bare socket", "ratio");
	compare(&bench, KIND_READ, "read, 4 bytes", READ_ASK, READ_REPLY);
	compare(&bench, KIND_WRITE, "write, answered", WRITE_ASK, WRITE_REPLY);
	compare(&bench, KIND_POSTED, "write, posted (QEMU)", WRITE_ASK, 0);
	bench_stop(&bench);
	return 0;
}
