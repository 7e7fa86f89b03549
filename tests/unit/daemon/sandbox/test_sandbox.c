/* SPDX-License-Identifier: MIT
 * test_sandbox.c - tests of src/daemon/sandbox: each door is shut
 *
 * Each door is tried by a child of its own, in the daemon's own sandbox. It tells by its exit
 * status what came of it, or has been ended by the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox/sandbox.h"
#include "util/loop.h"

#define EXIT_OPEN   0 /* it worked */
#define EXIT_SHUT   1
#define EXIT_BROKEN 2 /* it failed, but not as a door that is shut */
#define EXIT_SETUP  3

/* What the children may reach. */
static char folder[] = "/tmp/test_sandbox-XXXXXX";
static char inside[64], named[64], others[64];
/* And what not, though they could without: */
static char outside[] = "/tmp/test_sandbox-outside-XXXXXX";
static char secret[64];
static int dir_fd, secret_fd;
static pid_t other;

/* --- doors: each returns -1 with errno, as the calls do --- */

static long try_execve(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	return execve("/bin/true", argv, argv + 1);
}

static long try_execveat(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	return syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0);
}

static long try_memfd_exec(void)
{
	int fd = (int)syscall(SYS_memfd_create, "x", 0u);

	return fd < 0 ? -1 : fexecve(fd, (char *[]){NULL}, (char *[]){NULL});
}

static long try_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long try_vfork(void)
{
	return syscall(SYS_clone, CLONE_VFORK | CLONE_VM | SIGCHLD, NULL, NULL, NULL,
		       NULL);
}

static long try_clone3(void)
{
	uint64_t args[11] = {0};

	return syscall(SYS_clone3, args, sizeof(args));
}

static long try_thread_with_namespace(void)
{
	return syscall(SYS_clone,
		       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			       CLONE_NEWNET,
		       NULL, NULL, NULL, NULL);
}

static long try_ptrace(void)
{
	return syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, other, NULL, NULL);
}

static long try_process_vm_readv(void)
{
	char buf[8];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};

	return syscall(SYS_process_vm_readv, other, &iov, 1, &iov, 1, 0);
}

static long try_process_vm_writev(void)
{
	char buf[8] = "";
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};

	return syscall(SYS_process_vm_writev, other, &iov, 1, &iov, 1, 0);
}

static long try_pidfd_open(void)
{
	return syscall(SYS_pidfd_open, other, 0);
}

static long try_kill(void)
{
	return syscall(SYS_kill, other, SIGCONT);
}

static long try_tgkill(void)
{
	return syscall(SYS_tgkill, other, other, SIGCONT);
}

static long try_read_secret(void)
{
	return syscall(SYS_openat, AT_FDCWD, secret, O_RDONLY);
}

static long try_shadow(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/etc/shadow", O_RDONLY);
}

static long try_read_secret_by_link(void)
{
	char link[128];

	(void)snprintf(link, sizeof(link), "%s/link", folder);
	return syscall(SYS_openat, AT_FDCWD, link, O_RDONLY);
}

static long try_reopen_by_proc(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", secret_fd);
	return syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
}

static long try_own_memory(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR);
}

static long try_environment_of_other(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)other);
	return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
}

static long try_openat2(void)
{
	uint64_t how[3] = {O_RDONLY};

	return syscall(SYS_openat2, AT_FDCWD, secret, how, sizeof(how));
}

static long try_open_by_handle(void)
{
	return syscall(SYS_open_by_handle_at, dir_fd, NULL, O_RDONLY);
}

static long try_create_elsewhere(void)
{
	return syscall(SYS_openat, dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static long try_list_elsewhere(void)
{
	return syscall(SYS_openat, AT_FDCWD, outside, O_RDONLY | O_DIRECTORY);
}

/* Newer processors have the calls with a folder only. */
static long try_unlink_elsewhere(void)
{
#ifdef SYS_unlink
	return syscall(SYS_unlink, secret);
#else
	return syscall(SYS_unlinkat, AT_FDCWD, secret, 0);
#endif
}

static long try_rename(void)
{
#ifdef SYS_rename
	return syscall(SYS_rename, named, secret);
#else
	return syscall(SYS_renameat, AT_FDCWD, named, AT_FDCWD, secret);
#endif
}

static long try_symlink(void)
{
	return syscall(SYS_symlinkat, "/etc/passwd", AT_FDCWD, inside);
}

static long try_hard_link(void)
{
	return syscall(SYS_linkat, AT_FDCWD, named, AT_FDCWD, inside, 0);
}

static long try_mkdir(void)
{
	return syscall(SYS_mkdirat, AT_FDCWD, inside, 0700);
}

static long try_device_node(void)
{
	return syscall(SYS_mknodat, AT_FDCWD, inside, S_IFCHR | 0600, 0x0101);
}

static long try_chmod(void)
{
	return syscall(SYS_fchmodat, AT_FDCWD, named, 0777);
}

static long try_chown(void)
{
	return syscall(SYS_fchownat, AT_FDCWD, named, 1, 1, 0);
}

static long try_setxattr(void)
{
	return syscall(SYS_setxattr, named, "user.x", "y", 1, 0);
}

static long try_inet_socket(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long try_packet_socket(void)
{
	return syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0);
}

static long try_unix_socket(void)
{
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long try_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

	return syscall(SYS_connect, dir_fd, &to, sizeof(to));
}

static long try_bind(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", inside);
	return syscall(SYS_bind, dir_fd, &at, sizeof(at));
}

static long try_mmap_exec(void)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long try_mprotect_exec(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED)
		_exit(EXIT_SETUP);
	return syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
}

static long try_pkey_mprotect_exec(void)
{
	return syscall(SYS_pkey_mprotect, NULL, 4096, PROT_EXEC, -1);
}

static long try_personality(void)
{
	return syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */);
}

static long try_setuid(void)
{
	return syscall(SYS_setuid, 0);
}

static long try_setgroups(void)
{
	return syscall(SYS_setgroups, 0, NULL);
}

static long try_capset(void)
{
	uint32_t header[2] = {0x20080522, 0};
	uint32_t data[6] = {0};

	return syscall(SYS_capset, header, data);
}

static long try_mount(void)
{
	return syscall(SYS_mount, "none", folder, "tmpfs", 0, NULL);
}

static long try_unshare(void)
{
	return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long try_setns(void)
{
	return syscall(SYS_setns, dir_fd, 0);
}

static long try_chroot(void)
{
	return syscall(SYS_chroot, folder);
}

static long try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -3, 0);
}

static long try_perf_event_open(void)
{
	char attr[128] = {0};

	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}

static long try_io_uring(void)
{
	char params[120] = {0};

	return syscall(SYS_io_uring_setup, 4, params);
}

static long try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */);
}

static long try_seccomp(void)
{
	return syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &(uint32_t){0});
}

static long try_prctl(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static long try_reboot(void)
{
	return syscall(SYS_reboot, 0, 0, 0, NULL);
}

static long try_init_module(void)
{
	return syscall(SYS_init_module, NULL, 0, "");
}

static long try_prlimit_of_other(void)
{
	return syscall(SYS_prlimit64, other, 7, NULL, NULL);
}

static long try_tiocsti(void)
{
	return syscall(SYS_ioctl, dir_fd, 0x5412 /* TIOCSTI */, "x");
}

static long try_tioclinux(void)
{
	return syscall(SYS_ioctl, dir_fd, 0x541c /* TIOCLINUX */, "x");
}

/* The kernel looks at the lower half only, so must the filter. */
static long try_ioctl_upper_half(void)
{
	return syscall(SYS_ioctl, dir_fd, 0x100000000u | 0x5412u, "x");
}

static long try_fcntl_of_others(void)
{
	return syscall(SYS_fcntl, dir_fd, F_SETOWN, other);
}

/* Sanitizers need some of them, so their builds leave these open. */
#if SANDBOX_INSTRUMENTED
#define SANITIZERS_TOO false
#else
#define SANITIZERS_TOO true
#endif

struct door {
	const char *name;
	long (*open)(void);
	bool shut; /* in this build */
	bool by_landlock;
};

#define DOOR(name)                             \
	{                                      \
#name, try_##name, true, false \
	}
#define DOOR_CLEAN(name)                                 \
	{                                                \
#name, try_##name, SANITIZERS_TOO, false \
	}
/* Landlock shuts it: open on Linux before 5.13, and where the kernel has it switched off. */
#define DOOR_FILE(name)                                 \
	{                                               \
#name, try_##name, SANITIZERS_TOO, true \
	}

static const struct door doors[] = {
	DOOR_CLEAN(execve),
	DOOR_CLEAN(execveat),
	DOOR_CLEAN(memfd_exec),
	DOOR_CLEAN(fork),
	DOOR_CLEAN(vfork),
	DOOR_CLEAN(clone3),
	DOOR_CLEAN(thread_with_namespace),
	DOOR_CLEAN(ptrace),
	DOOR_CLEAN(process_vm_readv),
	DOOR(process_vm_writev),
	DOOR(pidfd_open),
	DOOR_CLEAN(kill),
	DOOR_CLEAN(tgkill),
	DOOR_FILE(read_secret),
	DOOR_FILE(shadow),
	DOOR_FILE(read_secret_by_link),
	DOOR_FILE(reopen_by_proc),
	DOOR_FILE(own_memory),
	DOOR_CLEAN(environment_of_other),
	DOOR_CLEAN(openat2),
	DOOR_CLEAN(open_by_handle),
	DOOR_FILE(create_elsewhere),
	DOOR_FILE(list_elsewhere),
	DOOR_CLEAN(unlink_elsewhere),
	DOOR_CLEAN(rename),
	DOOR(symlink),
	DOOR(hard_link),
	DOOR_CLEAN(mkdir),
	DOOR_CLEAN(device_node),
	DOOR_CLEAN(chmod),
	DOOR_CLEAN(chown),
	DOOR_CLEAN(setxattr),
	DOOR_CLEAN(inet_socket),
	DOOR_CLEAN(packet_socket),
	DOOR_CLEAN(unix_socket),
	DOOR(connect),
	DOOR_CLEAN(bind),
	DOOR_CLEAN(mmap_exec),
	DOOR_CLEAN(mprotect_exec),
	DOOR_CLEAN(pkey_mprotect_exec),
	DOOR_CLEAN(personality),
	DOOR(setuid),
	DOOR(setgroups),
	DOOR(capset),
	DOOR(mount),
	DOOR(unshare),
	DOOR(setns),
	DOOR(chroot),
	DOOR(bpf),
	DOOR(keyctl),
	DOOR(perf_event_open),
	DOOR(io_uring),
	DOOR(userfaultfd),
	DOOR_CLEAN(seccomp),
	DOOR_CLEAN(prctl),
	DOOR(reboot),
	DOOR(init_module),
	DOOR_CLEAN(prlimit_of_other),
	DOOR_CLEAN(tiocsti),
	DOOR_CLEAN(tioclinux),
	DOOR_CLEAN(ioctl_upper_half),
	DOOR_CLEAN(fcntl_of_others),
};

/* --- children --- */

static bool is_shut(int error)
{
	return error == EPERM || error == EACCES || error == ENOSYS;
}

static void enter(enum sandbox_mode mode)
{
	struct err err = {0};
	struct loop *loop = loop_create();

	if (!loop || sandbox_allow(folder, SANDBOX_ALL) < 0 ||
	    sandbox_allow("/proc", SANDBOX_READ) < 0 ||
	    sandbox_confine(mode, NULL, &err) < 0 || sandbox_seal(loop, &err) < 0) {
		fprintf(stderr, "the sandbox: %s\n", err.text);
		_exit(EXIT_SETUP);
	}
}

static int run(void (*child)(const void *arg), const void *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* a core dump for each would take long */
		(void)prctl(PR_SET_DUMPABLE, 1);
		child(arg);
		_exit(EXIT_SETUP);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void try_door(const void *arg)
{
	const struct door *door = arg;
	long r;

	enter(SANDBOX_MODE_ON);
	errno = 0;
	r = door->open();
	if (r == 0 && (strstr(door->name, "fork") || strstr(door->name, "clone")))
		_exit(EXIT_OPEN); /* the grandchild */
	_exit(r >= 0 ? EXIT_OPEN : is_shut(errno) ? EXIT_SHUT : EXIT_BROKEN);
}

static bool was_shut(int status)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SHUT);
}

static bool kernel_has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		       LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static void test_doors(void **state)
{
	bool landlock = kernel_has_landlock();
	unsigned found_open = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(doors); i++) {
		int status;

		if (!doors[i].shut || (doors[i].by_landlock && !landlock))
			continue;
		status = run(try_door, &doors[i]);
		if (was_shut(status))
			continue;
		print_error("%s is not shut: status 0x%x\n", doors[i].name, status);
		found_open++;
	}
	assert_int_equal(found_open, 0);
}

/* --- what must work --- */

static void *thread_main(void *arg)
{
	(void)pthread_setname_np(pthread_self(), "works");
	free(malloc(1 << 20));
	return arg;
}

static void must(bool works, const char *what)
{
	if (works)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(EXIT_SHUT);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 1024);
}

static void read_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];

	must(file && fgets(line, sizeof(line), file), "see what is mounted");
	must(fclose(file) == 0, "have seen it");
}

static bool start_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, thread_main, NULL) == 0 &&
	       pthread_join(thread, NULL) == 0;
}

static void use_what_is_allowed(const void *arg)
{
	struct sandbox_state now;
	char path[128];
	char *memory;
	DIR *dir;
	int fd;

	(void)arg;
	/* with the first thread the C library sets handlers; the daemon has some by then */
	must(start_thread(), "start a thread before");
	enter(SANDBOX_MODE_ON);
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0, "make a file");
	must(write(fd, "x", 1) == 1 && ftruncate(fd, 100) == 0, "write it");
	must(fdatasync(fd) == 0, "sync it");
	must(unlinkat(AT_FDCWD, path, 0) == 0, "remove it");
	must(open(named, O_RDWR) >= 0, "open what is named");
	dir = opendir(folder);
	must(dir && readdir(dir), "list a folder");
	must(start_thread(), "start a thread");
	memory = malloc(64 << 20);
	must(memory != NULL, "have memory");
	memset(memory, 1, 64 << 20);
	memory = realloc(memory, 80 << 20);
	must(memory != NULL, "have more memory");
	free(memory);
	/* more than the C library sorts on the stack */
	memory = calloc(64, 1024);
	must(memory != NULL, "have memory to sort");
	qsort(memory, 64, 1024, compare);
	free(memory);
	read_lines("/proc/self/mountinfo");
	/* a request of usbfs reaches the file, which has none */
	must(ioctl(fd, USBDEVFS_GET_CAPABILITIES, path) < 0 && errno == ENOTTY,
	     "speak to usbfs");
	sandbox_state(&now);
	must(now.refused.count == 0,
	     now.refused.last_count > 0 ? now.refused.last[0] : "nothing refused");
	_exit(EXIT_OPEN);
}

static void test_what_is_allowed_works(void **state)
{
	(void)state;
	assert_int_equal(run(use_what_is_allowed, NULL), EXIT_OPEN);
}

static unsigned long long refused_so_far(void)
{
	struct sandbox_state now;

	sandbox_state(&now);
	return (unsigned long long)now.refused.count;
}

/* Other C libraries, or other versions of this, make these calls. */
static void use_other_forms(const void *arg)
{
	const enum sandbox_mode *mode = arg;
	char bytes[] = "xyz";
	struct iovec iov[] = {{bytes, 1}, {bytes + 1, 2}};
	pid_t pid = getpid();
	struct stat st;
	char path[128];
	int fd;

	enter(*mode);
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0, "make a file");
	must(syscall(SYS_writev, fd, iov, 2) == 3, "writev");
	must(syscall(SYS_fstat, fd, &st) == 0 && st.st_size == 3, "fstat");
	must(syscall(SYS_fstat, 1000, &st) == -1 && errno == EBADF, "fstat of none");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
#ifdef SYS_readlink
	must(syscall(SYS_readlink, path, path, sizeof(path)) > 0 &&
		     strncmp(path, folder, strlen(folder)) == 0,
	     "readlink");
#endif
	must(syscall(SYS_getpid) == pid, "getpid");
	(void)snprintf(path, sizeof(path), "%s/new", folder);
	must(unlinkat(AT_FDCWD, path, 0) == 0, "remove it");
	must(refused_so_far() == 0, "no line of these");
	_exit(EXIT_OPEN);
}

static void test_other_forms_work(void **state)
{
	static const enum sandbox_mode modes[] = {SANDBOX_MODE_ON, SANDBOX_MODE_LOG};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		assert_int_equal(run(use_other_forms, &modes[i]), EXIT_OPEN);
}

/* There is no signal to anybody in the sandbox, so abort() ends as a trap does. */
static void end_by_abort(const void *arg)
{
	(void)arg;
	(void)signal(SIGILL, SIG_DFL); /* of cmocka */
	enter(SANDBOX_MODE_ON);
	abort();
}

static void test_abort_is_a_trap(void **state)
{
#ifdef __aarch64__
	const int trap = SIGTRAP;
#else
	const int trap = SIGILL;
#endif
	int status = run(end_by_abort, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SANITIZERS_TOO ? trap : SIGABRT);
}

/* A stop and SIGCONT, which runs no handler: the kernel goes on by restart_syscall. */
static void wait_with_a_limit(const void *arg)
{
	struct timespec until;
	sem_t never;

	enter(SANDBOX_MODE_ON);
	(void)sem_init(&never, 0, 0);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 500000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	must(write(*(const int *)arg, "x", 1) == 1, "tell");
	must(sem_timedwait(&never, &until) < 0 && errno == ETIMEDOUT, "wait");
	_exit(EXIT_OPEN);
}

static void test_waits_go_on_after_a_stop(void **state)
{
	int fds[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		wait_with_a_limit(&fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	/* some of these come while it waits */
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(kill(pid, SIGSTOP), 0);
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		if (!WIFSTOPPED(status))
			break;
		assert_int_equal(kill(pid, SIGCONT), 0);
		(void)poll(NULL, 0, 10);
	}
	if (WIFSTOPPED(status))
		assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_OPEN);
	close(fds[0]);
	close(fds[1]);
}

/* In log mode the same doors are open, and each is told. */
static void log_one(const void *arg)
{
	(void)arg;
	enter(SANDBOX_MODE_LOG);
	if (syscall(SYS_times, NULL) <= 0)
		_exit(EXIT_SHUT);
	sandbox_finish();
	_exit(EXIT_OPEN);
}

/* The line that is written is checked, too. */
static int run_and_read(void (*child)(const void *arg), char *text, size_t size)
{
	int pipes[2], saved, status;
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	saved = dup(STDERR_FILENO);
	assert_true(saved >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
	(void)close(pipes[1]);
	status = run(child, NULL);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	(void)close(saved);
	n = read(pipes[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	(void)close(pipes[0]);
	return status;
}

static void test_log_tells_and_refuses_nothing(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(run_and_read(log_one, text, sizeof(text)), EXIT_OPEN);
	assert_non_null(strstr(text, "sandbox: system call times"));
	assert_non_null(strstr(text, "would be refused"));
}

static void refuse_one(const void *arg)
{
	(void)arg;
	enter(SANDBOX_MODE_ON);
	if (syscall(SYS_times, NULL) != -1 || errno != EPERM)
		_exit(EXIT_OPEN);
	sandbox_finish();
	_exit(EXIT_SHUT);
}

static void test_refused_is_told(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(WEXITSTATUS(run_and_read(refuse_one, text, sizeof(text))),
			 EXIT_SHUT);
	assert_non_null(strstr(text, "sandbox: system call times"));
}

/* Five kinds, of which the first is forgotten, and one of them again. */
static void count_refused(const void *arg)
{
	static const long calls[] = {SYS_times,   SYS_getppid, SYS_sync,
				     SYS_getpgid, SYS_getsid,  SYS_getpgid};
	static const char *const last[] = {"getpgid", "getsid", "sync", "getppid"};
	const enum sandbox_mode *mode = arg;
	const uid_t uid = getuid(); /* which is refused later */
	struct sandbox_state now;

	enter(*mode);
	sandbox_state(&now);
	must(now.mode == *mode && now.refused.count == 0 && now.refused.last_count == 0,
	     "a start");
	must(now.uid == uid && now.calls > 20 && !now.no_calls, "a list");
	must(*mode == SANDBOX_MODE_ON ? (now.landlock > 0) == !now.no_landlock
				      : now.landlock == 0 && !now.no_landlock,
	     "Landlock");
	for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
		(void)syscall(calls[i], 0);
		sandbox_state(&now);
		must(now.refused.count == i + 1, "a count");
	}
	must(now.refused.last_count == ARRAY_SIZE(last), "names");
	for (unsigned i = 0; i < ARRAY_SIZE(last); i++)
		must(strcmp(now.refused.last[i], last[i]) == 0, last[i]);
	_exit(EXIT_OPEN);
}

static void test_state(void **state)
{
	static const enum sandbox_mode modes[] = {SANDBOX_MODE_ON, SANDBOX_MODE_LOG};
	struct sandbox_state now;

	(void)state;
	sandbox_state(&now);
	assert_int_equal(now.mode, SANDBOX_MODE_OFF);
	assert_null(now.no_landlock);
	assert_null(now.no_calls);
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		assert_int_equal(run(count_refused, &modes[i]), EXIT_OPEN);
}

static void explain(const void *arg)
{
	char hint[512] = "";

	(void)arg;
	enter(SANDBOX_MODE_ON);
	if (sandbox_explains(named, hint, sizeof(hint)) ||
	    sandbox_explains(inside, hint, sizeof(hint)))
		_exit(EXIT_OPEN);
	if (!sandbox_explains(secret, hint, sizeof(hint)) ||
	    !strstr(hint, "--sandbox-path") || !strstr(hint, outside))
		_exit(EXIT_BROKEN);
	if (!sandbox_explains_folder(hint, sizeof(hint)) ||
	    !strstr(hint, "make the folder"))
		_exit(EXIT_BROKEN);
	_exit(EXIT_SHUT);
}

static void test_explains(void **state)
{
	(void)state;
	/* without Landlock there is nothing to explain */
	assert_int_equal(WEXITSTATUS(run(explain, NULL)),
			 kernel_has_landlock() ? EXIT_SHUT : EXIT_BROKEN);
}

/* --- --user --- */

static void become(const void *arg)
{
	struct err err = {0};

	if (sandbox_confine(SANDBOX_MODE_ON, arg, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(EXIT_SHUT);
	}
	if (getuid() != 65534 || geteuid() != 65534 || getegid() != 65533 ||
	    getgroups(0, NULL) > 1 || setuid(0) == 0)
		_exit(EXIT_BROKEN);
	_exit(EXIT_OPEN);
}

static void test_user(void **state)
{
	static const char *const wrong[] = {"no-such-user-here",    "12345678",
					    "0:no-such-group-here", "-1",
					    "4294967295:1",         ""};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(WEXITSTATUS(run(become, wrong[i])), EXIT_SHUT);
	/* only root can */
	if (geteuid() != 0)
		return;
	assert_int_equal(run(become, "65534:65533"), EXIT_OPEN);
}

/* Root with the files of somebody else: one capability stays, if that is what it takes. */
static void use_file_of_another(const void *arg)
{
	const char *path = arg;
	uint32_t header[2] = {_LINUX_CAPABILITY_VERSION_3, 0};
	uint32_t data[6] = {0};
	uint32_t expected = path == others ? 1u << CAP_DAC_OVERRIDE : 0;
	struct sandbox_state now;
	struct err err = {0};

	if (sandbox_allow(path, SANDBOX_READ | SANDBOX_WRITE) < 0 ||
	    sandbox_confine(SANDBOX_MODE_ON, NULL, &err) < 0 ||
	    syscall(SYS_capget, header, data) < 0)
		_exit(EXIT_SETUP);
	/* effective, permitted, inheritable */
	must(data[0] == expected && data[1] == expected && data[2] == 0, "capabilities");
	must(open(path, O_RDWR) >= 0, "open it");
	sandbox_state(&now);
	must(expected ? now.of_others && strcmp(now.of_others, path) == 0
		      : !now.of_others,
	     "the state");
	_exit(EXIT_OPEN);
}

static void test_file_of_another_user(void **state)
{
	(void)state;
	/* only root can */
	if (geteuid() != 0)
		return;
	assert_int_equal(run(use_file_of_another, named), EXIT_OPEN);
	assert_int_equal(run(use_file_of_another, others), EXIT_OPEN);
}

/* In the place of a kernel that has not all: these calls are unknown. */
static void without_calls(const int *calls, unsigned count)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	for (unsigned i = 0; i < count; i++)
		must(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), calls[i], 0) == 0,
		     "a rule");
	must(seccomp_load(filter) == 0, "an old kernel");
	seccomp_release(filter);
}

static void confine_without_landlock(const void *arg)
{
	const int calls[] = {SCMP_SYS(landlock_create_ruleset)};
	struct sandbox_state now;

	(void)arg;
	without_calls(calls, ARRAY_SIZE(calls));
	enter(SANDBOX_MODE_ON);
	sandbox_state(&now);
	must(now.landlock == 0 && now.no_landlock, "the state");
	must(strstr(sandbox_describe(), "NO Landlock (this kernel has none)") != NULL,
	     "a line");
	must(now.calls > 0 || !SANITIZERS_TOO, "a list");
	must(open(secret, O_RDONLY) >= 0, "a file that is not named");
	_exit(try_inet_socket() < 0 ? EXIT_OPEN : EXIT_BROKEN);
}

static void confine_without_seccomp(const void *arg)
{
	const int calls[] = {SCMP_SYS(seccomp)};
	struct sandbox_state now;

	(void)arg;
	without_calls(calls, ARRAY_SIZE(calls));
	enter(SANDBOX_MODE_ON);
	sandbox_state(&now);
	must(now.calls == 0 && now.no_calls, "the state");
	must(strstr(sandbox_describe(), "NO seccomp (") != NULL, "a line");
	_exit(open(secret, O_RDONLY) < 0 ? EXIT_OPEN : EXIT_BROKEN);
}

static void test_kernel_without(void **state)
{
	(void)state;
	assert_int_equal(run(confine_without_landlock, NULL), EXIT_OPEN);
	/* on a kernel that has neither, nothing shuts the file */
	assert_int_equal(WEXITSTATUS(run(confine_without_seccomp, NULL)),
			 kernel_has_landlock() ? EXIT_OPEN : EXIT_BROKEN);
}

static void test_modes(void **state)
{
	enum sandbox_mode mode = SANDBOX_MODE_OFF;

	(void)state;
	assert_int_equal(sandbox_mode_find("on", &mode), 0);
	assert_int_equal(mode, SANDBOX_MODE_ON);
	assert_int_equal(sandbox_mode_find("log", &mode), 0);
	assert_int_equal(mode, SANDBOX_MODE_LOG);
	assert_int_equal(sandbox_mode_find("off", &mode), 0);
	assert_int_equal(mode, SANDBOX_MODE_OFF);
	assert_int_equal(sandbox_mode_find("On", &mode), -EINVAL);
	assert_string_equal(sandbox_mode_name(SANDBOX_MODE_LOG), "log");
}

static int make_file(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int setup(void **state)
{
	char link[128];

	(void)state;
	if (!mkdtemp(folder) || !mkdtemp(outside))
		return -1;
	(void)snprintf(inside, sizeof(inside), "%s/inside", folder);
	(void)snprintf(named, sizeof(named), "%s/named", folder);
	(void)snprintf(secret, sizeof(secret), "%s/secret", outside);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	if (make_file(named) < 0 || symlink(secret, link) < 0)
		return -1;
	(void)snprintf(others, sizeof(others), "%s/others", folder);
	if (make_file(others) < 0 || (geteuid() == 0 && chown(others, 65534, 65534) < 0))
		return -1;
	secret_fd = make_file(secret);
	dir_fd = open(outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other = fork();
	if (other == 0) {
		(void)pause();
		_exit(0);
	}
	return secret_fd < 0 || dir_fd < 0 || other < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char link[128];

	(void)state;
	(void)kill(other, SIGKILL);
	(void)waitpid(other, NULL, 0);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	(void)unlink(link);
	(void)unlink(named);
	(void)unlink(others);
	(void)unlink(inside);
	(void)unlink(secret);
	return rmdir(folder) < 0 || rmdir(outside) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* of the filter and of files, which builds with sanitizers do without */
		cmocka_unit_test(test_log_tells_and_refuses_nothing),
		cmocka_unit_test(test_refused_is_told),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_explains),
		cmocka_unit_test(test_kernel_without),
		/* of all builds */
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_what_is_allowed_works),
		cmocka_unit_test(test_other_forms_work),
		cmocka_unit_test(test_abort_is_a_trap),
		cmocka_unit_test(test_waits_go_on_after_a_stop),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_file_of_another_user),
		cmocka_unit_test(test_modes),
	};
	size_t from = SANITIZERS_TOO ? 0 : 5;

	return _cmocka_run_group_tests("sandbox", tests + from, ARRAY_SIZE(tests) - from,
				       setup, teardown);
}
