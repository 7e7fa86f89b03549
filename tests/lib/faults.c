/* SPDX-License-Identifier: MIT
 * faults.c - makes calls fail in the daemon under test: the test's side
 */
#include "tests/lib/faults.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned errors;
} kinds[FAULTS_KINDS] = {
	[FAULTS_ALLOC] = {"alloc", 1},
	[FAULTS_READ] = {"read", 2},
	[FAULTS_WRITE] = {"write", 3},
	[FAULTS_FILE_READ] = {"file-read", 3},
	[FAULTS_FILE_WRITE] = {"file-write", 4},
	[FAULTS_SYNC] = {"sync", 3},
	[FAULTS_SPACE] = {"space", 2},
	[FAULTS_RECEIVE] = {"receive", 3},
	[FAULTS_SEND] = {"send", 3},
	[FAULTS_ACCEPT] = {"accept", 4},
	[FAULTS_WAIT] = {"wait", 1},
	[FAULTS_WATCH] = {"watch", 2},
	[FAULTS_MAP] = {"map", 2},
	[FAULTS_UNMAP] = {"unmap", 1},
	[FAULTS_TIMER] = {"timer", 2},
	[FAULTS_TIMER_SET] = {"timer-set", 1},
	[FAULTS_EVENTFD] = {"eventfd", 2},
	[FAULTS_OPEN] = {"open", 4},
	[FAULTS_FCNTL] = {"fcntl", 2},
	[FAULTS_STAT] = {"stat", 2},
	[FAULTS_IOCTL] = {"ioctl", 3},
	[FAULTS_THREAD] = {"thread", 1},
	[FAULTS_SOCKET] = {"socket", 2},
	[FAULTS_SYSCALL] = {"syscall", 3},
};

struct faults_page *faults_create(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct faults_page *page;

	if (fd < 0 || ftruncate(fd, sizeof(*page)) < 0)
		return NULL;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

void faults_destroy(struct faults_page *page)
{
	if (page)
		(void)munmap(page, sizeof(*page));
}

void faults_arm(struct faults_page *page, enum faults_kind kind, uint32_t nth,
		uint32_t count, uint32_t error)
{
	page->kind = kind;
	page->nth = nth;
	page->count = count;
	page->error = error;
	page->where[0] = '\0';
	for (unsigned i = 0; i < FAULTS_KINDS; i++)
		atomic_store(&page->seen[i], 0);
	atomic_store(&page->failed, 0);
	atomic_store(&page->armed, true);
}

void faults_disarm(struct faults_page *page)
{
	atomic_store(&page->armed, false);
}

const char *faults_kind_name(enum faults_kind kind)
{
	return kinds[kind].name;
}

unsigned faults_errors(enum faults_kind kind)
{
	return kinds[kind].errors;
}
