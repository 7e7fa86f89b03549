/* SPDX-License-Identifier: MIT
 * test_main.c - requests of usbvfioctl, its output and exit status
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

static void test_attach_node(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	const char *node = fake_node(fake, "NODE");
	char spec[160], wanted[400];

	assert_int_equal(RUN(fake, "attach", node), 0);
	snprintf(wanted, sizeof(wanted), "attach name=%s bus=3 address=17 fd=NODE rw\n",
		 node);
	assert_string_equal(daemon->asked, wanted);
	assert_string_equal(fake->out, "attached 1-2.3 (YubiKey), port 2\n");
	assert_string_equal(fake->errors, "");

	daemon->asked[0] = '\0';
	snprintf(spec, sizeof(spec), "host:path=%.*s\\017,reset=first",
		 (int)strlen(node) - 3, node);
	assert_int_equal(
		RUN(fake, "attach", spec, "--port", "7", "--force", "--name", "key"), 0);
	assert_string_equal(daemon->asked,
			    "attach name=key reset=first port=7 force=yes bus=3 "
			    "address=17 fd=NODE rw\n");
	daemon->asked[0] = '\0';
	assert_int_equal(RUN(fake, "--reset", "never", "attach", spec, "--json"), 0);
	fake_expect(daemon->asked, "reset=never");
	fake_expect(fake->out, "{\"ok\":true,\"id\":1,\"device\":{\"id\":\"1-2.3\"");
}

static void test_attach_by_force(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	const char *node = fake_node(fake, "NODE");
	char spec[160];

	snprintf(spec, sizeof(spec), "host:path=%s,force", node);
	assert_int_equal(RUN(fake, "attach", spec), 0);
	fake_expect(daemon->asked, "force=yes");
	daemon->asked[0] = '\0';
	snprintf(spec, sizeof(spec), "host:force,path=%s", node);
	assert_int_equal(RUN(fake, "attach", spec, "--force"), 0);
	fake_expect(daemon->asked, "force=yes");
	daemon->asked[0] = '\0';

	snprintf(spec, sizeof(spec), "host:path=%s", node);
	assert_int_equal(RUN(fake, "attach", spec), 0);
	fake_expect_not(daemon->asked, "force");
}

static void test_attach_text(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];

	assert_int_equal(RUN(fake, "attach", "stick:file=/a,readonly", "--port=3"), 0);
	assert_int_equal(RUN(fake, "attach", "usb:vid=1050"), 0);
	fake_expect(fake->out, "rule r1 attaches");
	assert_string_equal(daemon->asked, "attach spec=stick:file=/a,readonly port=3\n"
					   "rules add rule=usb:vid=1050\n");
	assert_int_equal(RUN(fake, "attach", "usb:vid=1050", "--port", "3"), 2);
	fake_expect(fake->errors, "of a rule into it");
}

static void test_attach_fails(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(RUN(fake, "attach", "/nowhere/at all"), 1);
	fake_expect(fake->errors, "lsusb");
	assert_int_equal(RUN(fake, "attach", "host:reset=never"), 2);
	assert_int_equal(RUN(fake, "attach", "host:fd=3,forced"), 2);
	assert_int_equal(RUN(fake, "attach", "host:fd=3,force=1"), 2);
	assert_int_equal(RUN(fake, "attach", "--legacy", "host:fd=3,force"), 2);
	assert_int_equal(RUN(fake, "attach", "host:path=/a,color=red"), 2);
	assert_int_equal(RUN(fake, "attach", "host:fd=2"), 2);
	assert_int_equal(RUN(fake, "attach", "zero", "--port", "0"), 2);
	assert_int_equal(RUN(fake, "attach", "zero", "--port", "1x"), 2);
	assert_string_equal(fake->daemons[0].asked, "");
}

static void test_device_verbs(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(RUN(fake, "detach", "1-2.3"), 0);
	assert_string_equal(fake->out, "detached 1-2.3 (YubiKey), port 2\n");
	assert_int_equal(RUN(fake, "detach", "port", "2"), 0);
	assert_int_equal(RUN(fake, "reset", "003:017"), 0);
	assert_string_equal(fake->out, "reset 1-2.3 (YubiKey), port 2\n");
	assert_int_equal(RUN(fake, "log", "debug"), 0);
	assert_int_equal(RUN(fake, "log", "trace", "xhci"), 0);
	assert_string_equal(fake->daemons[0].asked, "detach device=1-2.3\n"
						    "detach device=port 2\n"
						    "reset device=003:017\n"
						    "log level=debug\n"
						    "log level=trace subsystem=xhci\n");
}

/* usbvfioctl opens files: the daemon may lack rights, and has another working directory. */
static void test_files_are_handed_over(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	char wanted[256];
	struct stat st;

	assert_int_equal(chdir(fake->dir), 0);
	(void)fake_node(fake, "IMAGE");
	assert_int_equal(RUN(fake, "attach", "stick:file=nodes/003/017"), 0);
	assert_string_equal(daemon->asked,
			    "attach spec=stick:file=nodes/003/017 fd=IMAGE rw\n");
	daemon->asked[0] = '\0';
	assert_int_equal(RUN(fake, "attach", "stick:readonly,file=nodes/003/017"), 0);
	assert_string_equal(daemon->asked,
			    "attach spec=stick:readonly,file=nodes/003/017 fd=IMAGE\n");
	/* the daemon may open what usbvfioctl cannot, if the path is absolute */
	daemon->asked[0] = '\0';
	assert_int_equal(RUN(fake, "attach", "stick:file=/nonexistent"), 0);
	assert_string_equal(daemon->asked, "attach spec=stick:file=/nonexistent\n");
	assert_int_equal(RUN(fake, "attach", "stick:file=nonexistent"), 1);
	fake_expect(fake->errors, "cannot open nonexistent");
	assert_int_equal(RUN(fake, "attach", "stick:file=nodes"), 1);
	fake_expect(fake->errors, "neither a file nor a block device");

	daemon->asked[0] = '\0';
	assert_int_equal(RUN(fake, "capture", "start", "c.pcap"), 0);
	snprintf(wanted, sizeof(wanted), "capture start path=%s/c.pcap fd= rw\n",
		 fake->dir);
	assert_string_equal(daemon->asked, wanted);
	assert_int_equal(stat("c.pcap", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* after a refusal a file stays only if it existed before */
	daemon->refuses = 1u << CONTROL_VERB_CAPTURE;
	assert_int_equal(RUN(fake, "capture", "start", "c.pcap"), 1);
	assert_int_equal(stat("c.pcap", &st), 0);
	assert_int_equal(RUN(fake, "capture", "start", "d.pcap"), 1);
	assert_int_equal(stat("d.pcap", &st), -1);
	daemon->refuses = 0;
	assert_int_equal(unlink("c.pcap"), 0);
	/* a folder that is to be made: by the daemon */
	daemon->asked[0] = '\0';
	assert_int_equal(RUN(fake, "capture", "start", "new/c.pcap"), 0);
	snprintf(wanted, sizeof(wanted), "capture start path=%s/new/c.pcap\n", fake->dir);
	assert_string_equal(daemon->asked, wanted);
	assert_int_equal(chdir("/"), 0);
}

static void test_input_is_handed_over(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	struct stat st;

	assert_int_equal(chdir(fake->dir), 0);
	assert_int_equal(RUN(fake, "attach", "keyboard"), 0);
	assert_string_equal(daemon->asked, "attach spec=keyboard\n");
	assert_int_equal(mkfifo("keys", 0600), 0);
	assert_int_equal(RUN(fake, "attach", "keyboard:input=keys"), 0);
	/* others could type */
	assert_int_equal(chmod("keys", 0622), 0);
	assert_int_equal(RUN(fake, "attach", "keyboard:input=keys"), 1);
	fake_expect(fake->errors, "others may write to the FIFO keys");
	assert_int_equal(RUN(fake, "attach", "keyboard:input=keys,anyone"), 0);
	if (geteuid() == 0) {
		assert_int_equal(chmod("keys", 0600), 0);
		assert_int_equal(chown("keys", 65534, 65534), 0);
		assert_int_equal(RUN(fake, "attach", "keyboard:input=keys"), 1);
		fake_expect(fake->errors, "user 65534");
	}
	assert_int_equal(unlink("keys"), 0);
	/* made if it is not there */
	assert_int_equal(RUN(fake, "attach", "keyboard:input=keys"), 0);
	assert_int_equal(stat("keys", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(unlink("keys"), 0);
	assert_int_equal(chdir("/"), 0);
}

static void test_capture_and_rules(void **state)
{
	struct fake *fake = *state;
	char *here = realpath(".", NULL), wanted[5000];

	assert_int_equal(RUN(fake, "capture", "start", "a.pcap"), 0);
	snprintf(wanted, sizeof(wanted), "a capture is running, into %s/a.pcap\n", here);
	free(here);
	assert_string_equal(fake->out, wanted);
	assert_int_equal(unlink("a.pcap"), 0);
	fake->daemons[0].asked[0] = '\0';
	assert_int_equal(RUN(fake, "capture", "status"), 0);
	assert_string_equal(fake->out, "no capture is running\n");
	assert_int_equal(RUN(fake, "capture", "stop"), 0);
	assert_int_equal(RUN(fake, "rules", "add", "usb:vid=1", "mine"), 0);
	assert_string_equal(fake->out, "r1\n");
	assert_int_equal(RUN(fake, "rules", "remove", "mine"), 0);
	assert_int_equal(RUN(fake, "rules", "list"), 0);
	fake_expect(fake->out, "r1       usb:vid=1050  waiting     -  -       -\n");
	assert_string_equal(fake->daemons[0].asked, "capture status\n"
						    "capture stop\n"
						    "rules add rule=usb:vid=1 id=mine\n"
						    "rules remove id=mine\n"
						    "rules list\n");
	assert_int_equal(RUN(fake, "rules", "remove"), 2);
	assert_int_equal(RUN(fake, "rules", "list", "all"), 2);
	assert_int_equal(RUN(fake, "capture", "start"), 2);
}

static void test_refusals(void **state)
{
	static const char *const lines[][3] = {
		{"attach", "zero"}, {"detach", "a"},         {"list"},
		{"stats"},          {"capture", "stop"},     {"log", "debug"},
		{"reset", "a"},     {"rules", "remove", "a"}};
	struct fake *fake = *state;

	fake->daemons[0].refuses = UINT32_MAX;
	fake->daemons[0].code = CONTROL_CODE_REFUSED;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(RUN(fake, lines[i][0], lines[i][1], lines[i][2]), 1);
		assert_string_equal(fake->out, "");
		assert_string_equal(fake->errors, "usbvfioctl: it is not to be\n"
						  "usbvfioctl: do ?[31mthis\n");
	}
	assert_int_equal(RUN(fake, "list", "--json"), 1);
	fake_expect(fake->out, "\"code\":\"refused\"");
}

static void test_wrong_usage(void **state)
{
	static const char *const lines[][4] = {{"fly"},
					       {"list", "a"},
					       {"detach"},
					       {"move", "1-2"},
					       {"list", "--port", "1"},
					       {"watch", "--legacy"},
					       {"--colour"},
					       {"list", "--socket"},
					       {"detach", "a", "b", "c"},
					       {"list", "--all", "--legacy"}};
	struct fake *fake = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(
			fake_run(fake,
				 (const char *const[]){lines[i][0], lines[i][1],
						       lines[i][2], lines[i][3], NULL}),
			2);
		assert_true(fake->errors[0]);
		assert_string_equal(fake->out, "");
	}
	assert_int_equal(fake_run(fake, (const char *const[]){NULL}), 2);
	assert_string_equal(fake->daemons[0].asked, "");
	assert_int_equal(RUN(fake, "list", "--help"), 0);
	fake_expect(fake->out, "usage: usbvfioctl");
	assert_int_equal(RUN(fake, "--version"), 0);
	fake_expect(fake->out, "usbvfioctl 0.");
}

static void test_sockets(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *second = fake_start(fake, 1);

	assert_int_equal(RUN(fake, "list"), 1);
	fake_expect(fake->errors, "found 2 daemons");
	fake_expect(fake->errors, fake->daemons[0].path);
	fake_expect(fake->errors, second->path);
	assert_int_equal(RUN(fake, "list", "--socket", second->path), 0);
	assert_string_equal(fake->daemons[0].asked, "");
	assert_string_equal(second->asked, "list\n");
	fake_stop(second);
	assert_int_equal(RUN(fake, "list", "--socket", second->path), 1);
	assert_true(fake->errors[0]);
	fake_stop(&fake->daemons[0]);
	assert_int_equal(RUN(fake, "list"), 1);
	fake_expect(fake->errors, "no daemon was found");
}

static void test_legacy(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	const char *node = fake_node(fake, "NODE");

	assert_int_equal(RUN(fake, "--legacy", "attach", node), 0);
	assert_string_equal(fake->out, "attached\n");
	assert_int_equal(RUN(fake, "--legacy", "detach", "3:17"), 0);
	assert_int_equal(RUN(fake, "--legacy", "list"), 0);
	assert_string_equal(fake->out, "BUS  DEV\n003  017\n");
	assert_string_equal(daemon->asked, "attach bus=3 address=17 fd=NODE rw\n"
					   "detach device=003:017\n"
					   "list\n");
	assert_int_equal(RUN(fake, "--legacy", "list", "--json"), 0);
	assert_string_equal(fake->out,
			    "{\"ok\":true,\"devices\":[{\"bus\":3,\"address\":17}]}\n");
	assert_int_equal(RUN(fake, "--legacy", "detach", "1-2"), 2);
	assert_int_equal(RUN(fake, "--legacy", "detach", "300:1"), 1);
	assert_int_equal(RUN(fake, "--legacy", "attach", "zero"), 2);
	daemon->refuses = UINT32_MAX;
	daemon->code = CONTROL_CODE_NO_FREE_PORT;
	assert_int_equal(RUN(fake, "--legacy", "attach", node), 1);
	fake_expect(fake->errors, "no virtual port is free");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach_node),
		TEST(test_attach_by_force),
		TEST(test_attach_text),
		TEST(test_attach_fails),
		TEST(test_device_verbs),
		TEST(test_refusals),
		TEST(test_files_are_handed_over),
		TEST(test_input_is_handed_over),
		TEST(test_capture_and_rules),
		TEST(test_wrong_usage),
		TEST(test_sockets),
		TEST(test_legacy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
