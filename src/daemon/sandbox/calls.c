/* SPDX-License-Identifier: MIT
 * calls.c - the system calls of a daemon that serves, by seccomp
 *
 * Four answers. A listed call works, with the listed arguments. A call that the C library tries, and
 * can do without, fails without a log line. A call that neither we nor the C library ever make, only
 * foreign code in this process would, ends the process. Any other call is an oversight of ours or
 * an attack: it fails with EPERM and is logged (refused.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/usbdevice_fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sandbox/calls.h"

#define CLONE_NAMESPACES                                                         \
	((unsigned)CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define CLONE_THREAD_FLAGS \
	((unsigned)CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

/* Allowed with any arguments. Calls made per transfer come first: a kernel before 5.11 has no table
 * and compares in this order. forms.c handles other forms that the C library uses. */
static const int allowed[] = {
/* of the loop and its sockets */
#ifdef __NR_epoll_wait
	SCMP_SYS(epoll_wait),
#else
	SCMP_SYS(epoll_pwait),
#endif
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(getsockopt),
	/* interrupts, and the timer that gives one up */
	SCMP_SYS(io_submit),
	SCMP_SYS(timer_settime),
	/* while the loop looks for more before it sleeps (decision 7) */
	SCMP_SYS(sched_yield),
	/* in the place of the vDSO where the clock wants it */
	SCMP_SYS(clock_gettime),
	/* threads and memory */
	SCMP_SYS(futex),
	SCMP_SYS(munmap),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	/* made by the kernel itself: a wait with a limit goes on after a signal */
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* files: images, captures, rules, what sysfs tells */
	SCMP_SYS(preadv2),
	SCMP_SYS(pwritev2),
	SCMP_SYS(openat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(ftruncate),
	/* libusb reads descriptors from their start */
	SCMP_SYS(lseek),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlinkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(flock),
};

/* Refused with an answer that their callers handle. */
static const struct {
	int call;
	int error;
} without_a_word[] = {
	/* its flags are in memory, which a filter cannot read: glibc then uses clone() */
	{SCMP_SYS(clone3), ENOSYS},
	/* malloc() has other ways; a break of 0 is one that has not moved */
	{SCMP_SYS(mremap), ENOMEM},
	/* qsort() asks how much memory there is (glibc before 2.37) */
	{SCMP_SYS(sysinfo), EPERM},
	{SCMP_SYS(brk), 0},
	/* stacks of threads that have ended keep their pages; new ones are guarded in the old way */
	{SCMP_SYS(madvise), EINVAL},
	/* for robust mutexes, which we have none of */
	{SCMP_SYS(set_robust_list), ENOSYS},
	/* processes of apart.h have ended when the call that made them returns */
	{SCMP_SYS(wait4), ECHILD},
	/* names of threads that start later */
	{SCMP_SYS(prctl), EPERM},
	/* seeds, where those that were taken before do not do */
	{SCMP_SYS(getrandom), ENOSYS},
	/* whether a file could be opened: in words for people only */
	{SCMP_SYS(access), EPERM},
	{SCMP_SYS(faccessat), EPERM},
	{SCMP_SYS(faccessat2), EPERM},
	{SCMP_SYS(statfs), EPERM},
	/* new folders and FIFOs are made before, or by usbvfioctl */
	{SCMP_SYS(mkdir), EPERM},
	{SCMP_SYS(mknod), EPERM},
	{SCMP_SYS(mknodat), EPERM},
};

static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(capset),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(chroot),
	SCMP_SYS(pivot_root),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(personality),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(chmod),
	SCMP_SYS(chown),
	SCMP_SYS(connect),
	SCMP_SYS(listen),
};

/* Of usbfs: ours, and those that libusb makes for us. */
static const unsigned long usbfs_requests[] = {
	USBDEVFS_SUBMITURB,
	USBDEVFS_REAPURBNDELAY,
	USBDEVFS_DISCARDURB,
	USBDEVFS_CONTROL,
	USBDEVFS_SETINTERFACE,
	USBDEVFS_SETCONFIGURATION,
	USBDEVFS_GETDRIVER,
	USBDEVFS_CLAIMINTERFACE,
	USBDEVFS_RELEASEINTERFACE,
	USBDEVFS_CONNECTINFO,
	USBDEVFS_IOCTL,
	USBDEVFS_RESET,
	USBDEVFS_CLEAR_HALT,
	USBDEVFS_GET_CAPABILITIES,
	USBDEVFS_DISCONNECT_CLAIM,
	USBDEVFS_ALLOC_STREAMS,
	USBDEVFS_FREE_STREAMS,
	USBDEVFS_GET_SPEED,
	USBDEVFS_DROP_PRIVILEGES,
};

/* Of sockets: the number of unread bytes. Of block devices: their size. */
static const unsigned long other_requests[] = {FIONREAD, TIOCOUTQ, BLKGETSIZE64};

static const unsigned long fcntl_commands[] = {
	F_GETFL,         F_SETFL,     F_GETFD,     F_SETFD,
	F_DUPFD_CLOEXEC, F_OFD_SETLK, F_OFD_GETLK, F_GET_SEALS,
};

/* SANDBOX_MODE_LOG: to receive and answer the calls that would be refused. */
#define REQUEST_NOTIF_RECV SECCOMP_IOCTL_NOTIF_RECV
#define REQUEST_NOTIF_SEND SECCOMP_IOCTL_NOTIF_SEND

/* @call with @arg, under @mask, being @value. */
static int add_masked(scmp_filter_ctx filter, uint32_t action, int call, unsigned arg,
		      uint64_t mask, uint64_t value)
{
	return seccomp_rule_add(filter, action, call, 1,
				SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

/* @call with @arg, of 32 bits, being one of @values. */
static int add_each(scmp_filter_ctx filter, int call, unsigned arg,
		    const unsigned long *values, unsigned count)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = add_masked(filter, SCMP_ACT_ALLOW, call, arg, UINT32_MAX, values[i]);
	return r;
}

/* Adds the calls that are allowed with some arguments only. */
static int add_checked(scmp_filter_ctx filter, enum sandbox_mode mode)
{
	static const unsigned long notif[] = {REQUEST_NOTIF_RECV, REQUEST_NOTIF_SEND};
	const uint32_t allow = SCMP_ACT_ALLOW;
	int r = add_each(filter, SCMP_SYS(ioctl), 1, usbfs_requests,
			 ARRAY_SIZE(usbfs_requests));

	if (r == 0)
		r = add_each(filter, SCMP_SYS(ioctl), 1, other_requests,
			     ARRAY_SIZE(other_requests));
	if (r == 0 && mode == SANDBOX_MODE_LOG)
		r = add_each(filter, SCMP_SYS(ioctl), 1, notif, ARRAY_SIZE(notif));
	if (r == 0)
		r = add_each(filter, SCMP_SYS(fcntl), 1, fcntl_commands,
			     ARRAY_SIZE(fcntl_commands));
	/* no new code */
	if (r == 0)
		r = add_masked(filter, allow, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	if (r == 0)
		r = add_masked(filter, allow, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	/* threads, no processes */
	if (r == 0)
		r = add_masked(filter, allow, SCMP_SYS(clone), 0,
			       CLONE_THREAD_FLAGS | CLONE_NAMESPACES | CLONE_PTRACE |
				       CLONE_VFORK,
			       CLONE_THREAD_FLAGS);
	/* but the processes of apart.c, which share our memory and this list */
	if (r == 0)
		r = add_masked(filter, allow, SCMP_SYS(clone), 0, UINT64_MAX,
			       CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD);
	/* the C library asks nscd for names */
	if (r == 0)
		r = add_masked(filter,
			       mode == SANDBOX_MODE_LOG ? allow : SCMP_ACT_ERRNO(EACCES),
			       SCMP_SYS(socket), 0, UINT32_MAX, AF_UNIX);
	return r;
}

static int add_all(scmp_filter_ctx filter, enum sandbox_mode mode)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r == 0)
			(void)seccomp_syscall_priority(filter, allowed[i],
						       (uint8_t)(255 - i));
	}
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(without_a_word); i++)
		r = seccomp_rule_add(
			filter,
			mode == SANDBOX_MODE_LOG
				? SCMP_ACT_ALLOW
				: SCMP_ACT_ERRNO((unsigned)without_a_word[i].error),
			without_a_word[i].call, 0);
	for (unsigned i = 0; r == 0 && mode == SANDBOX_MODE_ON && i < ARRAY_SIZE(deadly);
	     i++)
		r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	return r == 0 ? add_checked(filter, mode) : r;
}

/* Sanitizers make calls of their own, as many kinds as their version likes; a report starts a
 * program that reads symbols, and the thread that looks for leaks traces the others. Such a build is
 * for tests and confines no attacker: it shuts the deadly calls that no sanitizer makes. */
static bool is_for_sanitizers(int call)
{
	static const int calls[] = {
		SCMP_SYS(execve), SCMP_SYS(fork),        SCMP_SYS(vfork),
		SCMP_SYS(ptrace), SCMP_SYS(personality), SCMP_SYS(process_vm_readv),
	};

	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i] == call)
			return true;
	}
	return false;
}

static int load_beside_sanitizers(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) : -ENOSYS;

	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(deadly); i++) {
		if (!is_for_sanitizers(deadly[i]))
			r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	}
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	/* there is no list of what is allowed */
	return r < 0 ? r : -EOPNOTSUPP;
}

int sandbox_calls_load(enum sandbox_mode mode, int *ret_listener)
{
	scmp_filter_ctx filter;
	int r;

	*ret_listener = -1;
	if (SANDBOX_INSTRUMENTED)
		return mode == SANDBOX_MODE_ON ? load_beside_sanitizers() : -EOPNOTSUPP;
	filter = seccomp_init(mode == SANDBOX_MODE_LOG ? SCMP_ACT_NOTIFY : SCMP_ACT_TRAP);
	if (!filter)
		return -ENOSYS;
	/* all threads; a binary search, where calls are many */
	r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_all(filter, mode);
	if (r == 0)
		r = seccomp_load(filter);
	if (r == 0 && mode == SANDBOX_MODE_LOG) {
		r = seccomp_notify_fd(filter);
		*ret_listener = r;
	}
	seccomp_release(filter);
	return MIN_OF(r, 0);
}

unsigned sandbox_calls_count(void)
{
	/* and ioctl, fcntl, mmap, mprotect, clone */
	return ARRAY_SIZE(allowed) + 5;
}

void sandbox_calls_name(int number, char name[SANDBOX_NAME_BYTES])
{
	char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	(void)snprintf(name, SANDBOX_NAME_BYTES, "%s", found ? found : "?");
	free(found);
}
