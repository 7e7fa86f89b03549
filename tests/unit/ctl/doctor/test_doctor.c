/* SPDX-License-Identifier: MIT
 * test_doctor.c - tests of src/ctl/doctor
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../rules/fake_sysfs.h"
#include "ctl/doctor/daemon.h"
#include "ctl/doctor/device.h"
#include "ctl/doctor/finding.h"
#include "ctl/doctor/host.h"
#include "ctl/doctor/sandbox.h"

#define FOUND_MAX 16u

static struct doctor_finding found[FOUND_MAX];
static unsigned count;

static void on_finding(void *ctx, const struct doctor_finding *finding)
{
	(void)ctx;
	assert_in_range(count, 0, FOUND_MAX - 1);
	found[count++] = *finding;
}

static const struct doctor *doctor(void)
{
	static struct doctor one = {.on_finding = on_finding};

	one.root = fake_root();
	count = 0;
	return &one;
}

static int empty(void **state)
{
	(void)state;
	fake_clear();
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_finish();
	return 0;
}

static void check(const char *name)
{
	struct hostdev dev;

	assert_int_equal(hostdev_read(fake_root(), fake_place(name), &dev), 0);
	doctor_check_device(doctor(), &dev);
}

/* The only one of @code is there. */
static void finds(const char *code, bool problem, const char *what, const char *mend)
{
	const struct doctor_finding *finding = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(found[i].code, code) != 0)
			continue;
		assert_null(finding);
		finding = &found[i];
	}
	assert_non_null(finding);
	assert_int_equal(finding->problem, problem);
	if (!strstr(finding->what, what))
		fail_msg("\"%s\", not \"%s\"", finding->what, what);
	if (!strstr(finding->mend, mend))
		fail_msg("\"%s\", not \"%s\"", finding->mend, mend);
	assert_null(strchr(finding->what, '\n'));
	assert_null(strchr(finding->mend, '\n'));
}

/* 3-2, number 7, with nothing wrong. */
static void plug_healthy(void)
{
	fake_plug(&(struct fake_device){.name = "3-2", .number = 7});
	fake_file("/dev/bus/usb/003/007", "");
}

static void attribute(const char *name, const void *bytes, size_t len)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "/sys%s/%s", fake_place("3-2"), name);
	fake_bytes(path, bytes, len);
}

static void text_attribute(const char *name, const char *text)
{
	attribute(name, text, strlen(text));
}

static void test_healthy(void **state)
{
	(void)state;
	plug_healthy();
	text_attribute("version", " 2.00\n");
	text_attribute("power/control", "on\n");
	check("3-2");
	assert_int_equal(count, 0);
}

static void test_no_node(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "3-2", .number = 7});
	check("3-2");
	assert_int_equal(count, 1);
	finds("node", true, "/dev/bus/usb/003/007 cannot be opened: No such file",
	      "--action=add /sys/bus/usb/devices/3-2");
	assert_string_equal(found[0].device, "3-2");
}

/* As another user than root. */
static void check_as_nobody(void)
{
	struct hostdev dev;
	const struct doctor *one = doctor();
	bool root = geteuid() == 0;

	assert_int_equal(hostdev_read(fake_root(), fake_place("3-2"), &dev), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	doctor_check_device(one, &dev);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void forbid(mode_t mode)
{
	char path[512];

	assert_int_equal(chmod(fake_root(), 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/dev/bus/usb/003/007", fake_root());
	assert_int_equal(chmod(path, mode), 0);
	/* of group adm in distributions that we know */
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, 4), 0);
}

static void test_not_permitted(void **state)
{
	(void)state;
	plug_healthy();
	forbid(0400);
	check_as_nobody();
	finds("permission", true, "may not be opened by",
	      "echo 'SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", "
	      "ATTR{idVendor}==\"1050\", ATTR{idProduct}==\"0407\", OWNER=\"");
	finds("permission", true, "", "--action=change /sys/bus/usb/devices/3-2");
}

static void test_permitted_to_a_group(void **state)
{
	(void)state;
	plug_healthy();
	forbid(0460);
	check_as_nobody();
	/* only root can give a file to another group */
	if (geteuid() == 0)
		finds("permission", true, "may be opened by group adm",
		      "usermod -aG adm ");
}

static void test_kernel_driver_is_a_note(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "3-2",
					.number = 7,
					.driver = "usbhid",
					.interfaces = {{3, 0, 0}, {3, 0, 1}}});
	fake_file("/dev/bus/usb/003/007", "");
	check("3-2");
	assert_int_equal(count, 1);
	finds("driver", false, "driver usbhid has it", "");
}

static void claim(const char *comm)
{
	fake_plug(&(struct fake_device){.name = "3-2", .number = 7, .driver = "usbfs"});
	fake_file("/dev/bus/usb/003/007", "");
	if (!comm)
		return;
	fake_link("/proc/41/fd/3", "/dev/bus/usb/003/008");
	fake_file("/proc/41/comm", "other\n");
	fake_link("/proc/42/fd/9", "/dev/bus/usb/003/007");
	fake_file("/proc/42/comm", comm);
}

static void test_programs(void **state)
{
	(void)state;
	claim(NULL);
	check("3-2");
	finds("busy", true, "a program on the host has it",
	      "sudo lsof /dev/bus/usb/003/007");
	claim("scanner\x1b\n");
	check("3-2");
	assert_int_equal(count, 1);
	finds("busy", true, "the program scanner? (pid 42) has it", "sudo kill 42");
	claim("pcscd\n");
	check("3-2");
	finds("busy", true, "pcscd", "sudo systemctl stop pcscd.socket pcscd");
	claim("usbvfiod\n");
	check("3-2");
	finds("busy", false, "it is attached", "usbvfioctl detach 3:7");
}

static void plug_disk(void)
{
	char path[512];

	fake_plug(&(struct fake_device){
		.name = "3-2", .number = 7, .interfaces = {{8, 6, 80}}});
	fake_file("/dev/bus/usb/003/007", "");
	(void)snprintf(path, sizeof(path),
		       "/sys%s/3-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb/dev",
		       fake_place("3-2"));
	fake_file(path, "8:16\n");
}

static void test_disks(void **state)
{
	(void)state;
	plug_disk();
	fake_file("/proc/self/mountinfo", "36 35 8:16 / /mnt rw - ext4 /dev/sdb rw\n");
	check("3-2");
	assert_int_equal(count, 1);
	finds("refused", true, "mounted on /mnt", "sudo umount /dev/sdb");
	fake_file("/proc/self/mountinfo", "");
	fake_file("/proc/swaps", "Filename\n/dev/sdb partition 8388604 0 -2\n");
	check("3-2");
	finds("refused", true, "swaps on", "sudo swapoff /dev/sdb");
	fake_file("/proc/swaps", "");
	check("3-2");
	assert_int_equal(count, 0);
}

static void test_only_keyboard(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){
		.name = "3-2", .number = 7, .interfaces = {{3, 1, 1}}});
	fake_file("/dev/bus/usb/003/007", "");
	fake_file("/proc/bus/input/devices", "");
	check("3-2");
	finds("refused", true, "only keyboard", "attach --force /dev/bus/usb/003/007");
}

static void test_autosuspend(void **state)
{
	(void)state;
	plug_healthy();
	text_attribute("power/control", "auto\n");
	check("3-2");
	assert_int_equal(count, 1);
	finds("autosuspend", true, "suspends",
	      "echo on | sudo tee /sys/bus/usb/devices/3-2/power/control");
}

static void test_speed(void **state)
{
	/* header; USB 2.0 extension; super speed */
	static const uint8_t bos[] = {5, 15, 22, 0, 2, 7, 16, 2, 0, 0, 0,
				      0, 10, 16, 3, 0, 8, 0,  1, 0, 0, 0};

	(void)state;
	plug_healthy();
	text_attribute("version", " 3.20\n");
	check("3-2");
	assert_int_equal(count, 1);
	finds("speed", true, "USB 3, and runs at 480 Mbit/s", "socket of USB 3");
	text_attribute("version", " 2.10\n");
	check("3-2");
	assert_int_equal(count, 0);
	attribute("bos_descriptors", bos, sizeof(bos));
	check("3-2");
	finds("speed", true, "runs at 480", "");
	/* cut, and of no length */
	attribute("bos_descriptors", bos, 13);
	check("3-2");
	assert_int_equal(count, 0);
	attribute("bos_descriptors", "\x05\x0f\x16\x00\x02\x00\x10\x03\x00", 9);
	check("3-2");
	assert_int_equal(count, 0);
	attribute("bos_descriptors", bos, sizeof(bos));
	text_attribute("speed", "5000\n");
	check("3-2");
	assert_int_equal(count, 0);
}

static void test_usbfs_memory(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
	} values[] = {{"16\n", 1}, {"0\n", 0}, {"63\n", 1}, {"64\n", 0}, {"x\n", 0}};

	(void)state;
	doctor_check_host(doctor());
	assert_int_equal(count, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		fake_file("/sys/module/usbcore/parameters/usbfs_memory_mb",
			  values[i].text);
		doctor_check_host(doctor());
		assert_int_equal(count, values[i].count);
	}
	fake_file("/sys/module/usbcore/parameters/usbfs_memory_mb", "16\n");
	doctor_check_host(doctor());
	finds("usbfs-memory", true, "usbfs_memory_mb is 16",
	      "echo 256 | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb");
}

static void test_names(void **state)
{
	struct hostdev_list list;

	(void)state;
	fake_plug(&(struct fake_device){.name = "3-2", .number = 7});
	fake_plug(&(struct fake_device){.name = "3-2.1", .number = 8});
	assert_int_equal(hostdev_list_read(fake_root(), &list), 0);
	assert_int_equal(doctor_find(&list, "3-2.1")->number, 8);
	assert_int_equal(doctor_find(&list, "3:7")->number, 7);
	assert_int_equal(doctor_find(&list, "003:008")->number, 8);
	assert_int_equal(doctor_find(&list, "/dev/bus/usb/003/007")->number, 7);
	assert_null(doctor_find(&list, "3:9"));
	assert_null(doctor_find(&list, "3-3"));
	assert_null(doctor_find(&list, "3:7x"));
	assert_null(doctor_find(&list, "/dev/bus/usb/003/"));
	assert_null(doctor_find(&list, "4294967299:7"));
	assert_null(doctor_find(&list, ""));
	hostdev_list_finish(&list);
}

/* --- sockets --- */

static const char *path_of(const char *name)
{
	static char path[108];

	(void)snprintf(path, sizeof(path), "%s/run/%s", fake_root(), name);
	return path;
}

static int bound(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fake_folder("/run");
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of(name));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void test_socket_troubles(void **state)
{
	(void)state;
	doctor_check_socket(doctor(), path_of("a.sock"));
	finds("socket", true, "there is no control socket",
	      "usbvfiod --hotplug-socket-path ");
	(void)close(bound("a.sock"));
	doctor_check_socket(doctor(), path_of("a.sock"));
	assert_int_equal(count, 1);
	finds("socket", true, "belongs to a daemon that has ended", "rm /");
	fake_file("/run/b.sock", "");
	doctor_check_socket(doctor(), path_of("b.sock"));
	finds("socket", true, "is no control socket", "");
}

static void test_socket_not_permitted(void **state)
{
	int fd;
	bool root = geteuid() == 0;
	const struct doctor *one = doctor();

	(void)state;
	fd = bound("a.sock");
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chmod(fake_root(), 0755), 0);
	assert_int_equal(chmod(path_of("a.sock"), 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	doctor_check_socket(one, path_of("a.sock"));
	if (root)
		assert_int_equal(seteuid(0), 0);
	finds("socket", true, "may not be used by uid", "sudo setfacl -m u:");
	(void)close(fd);
}

static void test_who_hangs_up(void **state)
{
	int fd = bound("a.sock");

	(void)state;
	/* it cannot be a daemon: it is closed before it answers */
	assert_int_equal(listen(fd, 8), 0);
	if (fork() == 0) {
		for (int i = 0; i < 2; i++)
			(void)close(accept(fd, NULL, NULL));
		_exit(0);
	}
	doctor_check_socket(doctor(), path_of("a.sock"));
	finds("socket", true, "does not answer as usbvfiod", "lsof");
	(void)wait(NULL);
	(void)close(fd);
}

static void test_folders(void **state)
{
	char run[108];
	const char *folders[2] = {NULL, run};

	(void)state;
	(void)snprintf(run, sizeof(run), "%s", path_of(""));
	doctor_check_folders(doctor(), folders, 2);
	assert_int_equal(count, 1);
	finds("socket", true, "no daemon", "usbvfiod --hotplug-socket-path ");
	(void)close(bound("vm.vfio.sock"));
	fake_file("/run/c.sock", "");
	doctor_check_folders(doctor(), folders, 2);
	finds("socket", true, "no daemon", "");
	(void)close(bound("a.sock"));
	doctor_check_folders(doctor(), folders, 2);
	assert_int_equal(count, 1);
	finds("socket", true, "a.sock belongs to a daemon that has ended", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_healthy, empty),
		cmocka_unit_test_setup(test_no_node, empty),
		cmocka_unit_test_setup(test_not_permitted, empty),
		cmocka_unit_test_setup(test_permitted_to_a_group, empty),
		cmocka_unit_test_setup(test_kernel_driver_is_a_note, empty),
		cmocka_unit_test_setup(test_programs, empty),
		cmocka_unit_test_setup(test_disks, empty),
		cmocka_unit_test_setup(test_only_keyboard, empty),
		cmocka_unit_test_setup(test_autosuspend, empty),
		cmocka_unit_test_setup(test_speed, empty),
		cmocka_unit_test_setup(test_usbfs_memory, empty),
		cmocka_unit_test_setup(test_names, empty),
		cmocka_unit_test_setup(test_socket_troubles, empty),
		cmocka_unit_test_setup(test_socket_not_permitted, empty),
		cmocka_unit_test_setup(test_who_hangs_up, empty),
		cmocka_unit_test_setup(test_folders, empty),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
