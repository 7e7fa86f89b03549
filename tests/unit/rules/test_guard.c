/* SPDX-License-Identifier: MIT
 * test_guard.c - tests of src/rules/guard.c
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

#include "fake_sysfs.h"
#include "rules/guard.h"
#include "rules/hostdev.h"

#define DISK "/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb"

static struct err err;

static int check(const char *name)
{
	struct hostdev dev;

	memset(&err, 0, sizeof(err));
	assert_int_equal(hostdev_read(fake_root(), fake_place(name), &dev), 0);
	return guard_check(fake_root(), &dev, &err);
}

static void refused(const char *name, const char *why)
{
	assert_int_equal(check(name), -EPERM);
	assert_int_equal(err.code, EPERM);
	if (!strstr(err.text, why) || !strstr(err.text, "\"force\""))
		fail_msg("\"%s\", not \"%s\"", err.text, why);
}

static void allowed(const char *name)
{
	if (check(name) != 0)
		fail_msg("%s", err.text);
}

static void mounts(const char *lines)
{
	fake_file("/proc/self/mountinfo", lines);
}

/* A disk with two partitions, and one of another device. */
static void plug_disk(void)
{
	char path[512];

	fake_plug(&(struct fake_device){
		.name = "1-2", .number = 5, .interfaces = {{8, 6, 80}}});
	(void)snprintf(path, sizeof(path), "/sys%s" DISK "/dev", fake_place("1-2"));
	fake_file(path, "8:16\n");
	(void)snprintf(path, sizeof(path), "/sys%s" DISK "/sdb1/dev", fake_place("1-2"));
	fake_file(path, "8:17\n");
	(void)snprintf(path, sizeof(path), "/sys%s" DISK "/sdb2/dev", fake_place("1-2"));
	fake_file(path, "8:18\n");
	(void)snprintf(path, sizeof(path), "/sys%s" DISK "/queue/depth",
		       fake_place("1-2"));
	fake_file(path, "1\n");
	fake_file("/sys/class/block/sdb/dev", "8:16\n");
	fake_file("/sys/class/block/sdb1/dev", "8:17\n");
	fake_file("/sys/class/block/sdb2/dev", "8:18\n");
	fake_file("/sys/class/block/sda1/dev", "8:1\n");
	mounts("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
}

static int setup(void **state)
{
	(void)state;
	fake_clear();
	plug_disk();
	return 0;
}

static void test_not_in_use(void **state)
{
	(void)state;
	allowed("1-2");
	fake_file("/proc/swaps", "Filename Type Size Used Priority\n"
				 "/dev/sda3                partition 8 0 -2\n");
	allowed("1-2");
	mounts("");
	allowed("1-2");
	mounts("nonsense\n\n - \n1 2 3 4 5 6 - a\n1 2 3 4 5 - - - - -\n");
	allowed("1-2");
}

static void test_mounted(void **state)
{
	char path[256];

	(void)state;
	mounts("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	       "90 22 8:17 / /mnt/my\\040stick rw,noatime master:1 - vfat /dev/x rw\n");
	refused("1-2", "sdb1 mounted on /mnt/my stick");
	mounts("90 22 8:16 / /mnt rw - vfat whatever rw\n");
	refused("1-2", "sdb mounted on /mnt");
	/* a name as the kernel writes it, of a disk whose number is not the mount's */
	(void)snprintf(path, sizeof(path), "/sys%s" DISK "/sd b 4/dev",
		       fake_place("1-2"));
	fake_file(path, "8:20\n");
	mounts("90 22 0:45 / /mnt rw - fuse /dev/sd\\040b\\0404 rw\n");
	refused("1-2", "sd b 4 mounted on /mnt");
	mounts("90 22 0:45 / /mnt rw - fuse /dev/sd\\04b\\0404 rw\n");
	allowed("1-2");
	/* btrfs has numbers of its own */
	mounts("90 22 0:45 /sub /mnt rw - btrfs /dev/sdb2 rw\n");
	refused("1-2", "sdb2 mounted on /mnt");
	mounts("90 22 8:1 / /mnt rw - vfat x rw\n"); /* not 8:16 */
	allowed("1-2");
	/* init's mounts count too */
	fake_file("/proc/1/mountinfo", "90 22 8:18 / /x rw - ext4 /dev/x rw");
	refused("1-2", "sdb2 mounted on /x");
}

static void test_long_line(void **state)
{
	static char lines[40000];
	int len = sprintf(lines, "90 22 0:1 / /m rw - overlay overlay rw,lowerdir=");

	(void)state;
	memset(lines + len, 'x', 30000);
	strcpy(lines + len + 30000, "\n91 22 8:17 / /mnt rw - vfat x rw\n");
	mounts(lines);
	refused("1-2", "sdb1 mounted on /mnt");
}

static void test_mounts_unknown(void **state)
{
	(void)state;
	fake_remove("/proc");
	refused("1-2", "mountinfo, which says what the host has mounted, cannot be read");
	/* no disk, no matter */
	fake_plug(&(struct fake_device){.name = "1-3", .number = 6});
	allowed("1-3");
}

static void test_swap(void **state)
{
	(void)state;
	fake_file("/proc/swaps", "Filename Type Size Used Priority\n"
				 "/dev/sdb2                partition 8 0 -2\n");
	refused("1-2", "swapoff /dev/sdb2");
}

static void holder(const char *of, const char *name, const char *number)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "/sys/class/block/%s/holders/%s", of, name);
	fake_link(path, "../../../nowhere");
	(void)snprintf(path, sizeof(path), "/sys/class/block/%s/dev", name);
	fake_file(path, number);
}

/* A partition, RAID on it, encryption on that, LVM in it. */
static void test_holders(void **state)
{
	(void)state;
	holder("sdb1", "md0", "9:0\n");
	holder("md0", "dm-0", "253:0\n");
	holder("dm-0", "dm-1", "253:1\n");
	allowed("1-2");
	mounts("90 22 253:1 / /srv rw - xfs /dev/mapper/vg-srv rw\n");
	refused("1-2", "dm-1 mounted on /srv");
	mounts("");
	fake_file("/proc/swaps", "x\n/dev/dm-1 partition 8 0 -2\n");
	refused("1-2", "swapoff /dev/dm-1");
}

static void test_holders_in_a_circle(void **state)
{
	(void)state;
	holder("sdb", "dm-0", "253:0\n");
	holder("dm-0", "dm-1", "253:1\n");
	holder("dm-1", "dm-0", "253:0\n");
	holder("dm-1", "sdb", "8:16\n");
	allowed("1-2");
}

static void test_too_many(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "dm-%u", i);
		holder("sdb1", name, "253:0\n");
	}
	refused("1-2", "too many disks");
}

static void test_deep_and_circular_folders(void **state)
{
	char path[1024];
	int len;

	(void)state;
	(void)snprintf(path, sizeof(path), "/sys%s/1-2:1.0/subsystem", fake_place("1-2"));
	fake_link(path, "..");
	allowed("1-2");
	len = snprintf(path, sizeof(path), "/sys%s", fake_place("1-2"));
	for (unsigned i = 0; i < 40; i++)
		len += snprintf(path + len, sizeof(path) - (size_t)len, "/d");
	fake_folder(path);
	refused("1-2", "too many disks");
}

static void test_btrfs(void **state)
{
	(void)state;
	fake_link("/sys/fs/btrfs/0b0b-1/devices/sda1", "nowhere");
	fake_file("/sys/fs/btrfs/features/x", "");
	allowed("1-2");
	fake_link("/sys/fs/btrfs/0b0b-1/devices/sdb2", "nowhere");
	refused("1-2", "sdb2 is part of a btrfs");
}

static void test_hub(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-4", .number = 9, .device_class = 9});
	refused("1-4", "a hub");
	fake_plug(&(struct fake_device){
		.name = "1-4", .number = 9, .interfaces = {{9, 0, 0}}});
	refused("1-4", "a hub");
}

#define LETTERS "B: KEY=10000 fffffffffffffffe\n"
#define POWER                                       \
	"I: Bus=0019\nS: Sysfs=/devices/LNXPWRBN\n" \
	"H: Handlers=kbd event0\nB: KEY=10000000000000 0\n\n"

static void test_keyboard(void **state)
{
	char text[1024];

	(void)state;
	fake_plug(&(struct fake_device){
		.name = "1-4", .number = 9, .interfaces = {{3, 1, 1}}});
	/* no input devices at all */
	allowed("1-4");
	(void)snprintf(text, sizeof(text),
		       POWER
		       "I: Bus=0003\nS: Sysfs=%s/1-4:1.0/0003/input/input5\n" LETTERS,
		       fake_place("1-4"));
	fake_file("/proc/bus/input/devices", text);
	refused("1-4", "only keyboard");
	fake_file("/proc/bus/input/devices", "");
	refused("1-4", "only keyboard");
	/* a mouse may go */
	fake_plug(&(struct fake_device){
		.name = "1-5", .number = 10, .interfaces = {{3, 1, 2}}});
	allowed("1-5");
	/* one at the port 1-40 is another */
	(void)snprintf(text, sizeof(text),
		       POWER "I: Bus=0003\nS: Sysfs=%s0/1-40:1.0/input/input5\n" LETTERS,
		       fake_place("1-4"));
	fake_file("/proc/bus/input/devices", text);
	allowed("1-4");
	fake_file("/proc/bus/input/devices",
		  POWER "I: Bus=0011\nS: Sysfs=/devices/platform/i8042/serio0\n" LETTERS);
	allowed("1-4");
	/* a device without a place is not part of the one before */
	(void)snprintf(text, sizeof(text),
		       "I: Bus=0003\nS: Sysfs=%s/1-4:1.0/0003/input/input5\n" LETTERS
		       "\nI: Bus=0011\n" LETTERS,
		       fake_place("1-4"));
	fake_file("/proc/bus/input/devices", text);
	allowed("1-4");
	fake_remove("/proc/bus/input/devices");
	fake_link("/proc/bus/input/devices", "devices");
	refused("1-4", "whether the host has another is unknown");
}

static void test_claimed(void **state)
{
	(void)state;
	fake_plug(&(struct fake_device){.name = "1-4", .number = 9, .driver = "usbfs"});
	assert_int_equal(check("1-4"), -EBUSY);
	assert_int_equal(err.code, EBUSY);
	assert_non_null(strstr(err.text, "/dev/bus/usb/001/009"));
	assert_non_null(strstr(err.text, "force"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_not_in_use, setup),
		cmocka_unit_test_setup(test_mounted, setup),
		cmocka_unit_test_setup(test_long_line, setup),
		cmocka_unit_test_setup(test_mounts_unknown, setup),
		cmocka_unit_test_setup(test_swap, setup),
		cmocka_unit_test_setup(test_holders, setup),
		cmocka_unit_test_setup(test_holders_in_a_circle, setup),
		cmocka_unit_test_setup(test_too_many, setup),
		cmocka_unit_test_setup(test_deep_and_circular_folders, setup),
		cmocka_unit_test_setup(test_btrfs, setup),
		cmocka_unit_test_setup(test_hub, setup),
		cmocka_unit_test_setup(test_keyboard, setup),
		cmocka_unit_test_setup(test_claimed, setup),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	fake_finish();
	return r;
}
