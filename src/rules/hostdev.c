/* SPDX-License-Identifier: MIT
 * hostdev.c - USB devices of the host, from sysfs
 */
#include "rules/hostdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/sysfs.h"

/* The device descriptor and eight configurations, the most the kernel takes. */
#define DESCRIPTORS_BYTES_MAX (18u + 8u * 65535u)
#define ENTRIES_MAX           8192u
#define DEPTH_MAX             8u
#define NUMBER_MAX            999u

#define DESCRIPTOR_INTERFACE       4u
#define DESCRIPTOR_INTERFACE_BYTES 9u

/* --- names --- */

/* "1-2.3": numbers, with '-' after the first and '.' between the others. */
static bool is_name(const char *name)
{
	size_t digits = 0;
	unsigned stops = 0;

	for (const char *at = name;; at++) {
		if (*at >= '0' && *at <= '9') {
			if (++digits > 3)
				return false;
			continue;
		}
		if (digits == 0)
			return false;
		if (*at == '\0')
			return stops > 0 && at < name + HOSTDEV_NAME_BYTES;
		if (*at != (stops == 0 ? '-' : '.') || ++stops > DEPTH_MAX)
			return false;
		digits = 0;
	}
}

/* Compares names as sequences of numbers. */
static int order_names(const char *a, const char *b)
{
	for (;;) {
		char *a_end;
		char *b_end;
		unsigned long a_number = strtoul(a, &a_end, 10);
		unsigned long b_number = strtoul(b, &b_end, 10);

		if (a_number != b_number)
			return a_number < b_number ? -1 : 1;
		if (*a_end == '\0' || *b_end == '\0')
			return (*a_end != '\0') - (*b_end != '\0');
		a = a_end + 1;
		b = b_end + 1;
	}
}

int hostdev_order(const struct hostdev *a, const struct hostdev *b)
{
	int order = order_names(a->socket, b->socket);

	return order != 0 ? order : order_names(a->name, b->name);
}

/* --- sockets --- */

/* From the name of a port in sysfs: "usb2-port3" is "2-3", "2-3-port4" is "2-3.4". */
static int port_to_name(const char *port, char ret_name[HOSTDEV_NAME_BYTES])
{
	static const char word[] = "-port";
	const char *at = strstr(port, word);
	bool root = strncmp(port, "usb", 3) == 0;
	char name[HOSTDEV_NAME_BYTES * 2];

	if (!at || strlen(port) >= HOSTDEV_NAME_BYTES)
		return -EINVAL;
	if (root)
		port += 3;
	(void)snprintf(name, sizeof(name), "%.*s%c%s", (int)(at - port), port,
		       root ? '-' : '.', at + strlen(word));
	if (!is_name(name))
		return -EINVAL;
	memcpy(ret_name, name, strlen(name) + 1);
	return 0;
}

/* The other half of the port in @hub_folder that the device @name is plugged into. */
static int find_peer(const char *hub_folder, const char *name,
		     char ret_peer[HOSTDEV_NAME_BYTES])
{
	const char *dot = strrchr(name, '.');
	const char *dash = strchr(name, '-');
	char port[HOSTDEV_NAME_BYTES * 4];
	char peer[HOSTDEV_NAME_BYTES * 2];
	int r;

	if (dot)
		(void)snprintf(port, sizeof(port), "%.*s:1.0/%.*s-port%s/peer",
			       (int)(dot - name), name, (int)(dot - name), name, dot + 1);
	else
		(void)snprintf(port, sizeof(port), "%.*s-0:1.0/usb%.*s-port%s/peer",
			       (int)(dash - name), name, (int)(dash - name), name,
			       dash + 1);
	r = sysfs_link(hub_folder, port, peer, sizeof(peer));
	return r < 0 ? r : port_to_name(peer, ret_peer);
}

/* A hub has two halves too. If the port itself has no peer, perhaps because only one
 * half of its hub is there, the hub's socket may have one, and so on. */
static void find_twin(struct hostdev *dev, const char *folder)
{
	char hub_folder[PATH_MAX];
	char name[HOSTDEV_NAME_BYTES];
	char peer[HOSTDEV_NAME_BYTES];
	char twin[HOSTDEV_NAME_BYTES * 2];
	char *end;

	(void)snprintf(hub_folder, sizeof(hub_folder), "%s", folder);
	memcpy(name, dev->name, sizeof(name));
	for (;;) {
		end = strrchr(hub_folder, '/');
		if (!end)
			return;
		*end = '\0';
		if (find_peer(hub_folder, name, peer) == 0)
			break;
		end = strrchr(name, '.');
		if (!end)
			return;
		*end = '\0';
	}
	(void)snprintf(twin, sizeof(twin), "%s%s", peer, dev->name + strlen(name));
	if (is_name(twin) && strcmp(twin, dev->name) != 0)
		memcpy(dev->twin, twin, sizeof(dev->twin));
}

static void find_socket(struct hostdev *dev, const char *folder)
{
	find_twin(dev, folder);
	if (dev->twin[0] != '\0' && order_names(dev->twin, dev->name) < 0)
		memcpy(dev->socket, dev->twin, sizeof(dev->socket));
	else
		memcpy(dev->socket, dev->name, sizeof(dev->socket));
}

/* --- interfaces --- */

static void add_class(struct hostdev *dev, unsigned class_code)
{
	dev->classes[class_code / 32 % 8] |= 1u << (class_code % 32);
}

bool hostdev_has_class(const struct hostdev *dev, unsigned class_code)
{
	return (dev->classes[class_code / 32 % 8] & 1u << (class_code % 32)) != 0;
}

/* The interface's entry, new or old; NULL if there are too many. */
static struct hostdev_interface *add_interface(struct hostdev *dev, unsigned number,
					       unsigned class_code, unsigned subclass,
					       unsigned protocol)
{
	struct hostdev_interface *found;

	add_class(dev, class_code);
	if (class_code == USB_CLASS_OF_HID && subclass == 1 && protocol == 1)
		dev->boot_keyboard = true;
	for (unsigned i = 0; i < dev->interface_count; i++) {
		found = &dev->interfaces[i];
		if (found->number == number && found->class_code == class_code &&
		    found->subclass == subclass && found->protocol == protocol)
			return found;
	}
	if (dev->interface_count == HOSTDEV_INTERFACES_MAX)
		return NULL;
	found = &dev->interfaces[dev->interface_count++];
	*found = (struct hostdev_interface){
		.number = (uint8_t)number,
		.class_code = (uint8_t)class_code,
		.subclass = (uint8_t)subclass,
		.protocol = (uint8_t)protocol,
	};
	return found;
}

/* A length that is too small ends it: the kernel cuts the configurations at the first byte
 * it does not understand. */
static void parse_descriptors(struct hostdev *dev, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (len - at >= 2 && bytes[at] >= 2 && bytes[at] <= len - at) {
		if (bytes[at + 1] == DESCRIPTOR_INTERFACE &&
		    bytes[at] >= DESCRIPTOR_INTERFACE_BYTES)
			(void)add_interface(dev, bytes[at + 2], bytes[at + 5],
					    bytes[at + 6], bytes[at + 7]);
		at += bytes[at];
	}
}

static int read_descriptors(struct hostdev *dev, const char *folder)
{
	_cleanup_free_ uint8_t *bytes = malloc(DESCRIPTORS_BYTES_MAX);
	ssize_t len;

	if (!bytes)
		return -ENOMEM;
	len = sysfs_bytes(folder, "descriptors", bytes, DESCRIPTORS_BYTES_MAX);
	if (len > 0)
		parse_descriptors(dev, bytes, (size_t)len);
	return 0;
}

/* @folder: of an interface of the present configuration. */
static void read_interface(struct hostdev *dev, const char *folder)
{
	char driver[HOSTDEV_DRIVER_BYTES] = "";
	struct hostdev_interface *interface;
	unsigned number;
	unsigned class_code;
	unsigned subclass = 0;
	unsigned protocol = 0;

	(void)sysfs_link(folder, "driver", driver, sizeof(driver));
	if (strcmp(driver, "usbfs") == 0)
		dev->claimed = true;
	if (sysfs_number(folder, "bInterfaceNumber", 16, 0xff, &number) < 0 ||
	    sysfs_number(folder, "bInterfaceClass", 16, 0xff, &class_code) < 0)
		return;
	(void)sysfs_number(folder, "bInterfaceSubClass", 16, 0xff, &subclass);
	(void)sysfs_number(folder, "bInterfaceProtocol", 16, 0xff, &protocol);
	interface = add_interface(dev, number, class_code, subclass, protocol);
	if (interface)
		memcpy(interface->driver, driver, sizeof(driver));
}

static void read_interfaces(struct hostdev *dev, const char *folder)
{
	size_t len = strlen(dev->name);
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	unsigned left = ENTRIES_MAX;

	if (!dir)
		return;
	/* readdir() is safe: no other thread has this stream */
	while (left-- > 0 && (entry = readdir(dir)) != NULL) { /* NOLINT */
		char path[PATH_MAX];

		if (strncmp(entry->d_name, dev->name, len) != 0 ||
		    entry->d_name[len] != ':')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) <
		    (int)sizeof(path))
			read_interface(dev, path);
	}
	(void)closedir(dir);
}

/* --- devices --- */

static unsigned read_speed(const char *folder)
{
	char text[16];

	/* "1.5" is the only one with a fraction */
	if (sysfs_line(folder, "speed", text, sizeof(text)) < 0 || text[0] < '0' ||
	    text[0] > '9')
		return 0;
	return (unsigned)strtoul(text, NULL, 10);
}

static int read_ids(struct hostdev *dev, const char *folder)
{
	unsigned vendor;
	unsigned product;
	unsigned release = 0;
	unsigned class_code = 0;

	if (sysfs_number(folder, "busnum", 10, NUMBER_MAX, &dev->bus) < 0 ||
	    sysfs_number(folder, "devnum", 10, NUMBER_MAX, &dev->number) < 0 ||
	    sysfs_number(folder, "idVendor", 16, 0xffff, &vendor) < 0 ||
	    sysfs_number(folder, "idProduct", 16, 0xffff, &product) < 0 ||
	    dev->bus == 0 || dev->number == 0)
		return -ENOENT;
	(void)sysfs_number(folder, "bcdDevice", 16, 0xffff, &release);
	(void)sysfs_number(folder, "bDeviceClass", 16, 0xff, &class_code);
	dev->vendor = (uint16_t)vendor;
	dev->product_id = (uint16_t)product;
	dev->release = (uint16_t)release;
	dev->device_class = (uint8_t)class_code;
	if (class_code != 0)
		add_class(dev, class_code);
	return 0;
}

static bool is_place(const char *place)
{
	return strncmp(place, "/devices/", 9) == 0 && !strstr(place, "/../") &&
	       strlen(place) < HOSTDEV_PLACE_BYTES;
}

int hostdev_read(const char *root, const char *place, struct hostdev *ret_dev)
{
	struct hostdev dev = {0};
	char folder[PATH_MAX];
	const char *name = strrchr(place, '/');
	int r;

	if (!is_place(place) || !is_name(name + 1) ||
	    snprintf(folder, sizeof(folder), "%s/sys%s", root, place) >=
		    (int)sizeof(folder))
		return -ENOENT;
	memcpy(dev.place, place, strlen(place) + 1);
	memcpy(dev.name, name + 1, strlen(name + 1) + 1);
	r = read_ids(&dev, folder);
	if (r == 0)
		r = read_descriptors(&dev, folder);
	if (r < 0)
		return r;
	read_interfaces(&dev, folder);
	dev.speed_mbit = read_speed(folder);
	(void)sysfs_line(folder, "removable", dev.removable, sizeof(dev.removable));
	find_socket(&dev, folder);
	/* these wait while the kernel resets or probes the device */
	(void)sysfs_line(folder, "serial", dev.serial, sizeof(dev.serial));
	(void)sysfs_line(folder, "product", dev.product, sizeof(dev.product));
	(void)sysfs_line(folder, "manufacturer", dev.manufacturer,
			 sizeof(dev.manufacturer));
	*ret_dev = dev;
	return 0;
}

void hostdev_describe(const struct hostdev *dev, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%04x:%04x%s%s%s%s%s%s at %s", dev->vendor,
		       dev->product_id, dev->manufacturer[0] ? " " : "",
		       dev->manufacturer, dev->product[0] ? " " : "", dev->product,
		       dev->serial[0] ? ", serial " : "", dev->serial, dev->name);
}

/* --- all of them --- */

/* Entries of the bus are links to the devices' folders. */
static int entry_place(const char *folder, const char *name,
		       char ret_place[HOSTDEV_PLACE_BYTES])
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	const char *place;
	ssize_t len;

	if (!is_name(name) ||
	    snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENOENT;
	len = readlinkat(AT_FDCWD, path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	place = strstr(target, "/devices/");
	if (!place || !is_place(place))
		return -ENOENT;
	memcpy(ret_place, place, strlen(place) + 1);
	return 0;
}

static int list_add(struct hostdev_list *list, unsigned *space, const char *root,
		    const char *place)
{
	int r;

	if (list->count == *space) {
		unsigned wanted = *space ? *space * 2 : 16;
		struct hostdev *devs = realloc(list->devs, wanted * sizeof(*devs));

		if (!devs)
			return -ENOMEM;
		list->devs = devs;
		*space = wanted;
	}
	r = hostdev_read(root, place, &list->devs[list->count]);
	if (r == 0)
		list->count++;
	/* a device that is just going, or makes no sense, does not count */
	return r == -ENOMEM ? r : 0;
}

static int order(const void *a, const void *b)
{
	return hostdev_order(a, b);
}

int hostdev_list_read(const char *root, struct hostdev_list *ret_list)
{
	struct hostdev_list list = {0};
	unsigned space = 0;
	unsigned left = ENTRIES_MAX;
	char folder[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;
	int r = 0;

	(void)snprintf(folder, sizeof(folder), "%s/sys/bus/usb/devices", root);
	dir = opendir(folder);
	if (!dir)
		return -ENOENT;
	while (r == 0 && left-- > 0 && list.count < HOSTDEV_DEVICES_MAX &&
	       (entry = readdir(dir)) != NULL) { /* NOLINT: as above */
		char place[HOSTDEV_PLACE_BYTES];

		if (entry_place(folder, entry->d_name, place) == 0)
			r = list_add(&list, &space, root, place);
	}
	(void)closedir(dir);
	if (r < 0) {
		hostdev_list_finish(&list);
		return r;
	}
	if (list.count > 1)
		qsort(list.devs, list.count, sizeof(list.devs[0]), order);
	*ret_list = list;
	return 0;
}

void hostdev_list_finish(struct hostdev_list *list)
{
	free(list->devs);
	*list = (struct hostdev_list){0};
}
