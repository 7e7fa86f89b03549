/* SPDX-License-Identifier: MIT
 * disk_work.c - writes and reads disks that come and go, and demands that completed writes last
 *
 * disk_work MIB SERIAL... runs a process for each disk, which it finds by the serial number of its
 * USB device. The process writes a MiB of new bytes and reads it back. It also keeps the bytes, to
 * compare them after the disk has left and come back. It prints lines on the console, each with
 * "GUEST " before it:
 *	AT SERIAL	reads and writes succeed
 *	WRONG SERIAL WHERE	the bytes read are not the bytes written
 *	UNTOLD SERIAL	a read or write has failed, and a minute later the disk is still there
 *	DONE SERIAL WRITTEN COMPARED FAILED	in MiB, and how often the disk has been lost
 * It ends when the file /tmp/stop exists.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/compiler.h"

#define CHUNK_BYTES  (1u << 20)
#define LOOK_MS      20
#define UNTOLD_LOOKS (60000 / LOOK_MS)

struct work {
	const char *serial;
	unsigned chunks;
	uint64_t random;
	uint8_t *kept; /* the bytes written to chunk @kept_at */
	uint8_t *fresh;
	uint8_t *read;
	int kept_at; /* -1: nothing yet */
	unsigned written, compared, lost;
};

static bool stopped(void)
{
	return access("/tmp/stop", F_OK) == 0;
}

static void say(const char *words, const struct work *work, const char *more)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "\nGUEST %s %s%s\n", words, work->serial,
			   more);
	int fd = open("/dev/console", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, line, (size_t)len) != len)
		exit(1);
	(void)close(fd);
}

static bool has_serial(const char *path, const char *serial)
{
	char text[128] = "";
	FILE *file = fopen(path, "re");

	if (!file)
		return false;
	if (fgets(text, sizeof(text), file))
		text[strcspn(text, "\n")] = '\0';
	(void)fclose(file);
	return strcmp(text, serial) == 0;
}

/* Finds the disk's folder in sysfs, whose path is new each time the disk comes back. Return: false
 * if there is none */
static bool find(const char *serial, char folder[512])
{
	glob_t devices = {0}, disks = {0};
	char pattern[512] = "";
	bool found = false;

	if (glob("/sys/bus/usb/devices/*/serial", 0, NULL, &devices) == 0) {
		for (size_t i = 0; i < devices.gl_pathc; i++) {
			const char *path = devices.gl_pathv[i];

			if (has_serial(path, serial))
				(void)snprintf(pattern, sizeof(pattern),
					       "%.*s*:*/host*/target*/*/block/sd*",
					       (int)(strlen(path) - strlen("serial")),
					       path);
		}
	}
	if (pattern[0] && glob(pattern, 0, NULL, &disks) == 0) {
		(void)snprintf(folder, 512, "%s", disks.gl_pathv[0]);
		found = true;
	}
	globfree(&devices);
	globfree(&disks);
	return found;
}

static void make_fresh(struct work *work)
{
	for (size_t i = 0; i < CHUNK_BYTES; i += sizeof(work->random)) {
		work->random ^= work->random << 13;
		work->random ^= work->random >> 7;
		work->random ^= work->random << 17;
		memcpy(work->fresh + i, &work->random, sizeof(work->random));
	}
}

static bool compare(struct work *work, int fd)
{
	char where[64];

	if (pread(fd, work->read, CHUNK_BYTES, (off_t)work->kept_at * CHUNK_BYTES) !=
	    CHUNK_BYTES)
		return false;
	work->compared++;
	for (unsigned i = 0; i < CHUNK_BYTES; i++) {
		if (work->read[i] == work->kept[i])
			continue;
		(void)snprintf(where, sizeof(where), " chunk %d byte %u: %02x not %02x",
			       work->kept_at, i, work->read[i], work->kept[i]);
		say("WRONG", work, where);
		break;
	}
	return true;
}

/* Uses the disk until that fails or /tmp/stop exists. */
static void use(struct work *work, int fd)
{
	bool told = false;

	while (!stopped()) {
		int at = (work->kept_at + 1) % (int)work->chunks;
		uint8_t *kept = work->kept;

		if (work->kept_at >= 0 && !compare(work, fd))
			return;
		if (!told && work->kept_at >= 0) {
			say("AT", work, "");
			told = true;
		}
		make_fresh(work);
		if (pwrite(fd, work->fresh, CHUNK_BYTES, (off_t)at * CHUNK_BYTES) !=
		    CHUNK_BYTES)
			return;
		work->kept = work->fresh;
		work->fresh = kept;
		work->kept_at = at;
		work->written++;
	}
}

static void await_loss(struct work *work, const char *folder)
{
	unsigned looks = 0;

	work->lost++;
	while (access(folder, F_OK) == 0) {
		(void)poll(NULL, 0, LOOK_MS);
		if (++looks % UNTOLD_LOOKS == 0)
			say("UNTOLD", work, "");
	}
}

static int work_on(const char *serial, unsigned chunks)
{
	struct work work = {.serial = serial, .chunks = chunks, .kept_at = -1};
	char folder[512], node[600], counts[64];
	uint8_t **buffers[] = {&work.kept, &work.fresh, &work.read};

	for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
		if (posix_memalign((void **)buffers[i], 4096, CHUNK_BYTES) != 0)
			return 1;
	}
	work.random = (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
	while (!stopped()) {
		int fd;

		if (!find(serial, folder)) {
			(void)poll(NULL, 0, LOOK_MS);
			continue;
		}
		(void)snprintf(node, sizeof(node), "/dev/%s", strrchr(folder, '/') + 1);
		fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd < 0) {
			(void)poll(NULL, 0, LOOK_MS);
			continue;
		}
		use(&work, fd);
		(void)close(fd);
		if (!stopped())
			await_loss(&work, folder);
	}
	(void)snprintf(counts, sizeof(counts), " %u %u %u", work.written, work.compared,
		       work.lost);
	say("DONE", &work, counts);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0, status;

	for (int i = 2; i < argc; i++) {
		pid_t pid = fork();

		if (pid == 0)
			return work_on(argv[i], (unsigned)atoi(argv[1]));
		bad |= pid < 0;
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}
