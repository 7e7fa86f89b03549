/* SPDX-License-Identifier: MIT
 * self.c - the ids of this process, for when the sandbox refuses to ask the kernel
 */
#include "util/self.h"

#include <stdbool.h>
#include <unistd.h>

static struct {
	bool noted;
	uid_t uid;
	gid_t gid;
	pid_t pid;
} self;

void self_note(void)
{
	self.uid = geteuid();
	self.gid = getegid();
	self.pid = getpid();
	self.noted = true;
}

uid_t self_uid(void)
{
	return self.noted ? self.uid : geteuid();
}

gid_t self_gid(void)
{
	return self.noted ? self.gid : getegid();
}

pid_t self_pid(void)
{
	return self.noted ? self.pid : getpid();
}
