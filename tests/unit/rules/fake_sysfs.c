/* SPDX-License-Identifier: MIT
 * fake_sysfs.c - a fake /sys and /proc in a folder of the test
 */
#include "fake_sysfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_BYTES 512

static char root[64];

const char *fake_root(void)
{
	if (root[0] == '\0') {
		/* in memory, because there are thousands of files and a disk may be busy */
		(void)snprintf(root, sizeof(root), "/dev/shm/rules-test-XXXXXX");
		if (mkdtemp(root))
			return root;
		(void)snprintf(root, sizeof(root), "/tmp/rules-test-XXXXXX");
		assert_non_null(mkdtemp(root));
	}
	return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fake_finish(void)
{
	if (root[0] != '\0')
		remove_tree(root);
	root[0] = '\0';
}

void fake_clear(void)
{
	fake_finish();
	(void)fake_root();
}

static void full(const char *path, char to[PATH_MAX])
{
	assert_true(snprintf(to, PATH_MAX, "%s%s", fake_root(), path) < PATH_MAX);
}

/* Makes the folders above @path. */
static void make_way(const char *path)
{
	char way[PATH_MAX];

	(void)snprintf(way, sizeof(way), "%s", path);
	for (char *at = strchr(way + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		(void)mkdir(way, 0755);
		*at = '/';
	}
}

void fake_bytes(const char *path, const void *bytes, size_t len)
{
	char name[PATH_MAX];
	FILE *file;

	full(path, name);
	make_way(name);
	file = fopen(name, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

void fake_file(const char *path, const char *text)
{
	fake_bytes(path, text, strlen(text));
}

void fake_folder(const char *path)
{
	char name[PATH_MAX];

	full(path, name);
	make_way(name);
	(void)mkdir(name, 0755);
}

void fake_link(const char *path, const char *target)
{
	char name[PATH_MAX];

	full(path, name);
	make_way(name);
	(void)unlink(name);
	assert_int_equal(symlink(target, name), 0);
}

void fake_remove(const char *path)
{
	char name[PATH_MAX];

	full(path, name);
	remove_tree(name);
}

const char *fake_place(const char *name)
{
	static char places[4][HOSTDEV_PLACE_BYTES];
	static unsigned next;
	char *place = places[next++ % 4];
	const char *end = name;
	int len;

	len = snprintf(place, HOSTDEV_PLACE_BYTES, FAKE_CONTROLLER "/usb%d", atoi(name));
	while (*end != '\0') {
		end = strchrnul(end + 1, '.');
		len += snprintf(place + len, HOSTDEV_PLACE_BYTES - (size_t)len, "/%.*s",
				(int)(end - name), name);
	}
	return place;
}

__attribute__((format(printf, 3, 4))) static void attribute(const char *folder,
							    const char *name,
							    const char *format, ...)
{
	char path[PATH_MAX];
	char text[1024];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fake_file(path, text);
}

static void plug_interfaces(const struct fake_device *dev,
			    const char folder[FOLDER_BYTES])
{
	static const struct fake_interface usual[2] = {{0xff, 0, 0}};
	const struct fake_interface *at =
		dev->interfaces[0].class_code ? dev->interfaces : usual;
	uint8_t descriptors[18 + 9 + 8 * 9] = {18, 1};
	size_t len = 18;
	char path[PATH_MAX];

	memcpy(descriptors + len, (uint8_t[]){9, 2}, 2);
	len += 9;
	for (unsigned i = 0; i < 8 && at[i].class_code; i++, len += 9) {
		const uint8_t descriptor[9] = {9,
					       4,
					       (uint8_t)i,
					       0,
					       0,
					       at[i].class_code,
					       at[i].subclass,
					       at[i].protocol};

		memcpy(descriptors + len, descriptor, 9);
		if (dev->unconfigured)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s:1.%u", folder, dev->name, i);
		attribute(path, "bInterfaceNumber", "%02x\n", i);
		attribute(path, "bInterfaceClass", "%02x\n", at[i].class_code);
		attribute(path, "bInterfaceSubClass", "%02x\n", at[i].subclass);
		attribute(path, "bInterfaceProtocol", "%02x\n", at[i].protocol);
		if (dev->driver) {
			char target[128];

			(void)snprintf(target, sizeof(target),
				       "../../../../../bus/usb/drivers/%s", dev->driver);
			(void)snprintf(path, sizeof(path), "%s/%s:1.%u/driver", folder,
				       dev->name, i);
			fake_link(path, target);
		}
	}
	(void)snprintf(path, sizeof(path), "%s/descriptors", folder);
	fake_bytes(path, descriptors, len);
}

void fake_plug(const struct fake_device *dev)
{
	char folder[FOLDER_BYTES];
	char path[PATH_MAX];
	char target[PATH_MAX];

	(void)snprintf(folder, sizeof(folder), "/sys%s", fake_place(dev->name));
	fake_remove(folder);
	attribute(folder, "busnum", "%d\n", atoi(dev->name));
	attribute(folder, "devnum", "%u\n", dev->number);
	attribute(folder, "idVendor", "%04x\n", dev->vendor ? dev->vendor : 0x1050);
	attribute(folder, "idProduct", "%04x\n",
		  dev->product_id ? dev->product_id : 0x0407);
	attribute(folder, "bcdDevice", "0543\n");
	attribute(folder, "bDeviceClass", "%02x\n", dev->device_class);
	attribute(folder, "speed", "%s\n", dev->speed ? dev->speed : "480");
	attribute(folder, "removable", "removable\n");
	if (dev->serial)
		attribute(folder, "serial", "%s\n", dev->serial);
	if (dev->product)
		attribute(folder, "product", "%s\n", dev->product);
	if (dev->manufacturer)
		attribute(folder, "manufacturer", "%s\n", dev->manufacturer);
	plug_interfaces(dev, folder);
	(void)snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s", dev->name);
	(void)snprintf(target, sizeof(target), "../../..%s", fake_place(dev->name));
	fake_link(path, target);
}

void fake_unplug(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/sys%s", fake_place(name));
	fake_remove(path);
	(void)snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s", name);
	fake_remove(path);
}

/* The port of a device, such as "usb1-port2" or "1-2-port3", and the port's folder. */
static void port_of(const char *name, char port[64], char folder[FOLDER_BYTES])
{
	const char *dot = strrchr(name, '.');
	const char *place = fake_place(name);
	int len = (int)(strrchr(place, '/') - place);
	int hub_len = (int)((dot ? dot : strchr(name, '-')) - name);

	if (dot)
		(void)snprintf(port, 64, "%.*s-port%s", hub_len, name, dot + 1);
	else
		(void)snprintf(port, 64, "usb%.*s-port%s", hub_len, name,
			       strchr(name, '-') + 1);
	(void)snprintf(folder, FOLDER_BYTES, "/sys%.*s/%.*s%s:1.0", len, place, hub_len,
		       name, dot ? "" : "-0");
}

static void peer(const char *name, const char *other)
{
	char port[64], other_port[64];
	char folder[FOLDER_BYTES], other_folder[FOLDER_BYTES];
	char path[PATH_MAX];
	char target[PATH_MAX];

	port_of(name, port, folder);
	port_of(other, other_port, other_folder);
	(void)snprintf(path, sizeof(path), "%s/%s/peer", folder, port);
	(void)snprintf(target, sizeof(target), "../../../../../../..%s/%s", other_folder,
		       other_port);
	fake_link(path, target);
}

void fake_peers(const char *port, const char *other)
{
	peer(port, other);
	peer(other, port);
}
