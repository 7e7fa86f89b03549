/* SPDX-License-Identifier: MIT
 * test_uevent.c - tests of src/rules/uevent.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/uevent.h"
#include "util/compiler.h"
#include "util/log.h"
#include "util/loop.h"

#define PLACE "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.3"
/* as the kernel sends it */
#define ADD                                                                        \
	"add@" PLACE "\0ACTION=add\0DEVPATH=" PLACE "\0SUBSYSTEM=usb\0MAJOR=189\0" \
	"MINOR=132\0DEVNAME=bus/usb/002/005\0DEVTYPE=usb_device\0"                 \
	"PRODUCT=525/a4a5/100\0TYPE=0/0/0\0BUSNUM=002\0DEVNUM=005\0SEQNUM=4711"

static struct uevent event;

/* Parses a copy that ends where the message ends, for the sanitizers. */
static int parse(const char *message, size_t len)
{
	char *copy = malloc(len);
	int r;

	assert_true(copy || len == 0);
	if (len > 0)
		memcpy(copy, message, len);
	memset(&event, 0xff, sizeof(event));
	r = uevent_parse(copy, len, &event);
	free(copy);
	return r;
}

#define PARSE(message) parse(message, sizeof(message))

static void test_add(void **state)
{
	(void)state;
	assert_int_equal(PARSE(ADD), 0);
	assert_true(event.added);
	assert_string_equal(event.place, PLACE);
	assert_int_equal(event.bus, 2);
	assert_int_equal(event.number, 5);
}

#define FIELDS(action, subsystem, type, rest) \
	"x\0ACTION=" action "\0SUBSYSTEM=" subsystem "\0DEVTYPE=" type "\0" rest

static void test_remove(void **state)
{
	(void)state;
	assert_int_equal(PARSE(FIELDS("remove", "usb", "usb_device",
				      "DEVNUM=127\0DEVPATH=/devices/1-2\0BUSNUM=1")),
			 0);
	assert_false(event.added);
	assert_string_equal(event.place, "/devices/1-2");
	assert_int_equal(event.bus, 1);
	assert_int_equal(event.number, 127);
}

#define WHERE "DEVPATH=/devices/1-2\0BUSNUM=001\0DEVNUM=002"

static void test_not_for_us(void **state)
{
	(void)state;
	assert_int_equal(PARSE(FIELDS("bind", "usb", "usb_device", WHERE)), -ENOMSG);
	assert_int_equal(PARSE(FIELDS("change", "usb", "usb_device", WHERE)), -ENOMSG);
	assert_int_equal(PARSE(FIELDS("add", "usb", "usb_interface", WHERE)), -ENOMSG);
	assert_int_equal(PARSE(FIELDS("add", "usbmon", "usb_device", WHERE)), -ENOMSG);
	assert_int_equal(PARSE("add@/x\0ACTION=add\0SUBSYSTEM=usb\0" WHERE), -ENOMSG);
	assert_int_equal(PARSE("libudev"), -ENOMSG);
	assert_int_equal(PARSE(""), -ENOMSG);
}

static void test_nonsense(void **state)
{
	static const char *const numbers[] = {
		"",   "0",    "000", "-1", "+1",   " 1",
		"1 ", "1000", "0x1", "1a", "9999", "99999999999999999999"};
	char message[512];

	(void)state;
	assert_int_equal(parse("", 0), -EBADMSG);
	assert_int_equal(parse(ADD, sizeof(ADD) - 1), -EBADMSG); /* no end */
	assert_int_equal(
		PARSE(FIELDS("add", "usb", "usb_device", "BUSNUM=001\0DEVNUM=002")),
		-EBADMSG);
	assert_int_equal(
		PARSE(FIELDS("add", "usb", "usb_device", "DEVPATH=/x\0BUSNUM=001")),
		-EBADMSG);
	assert_int_equal(
		PARSE(FIELDS("add", "usb", "usb_device", "DEVPATH=/x\0DEVNUM=001")),
		-EBADMSG);
	assert_int_equal(PARSE(FIELDS("add", "usb", "usb_device",
				      "DEVPATH=x\0BUSNUM=001\0DEVNUM=002")),
			 -EBADMSG);
	assert_int_equal(PARSE(FIELDS("add", "usb", "usb_device",
				      "DEVPATH=/x/../y\0BUSNUM=001\0DEVNUM=002")),
			 -EBADMSG);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		const char head[] =
			FIELDS("add", "usb", "usb_device", "DEVPATH=/x\0BUSNUM=1");
		size_t len = strlen(numbers[i]) + 1;

		memcpy(message, head, sizeof(head));
		memcpy(message + sizeof(head), "DEVNUM=", 7);
		memcpy(message + sizeof(head) + 7, numbers[i], len);
		if (parse(message, sizeof(head) + 7 + len) != -EBADMSG)
			fail_msg("DEVNUM=%s was taken", numbers[i]);
	}
}

static void test_long_place(void **state)
{
	const char head[] = FIELDS("add", "usb", "usb_device", "BUSNUM=1\0DEVNUM=2");
	char message[1024];

	(void)state;
	memcpy(message, head, sizeof(head));
	memset(message + sizeof(head), 'x', sizeof(message) - sizeof(head));
	memcpy(message + sizeof(head), "DEVPATH=/", 9);
	message[sizeof(head) + 8 + UEVENT_PLACE_BYTES - 1] = '\0';
	assert_int_equal(parse(message, sizeof(head) + 8 + UEVENT_PLACE_BYTES), 0);
	assert_int_equal(strlen(event.place), UEVENT_PLACE_BYTES - 1);
	message[sizeof(head) + 8 + UEVENT_PLACE_BYTES - 1] = 'x';
	message[sizeof(head) + 8 + UEVENT_PLACE_BYTES] = '\0';
	assert_int_equal(parse(message, sizeof(head) + 8 + UEVENT_PLACE_BYTES + 1),
			 -EBADMSG);
}

/* Every way to cut the message short, and bytes that are none of a text. */
static void test_cut_short(void **state)
{
	char message[sizeof(ADD)];

	(void)state;
	for (size_t len = 0; len < sizeof(ADD); len++) {
		(void)parse(ADD, len);
		memcpy(message, ADD, sizeof(ADD));
		message[len] = '\0';
		(void)parse(message, len + 1);
		message[len] = (char)0xff;
		(void)parse(message, sizeof(message));
	}
}

static unsigned heard;

static void on_event(void *ctx, const struct uevent *e)
{
	(void)ctx;
	(void)e;
	heard++;
}

/* Any process may send to our socket, and must not be believed. */
static void test_only_the_kernel_counts(void **state)
{
	struct loop *loop = loop_create();
	struct sockaddr_nl addr;
	socklen_t addr_len = sizeof(addr);
	int fd = dup(STDERR_FILENO); /* the next fd will have this number */
	struct uevents *uevents;
	int sender;

	(void)state;
	log_init(LOG_LEVEL_ERROR, false);
	heard = 0;
	(void)close(fd);
	uevents = uevents_create(loop, on_event, NULL);
	sender = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (!uevents || sender < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0 ||
	    sendto(sender, ADD, sizeof(ADD), 0, (struct sockaddr *)&addr, addr_len) < 0)
		print_message("cannot send here: %s\n", strerror(errno));
	else
		assert_int_equal(loop_turn(loop, true), 0);
	assert_int_equal(loop_turn(loop, false), 0);
	assert_int_equal(heard, 0);
	(void)close(sender);
	uevents_destroy(uevents);
	uevents_destroy(NULL);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_not_for_us),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_long_place),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_only_the_kernel_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
