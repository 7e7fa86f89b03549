/* SPDX-License-Identifier: MIT
 * test_options.c - tests of src/daemon/options.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/options.h"
#include "xhci/xhci.h"

#define ARGS_MAX 100

static struct options options;
static struct err err;

/* @line is cut at spaces. */
static int parse_passed(const char *line, unsigned passed_fds)
{
	static char buf[2048];
	char *argv[ARGS_MAX + 1] = {(char[]){"usbvfiod"}};
	char *save;
	int argc = 1;

	memset(&err, 0, sizeof(err));
	assert_true(strlen(line) < sizeof(buf));
	strcpy(buf, line);
	for (char *arg = strtok_r(buf, " ", &save); arg;
	     arg = strtok_r(NULL, " ", &save)) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = arg;
	}
	return options_parse(&options, argc, argv, passed_fds, &err);
}

static void accept_line(const char *line)
{
	assert_int_equal(parse_passed(line, 0), 0);
}

static void refuse_line(const char *line, const char *why)
{
	int r = parse_passed(line, 0);

	assert_true(r < 0);
	assert_int_equal(r, -err.code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", line, err.text, why);
}

static void test_defaults(void **state)
{
	(void)state;
	accept_line("--socket-path /run/x.sock");
	assert_int_equal(options.action, OPTIONS_ACTION_RUN);
	assert_string_equal(options.socket_path, "/run/x.sock");
	assert_int_equal(options.fd, -1);
	assert_int_equal(options.device_count, 0);
	assert_int_equal(options.ports, XHCI_PORTS_DEFAULT);
	assert_false(options.no_msix);
	assert_false(options.no_color);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
}

static void test_all_options(void **state)
{
	(void)state;
	accept_line("--fd=7 --device stick:file=a --device keyboard --ports 15 --no-msix "
		    "--no-color -v");
	assert_int_equal(options.fd, 7);
	assert_null(options.socket_path);
	assert_int_equal(options.device_count, 2);
	assert_string_equal(options.devices[0], "stick:file=a");
	assert_string_equal(options.devices[1], "keyboard");
	assert_int_equal(options.ports, 15);
	assert_true(options.no_msix);
	assert_true(options.no_color);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
}

static void test_memory_files(void **state)
{
	(void)state;
	accept_line("--fd 3");
	assert_null(options.memory_files); /* vm_options has the default */
	accept_line("--fd 3 --memory-files ext4,fuse.sshfs,9p");
	assert_string_equal(options.memory_files, "ext4,fuse.sshfs,9p");
	accept_line("--fd 3 --memory-files any");
	accept_line("--fd 3 --memory-files none");
	refuse_line("--fd 3 --memory-files=", "--memory-files");
	refuse_line("--fd 3 --memory-files ext4,", "--memory-files ext4,");
	refuse_line("--fd 3 --memory-files ,ext4", "--memory-files ,ext4");
	refuse_line("--fd 3 --memory-files a,,b", "--memory-files a,,b");
	refuse_line("--fd 3 --memory-files /mnt", "--memory-files /mnt");
}

static void test_verbose(void **state)
{
	(void)state;
	accept_line("--fd 3 -vv");
	assert_int_equal(options.log_level, LOG_LEVEL_TRACE);
	accept_line("--fd 3 --verbose --verbose -vvv");
	assert_int_equal(options.log_level, LOG_LEVEL_TRACE);
}

static void test_help_and_version(void **state)
{
	(void)state;
	accept_line("-h");
	assert_int_equal(options.action, OPTIONS_ACTION_HELP);
	accept_line("--device x --help --nonsense");
	assert_int_equal(options.action, OPTIONS_ACTION_HELP);
	accept_line("-V");
	assert_int_equal(options.action, OPTIONS_ACTION_VERSION);
	accept_line("--version");
	assert_int_equal(options.action, OPTIONS_ACTION_VERSION);
}

static void test_socket_choice(void **state)
{
	(void)state;
	refuse_line("", "--socket-path PATH or --fd N");
	refuse_line("--socket-path a --fd 3", "exclude");
	refuse_line("--fd 3 --socket-path a", "exclude");
	refuse_line("--socket-path=", "empty");
	assert_int_equal(parse_passed("", 1), 0);
	assert_int_equal(options.fd, 3);
	assert_int_equal(parse_passed("", 2), -EINVAL);
	assert_non_null(strstr(err.text, "2 sockets"));
	assert_int_equal(parse_passed("--fd 4", 2), 0);
	assert_int_equal(options.fd, 4);
	assert_int_equal(parse_passed("--socket-path a", 1), -EINVAL);
	assert_non_null(strstr(err.text, "LISTEN_FDS"));
}

static void test_numbers(void **state)
{
	(void)state;
	refuse_line("--fd 2", "at least 3");
	refuse_line("--fd -1", "at least 3");
	refuse_line("--fd x", "at least 3");
	refuse_line("--fd 3x", "at least 3");
	refuse_line("--fd=", "at least 3");
	refuse_line("--fd 99999999999999999999", "at least 3");
	refuse_line("--fd 4294967299", "at least 3");
	refuse_line("--fd 3 --ports 0", "from 1 to 15");
	refuse_line("--fd 3 --ports 16", "from 1 to 15");
	refuse_line("--fd 3 --ports 8.5", "from 1 to 15");
	accept_line("--fd 3 --ports 1");
	assert_int_equal(options.ports, 1);
}

static void test_wrong_usage(void **state)
{
	(void)state;
	refuse_line("--fd 3 --nonsense", "--nonsense");
	refuse_line("--fd 3 --nonsense=4", "--nonsense=4");
	refuse_line("--no-msix -xv", "unknown option -x");
	refuse_line("--fd 3 -vx", "unknown option -x");
	refuse_line("--no-", "ambiguous");
	refuse_line("--fd", "--fd needs a value");
	refuse_line("--socket-path", "--socket-path needs a value");
	refuse_line("--no-msix=yes", "takes no value");
	refuse_line("--verbose=2", "takes no value");
	refuse_line("--fd 3 stray", "stray");
	refuse_line("--fd 3 -- --no-msix", "--no-msix");
}

static void test_pcap_path(void **state)
{
	(void)state;
	accept_line("--fd 3");
	assert_null(options.pcap_path);
	accept_line("--fd 3 --pcap-path a/b.pcap");
	assert_string_equal(options.pcap_path, "a/b.pcap");
	refuse_line("--fd 3 --pcap-path=", "--pcap-path is empty");
	refuse_line("--fd 3 --pcap-path", "needs a value");
}

static void test_control_socket(void **state)
{
	(void)state;
	accept_line("--fd 3");
	assert_null(options.control_path);
	assert_int_equal(options.control_fd, -1);
	accept_line("--fd 3 --hotplug-socket-path x");
	assert_string_equal(options.control_path, "x");
	accept_line("--fd 3 --hotplug-fd 4");
	assert_int_equal(options.control_fd, 4);
	refuse_line("--fd 3 --hotplug-socket-path=", "--hotplug-socket-path is empty");
	refuse_line("--fd 3 --hotplug-fd 2", "at least 3");
	refuse_line("--fd 3 --hotplug-fd 4 --hotplug-socket-path x",
		    "exclude each other");
	refuse_line("--fd 3 --hotplug-fd 3", "fd 3 is named twice");
}

static void test_rules_file(void **state)
{
	(void)state;
	accept_line("--fd 3 --rules /etc/rules");
	assert_string_equal(options.rules_path, "/etc/rules");
	refuse_line("--fd 3 --rules=", "--rules is empty");
}

static void test_many_devices(void **state)
{
	char line[1024] = "--fd 3";

	(void)state;
	for (unsigned i = 0; i < VM_PORT_MAX; i++)
		strcat(line, " --device keyboard");
	accept_line(line);
	assert_int_equal(options.device_count, VM_PORT_MAX);
	strcat(line, " --device keyboard");
	refuse_line(line, "more than 30");
}

static unsigned passed(const char *pid, const char *fds)
{
	unsigned count;

	assert_int_equal(pid ? setenv("LISTEN_PID", pid, 1) : unsetenv("LISTEN_PID"), 0);
	assert_int_equal(fds ? setenv("LISTEN_FDS", fds, 1) : unsetenv("LISTEN_FDS"), 0);
	assert_int_equal(setenv("LISTEN_FDNAMES", "a:b", 1), 0);
	count = options_passed_fds();
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	return count;
}

static void test_passed_fds(void **state)
{
	char us[16], other[16];

	(void)state;
	(void)snprintf(us, sizeof(us), "%d", getpid());
	(void)snprintf(other, sizeof(other), "%d", getppid());
	assert_int_equal(passed(NULL, NULL), 0);
	assert_int_equal(passed(us, "1"), 1);
	assert_int_equal(passed(us, "2"), 2);
	assert_int_equal(passed(other, "1"), 0); /* meant for another process */
	assert_int_equal(passed(NULL, "1"), 0);
	assert_int_equal(passed(us, NULL), 0);
	assert_int_equal(passed(us, "0"), 0);
	assert_int_equal(passed(us, "-1"), 0);
	assert_int_equal(passed(us, "1x"), 0);
	assert_int_equal(passed("", "1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_memory_files),
		cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_socket_choice),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_pcap_path),
		cmocka_unit_test(test_control_socket),
		cmocka_unit_test(test_rules_file),
		cmocka_unit_test(test_many_devices),
		cmocka_unit_test(test_passed_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
