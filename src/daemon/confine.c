/* SPDX-License-Identifier: MIT
 * confine.c - tells the sandbox what the command line needs
 */
#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control/server.h"
#include "daemon/attach/devices.h"
#include "daemon/named.h"
#include "daemon/options.h"
#include "daemon/sandbox/sandbox.h"
#include "rules/uevent.h"
#include "usbdev/host/host.h"
#include "usbdev/pcap/target.h"
#include "util/closer.h"
#include "util/compiler.h"
#include "util/err.h"
#include "util/log.h"
#include "vuser/signaller.h"

/* For /proc/self/coredump_filter, core(5): private anonymous memory, ELF headers, private huge
 * pages. No shared memory. */
#define CORE_FILTER "0x31"

/* Whether there can be devices of the host, now or by a later attach. The daemon opens the node of
 * one that was handed over again (decision 21), so those count. */
static bool may_have_hosts(const struct options *options, const struct named *named)
{
	return options->rules_path || options->control_path || options->control_fd >= 0 ||
	       named->rule_count > 0 || named->any_host;
}

/* Makes the file of a capture, if there is none. If that fails, the open will say why. */
static bool make_capture(const char *path)
{
	_cleanup_close_ int fd = -1;

	if (target_make_folders(path) == 0)
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	return fd >= 0;
}

/* Allows the paths that the command line names, and those that follow from them. */
static int allow_named(const struct options *options, const struct named *named)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < named->device_count; i++)
		r = device_allow(named->devices[i]);
	for (unsigned i = 0; r == 0 && i < options->sandbox_path_count; i++)
		r = sandbox_allow(options->sandbox_paths[i],
				  SANDBOX_ALL | SANDBOX_EXPECTED);
	if (r == 0 && options->pcap_path)
		r = sandbox_make(options->pcap_path, make_capture, NULL);
	if (r == 0 && options->pcap_path)
		r = sandbox_allow(options->pcap_path, SANDBOX_READ | SANDBOX_WRITE);
	/* the folder, since editors replace the file; the file, since it may be a link */
	if (r == 0 && options->rules_path)
		r = sandbox_allow_folder_of(options->rules_path, SANDBOX_READ);
	if (r == 0 && options->rules_path)
		r = sandbox_allow(options->rules_path, SANDBOX_READ);
	if (r == 0 && options->socket_path)
		r = sandbox_allow_folder_of(options->socket_path, SANDBOX_REMOVE);
	if (r == 0 && options->control_path)
		r = sandbox_allow_folder_of(options->control_path, SANDBOX_REMOVE);
	if (r == 0 && may_have_hosts(options, named))
		/* the folder above: /dev/bus/usb appears with the first controller */
		r = sandbox_allow("/dev/bus", SANDBOX_READ | SANDBOX_WRITE);
	return r == 0 ? sandbox_allow("/sys", SANDBOX_READ) : r;
}

/* Keeps guest memory, which is shared, out of our core dumps. */
static void keep_guest_out_of_cores(void)
{
	_cleanup_close_ int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, CORE_FILTER, strlen(CORE_FILTER)) < 0)
		log_debug("a core dump would have the guest's memory: %m");
}

int confine(const struct options *options, const struct named *named)
{
	struct err err = {0};
	int r = allow_named(options, named);

	keep_guest_out_of_cores();
	if (r < 0)
		(void)err_set(&err, -r, "the sandbox: too much is named, or too long: %s",
			      strerror(-r));
	else
		r = sandbox_confine(options->sandbox, options->user, &err);
	if (r == -ECANCELED)
		log_info("stopping");
	else if (r < 0)
		log_error("%s", err.text);
	return r;
}

/* Makes what needs system calls that the sandbox forbids. */
static int prepare(const struct options *options, const struct named *named)
{
	int r = signaller_prepare(true);

	(void)closer_start();
	control_prepare();
	if (may_have_hosts(options, named)) {
		uevents_reserve();
		host_prepare();
	}
	return r;
}

int confine_seal(const struct options *options, const struct named *named,
		 struct loop *loop)
{
	struct err err = {0};
	int r = prepare(options, named);

	if (r < 0)
		(void)err_set(&err, -r, "signals: %s", strerror(-r));
	else
		r = sandbox_seal(loop, &err);
	if (r < 0)
		log_error("%s", err.text);
	else if (sandbox_is_whole())
		log_info("sandbox %s", sandbox_describe());
	else
		log_warn("sandbox %s", sandbox_describe());
	return r;
}
