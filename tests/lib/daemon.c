/* SPDX-License-Identifier: MIT
 * daemon.c - starts the daemon under test, watches it, ends it
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/daemon.h"

#define START_TIMEOUT_MS 20000 /* valgrind needs seconds */
#define STOP_TIMEOUT_MS  20000
#define INHERITED_FD     3
#define FDS_TIMEOUT_MS   5000
#define FDS_LOOK_MS      5
#define REST_TIMEOUT_MS  10000
#define REST_MS          300

int daemon_init(struct daemon *daemon)
{
	*daemon = (struct daemon){.pid = -1, .pidfd = -1};
	(void)snprintf(daemon->dir, sizeof(daemon->dir), "/tmp/usbvfiod-test.XXXXXX");
	if (!mkdtemp(daemon->dir))
		return -errno;
	daemon_path(daemon, "vfio.sock", daemon->socket);
	daemon_path(daemon, "stderr", daemon->stderr_path);
	return 0;
}

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	(void)rmdir(path);
}

void daemon_finish(struct daemon *daemon)
{
	if (daemon->pid > 0) {
		(void)kill(daemon->pid, SIGKILL);
		(void)waitpid(daemon->pid, NULL, 0);
	}
	if (daemon->pidfd >= 0)
		(void)close(daemon->pidfd);
	if (daemon->dir[0])
		remove_dir(daemon->dir);
	*daemon = (struct daemon){.pid = -1, .pidfd = -1};
}

void daemon_path(const struct daemon *daemon, const char *name,
		 char path[DAEMON_PATH_MAX])
{
	(void)snprintf(path, DAEMON_PATH_MAX, "%s/%s", daemon->dir, name);
}

int daemon_image(const struct daemon *daemon, const char *name, uint64_t size_bytes,
		 char path[DAEMON_PATH_MAX])
{
	_cleanup_close_ int fd = -1;

	daemon_path(daemon, name, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size_bytes) < 0)
		return -errno;
	return 0;
}

/* In the child. */
static void run_child(const struct daemon *daemon, char *const *argv, int inherit,
		      bool activation)
{
	int out = open(daemon->stderr_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	char pid[16];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out < 0 || dup2(out, STDERR_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	if (inherit == INHERITED_FD)
		(void)fcntl(inherit, F_SETFD, 0);
	else if (inherit >= 0 && dup2(inherit, INHERITED_FD) < 0)
		_exit(126);
	if (activation) {
		(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
		(void)setenv("LISTEN_FDS", "1", 1);
		(void)setenv("LISTEN_PID", pid, 1);
	}
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int spawn(struct daemon *daemon, const char *const *args, bool with_socket,
		 int inherit, bool activation)
{
	const char *argv[DAEMON_ARGS_MAX + 12];
	const char *binary = getenv("USBVFIOD");
	const char *sandbox = getenv("USBVFIOD_SANDBOX");
	unsigned n = 0;

	if (!binary)
		return -ENOENT;
	for (unsigned i = 0; daemon->wrapper[i]; i++)
		argv[n++] = daemon->wrapper[i];
	argv[n++] = binary;
	/* valgrind generates code inside the process */
	if (daemon->wrapper[0])
		sandbox = "off";
	if (sandbox) {
		argv[n++] = "--sandbox";
		argv[n++] = sandbox;
	}
	if (with_socket) {
		argv[n++] = "--socket-path";
		argv[n++] = daemon->socket;
	}
	for (unsigned i = 0; args && args[i] && i < DAEMON_ARGS_MAX; i++)
		argv[n++] = args[i];
	argv[n] = NULL;

	daemon->pid = fork();
	if (daemon->pid < 0)
		return -errno;
	if (daemon->pid == 0)
		run_child(daemon, (char *const *)(uintptr_t)argv, inherit, activation);
	daemon->pidfd = (int)syscall(SYS_pidfd_open, daemon->pid, 0);
	return daemon->pidfd < 0 ? -errno : 0;
}

int daemon_start(struct daemon *daemon, const char *const *args)
{
	return spawn(daemon, args, true, -1, false);
}

int daemon_start_fd(struct daemon *daemon, const char *const *args, int inherit,
		    bool activation)
{
	return spawn(daemon, args, false, inherit, activation);
}

/* Waits for a change in the folder or the end of the daemon. */
static int wait_change(const struct daemon *daemon, int notify, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = notify, .events = POLLIN},
			      {.fd = daemon->pidfd, .events = POLLIN}};
	char events[4096];
	int r = poll(p, 2, timeout_ms);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[1].revents)
		return -ECHILD;
	if (r == 0)
		return -ETIMEDOUT;
	return read(notify, events, sizeof(events)) < 0 ? -errno : 0;
}

static int try_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static int connect_to(const struct daemon *daemon, const char *path)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC);
	int waited_ms = 0;

	if (notify < 0 ||
	    inotify_add_watch(notify, daemon->dir, IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	for (;;) {
		int fd = try_connect(path);
		bool bound = fd == -ECONNREFUSED;
		int r;

		if (fd >= 0 || (fd != -ENOENT && !bound))
			return fd;
		/* No event marks the step from bind to listen: try again. */
		r = wait_change(daemon, notify, bound ? 1 : START_TIMEOUT_MS);
		if (r == -ETIMEDOUT && bound && ++waited_ms < START_TIMEOUT_MS)
			continue;
		if (r < 0)
			return r;
	}
}

int daemon_connect(const struct daemon *daemon)
{
	return connect_to(daemon, daemon->socket);
}

int daemon_wait_listening(const struct daemon *daemon, const char *path)
{
	int fd = connect_to(daemon, path);

	if (fd >= 0)
		(void)close(fd);
	return fd < 0 ? fd : 0;
}

bool daemon_running(const struct daemon *daemon)
{
	struct pollfd p = {.fd = daemon->pidfd, .events = POLLIN};

	return daemon->pid > 0 && poll(&p, 1, 0) == 0;
}

int daemon_signal(const struct daemon *daemon, int signal)
{
	return kill(daemon->pid, signal) < 0 ? -errno : 0;
}

int daemon_wait(struct daemon *daemon, int timeout_ms)
{
	struct pollfd p = {.fd = daemon->pidfd, .events = POLLIN};
	int status;

	if (daemon->pid <= 0)
		return -ECHILD;
	if (poll(&p, 1, timeout_ms) == 0)
		return -ETIMEDOUT;
	if (waitpid(daemon->pid, &status, 0) < 0)
		return -errno;
	daemon->pid = -1;
	(void)close(daemon->pidfd);
	daemon->pidfd = -1;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int daemon_stop(struct daemon *daemon)
{
	int r = daemon_signal(daemon, SIGTERM);

	return r < 0 ? r : daemon_wait(daemon, STOP_TIMEOUT_MS);
}

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t used = 0;
	size_t room = 65536;
	char *text = malloc(room);

	while (file && text) {
		size_t n = fread(text + used, 1, room - used - 1, file);
		char *bigger;

		if (n == 0)
			break;
		used += n;
		if (room - used > 1)
			continue;
		room *= 2;
		bigger = realloc(text, room);
		if (!bigger)
			break;
		text = bigger;
	}
	if (file)
		(void)fclose(file);
	if (text)
		text[used] = '\0';
	return text;
}

char *daemon_stderr(const struct daemon *daemon)
{
	return read_whole(daemon->stderr_path);
}

static bool has_written(const struct daemon *daemon, const char *text)
{
	_cleanup_free_ char *all = daemon_stderr(daemon);

	return all && strstr(all, text);
}

int daemon_await_stderr(const struct daemon *daemon, const char *text, int timeout_ms)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char events[4096];

	/* watch the file before reading it, so as to miss no write */
	if (fd < 0 || inotify_add_watch(fd, daemon->stderr_path, IN_MODIFY) < 0)
		return -errno;
	while (!has_written(daemon, text)) {
		if (poll(&p, 1, timeout_ms) == 0)
			return -ETIMEDOUT;
		if (read(fd, events, sizeof(events)) < 0 && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

bool daemon_complained(const struct daemon *daemon)
{
	_cleanup_free_ char *text = daemon_stderr(daemon);

	return !text || strstr(text, "Sanitizer") || strstr(text, "runtime error:") ||
	       strstr(text, "Assertion `") || strstr(text, "== Invalid ") ||
	       strstr(text, "sandbox: system call");
}

static uint64_t status_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void look_at_threads(pid_t pid, struct daemon_usage *usage)
{
	char path[64];
	DIR *dir;
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char file[128 + 256];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s/status", path, entry->d_name);
		_cleanup_free_ char *text = read_whole(file);

		if (!text)
			continue;
		usage->wakeups += status_field(text, "\nvoluntary_ctxt_switches:");
		usage->threads_awake += strstr(text, "\nState:\tS") == NULL;
	}
	if (dir)
		(void)closedir(dir);
}

int daemon_usage(const struct daemon *daemon, struct daemon_usage *ret_usage)
{
	char path[64];
	_cleanup_free_ char *status = NULL;
	_cleanup_free_ char *stat = NULL;
	const char *after;
	unsigned long user = 0;
	unsigned long sys = 0;

	if (daemon->pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon->pid);
	status = read_whole(path);
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)daemon->pid);
	stat = read_whole(path);
	if (!status || !stat)
		return -ENOMEM;
	after = strrchr(stat, ')');
	if (!after ||
	    sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		   &sys) != 2)
		return -ESRCH;
	*ret_usage = (struct daemon_usage){
		.rss_anon_kib = status_field(status, "\nRssAnon:"),
		.rss_file_kib = status_field(status, "\nRssFile:"),
		.rss_shmem_kib = status_field(status, "\nRssShmem:"),
		.threads = status_field(status, "\nThreads:"),
		.cpu_ticks = user + sys,
	};
	look_at_threads(daemon->pid, ret_usage);
	return 0;
}

/* True if no thread ran between the two. */
static bool has_rested(const struct daemon_usage *before,
		       const struct daemon_usage *after)
{
	return after->threads_awake == 0 && after->threads == before->threads &&
	       after->wakeups == before->wakeups && after->cpu_ticks == before->cpu_ticks;
}

static int await_rest(const struct daemon *daemon, struct daemon_usage *ret_usage)
{
	struct daemon_usage last;
	int r = daemon_usage(daemon, ret_usage);

	for (int ms = 0; r == 0 && ms < REST_TIMEOUT_MS; ms += REST_MS) {
		last = *ret_usage;
		(void)poll(NULL, 0, REST_MS);
		r = daemon_usage(daemon, ret_usage);
		if (r == 0 && has_rested(&last, ret_usage))
			return 0;
	}
	return r < 0 ? r : -ETIMEDOUT;
}

int daemon_await_idle(const struct daemon *daemon, int ms,
		      struct daemon_usage *ret_before, struct daemon_usage *ret_after)
{
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		int r = await_rest(daemon, ret_before);

		if (r < 0)
			return r;
		(void)poll(NULL, 0, ms);
		r = daemon_usage(daemon, ret_after);
		if (r < 0 || has_rested(ret_before, ret_after))
			return r;
	}
	return -EBUSY;
}

int daemon_fd_count(const struct daemon *daemon)
{
	char path[64];
	DIR *dir;
	struct dirent *entry;
	int count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

int daemon_fd_count_wait(const struct daemon *daemon, int count)
{
	int found = daemon_fd_count(daemon);

	for (int ms = 0; found != count && ms < FDS_TIMEOUT_MS; ms += FDS_LOOK_MS) {
		(void)poll(NULL, 0, FDS_LOOK_MS);
		found = daemon_fd_count(daemon);
	}
	return found;
}
