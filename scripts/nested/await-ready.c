/* SPDX-License-Identifier: MIT
 * await-ready.c - runs a program that tells its service manager when it is ready
 *
 * await-ready SOCKET FD LINE COMMAND...
 *
 * Becomes COMMAND with NOTIFY_SOCKET=SOCKET (see sd_notify(3)). A child of its own stays, writes LINE to the file
 * descriptor FD when READY=1 comes, and goes then or when COMMAND ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Never returns: reports the first READY=1. */
static void report(int notify, int to, const char *line)
{
	char message[4096];
	ssize_t got;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		got = recv(notify, message, sizeof(message) - 1, 0);
		if (got < 0)
			_exit(1);
		message[got] = 0;
	} while (!strstr(message, "READY=1"));
	dprintf(to, "%s\n", line);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int to;

	if (argc < 5 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: await-ready SOCKET FD LINE COMMAND...\n");
		return 2;
	}
	to = atoi(argv[2]);
	strcpy(address.sun_path, argv[1]);
	unlink(argv[1]);
	if (notify < 0 || bind(notify, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("await-ready: socket");
		return 1;
	}
	switch (fork()) {
	case -1:
		perror("await-ready: fork");
		return 1;
	case 0:
		report(notify, to, argv[3]);
	}
	close(to);
	setenv("NOTIFY_SOCKET", argv[1], 1);
	execvp(argv[4], argv + 4);
	perror(argv[4]);
	return 127;
}
