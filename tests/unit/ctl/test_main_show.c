/* SPDX-License-Identifier: MIT
 * test_main_show.c - tables and events, with hostile texts of devices and daemons
 */
#include "fake.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/table.h"
#include "ctl/text.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

static void test_list(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(RUN(fake, "list"), 0);
	assert_string_equal(fake->out, "ID     NAME     IDS        SERIAL  SPEED  PORT  "
				       "HOST     SINCE             "
				       "     IN  OUT  STATE\n"
				       "1-2.3  YubiKey  1050:0407  0001    full      2  "
				       "003:017  2026-01-31 12:34  "
				       "1.5 KiB   12  attached\n");
	fake->daemons[0].ndevices = 0;
	assert_int_equal(RUN(fake, "list"), 0);
	fake_expect(fake->out, "ID  NAME");
}

static void test_stats(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(RUN(fake, "stats", "1-2.3"), 0);
	assert_string_equal(fake->out,
			    "ID     NAME          IN  OUT  TRANSFERS  ERRORS\n"
			    "1-2.3  YubiKey  1.5 KiB   12       2061       0\n");
	assert_string_equal(fake->daemons[0].asked, "stats device=1-2.3\n");
}

/* One row for one device, whatever it is called; nothing reaches the terminal but text. */
static void test_hostile_strings(void **state)
{
	struct fake *fake = *state;
	struct control_device *device = &fake->daemons[0].devices[0];
	unsigned lines = 0;

	device->label = "a\nb\tc\033[2Jd\xc2\x9b\xe2\x80\xae\x7f";
	device->serial = "\xff\xfe-\xe2\x80\x8b";
	device->state = "\r";
	assert_int_equal(RUN(fake, "list"), 0);
	fake_expect(fake->out, "  a?b?c?[2Jd?\?\?  1050:0407  ?\?-?    full ");
	for (const char *at = fake->out; *at; at++) {
		lines += *at == '\n';
		assert_true(*at == '\n' || (*at >= ' ' && *at < 127));
	}
	assert_int_equal(lines, 2);
	device->label = "a name that is longer than its column by far";
	assert_int_equal(RUN(fake, "list"), 0);
	fake_expect(fake->out, "  a name that is longer than its c~  1050");
}

static void test_unknown_is_a_dash(void **state)
{
	struct fake *fake = *state;
	struct control_device bare = CONTROL_DEVICE_INIT;

	bare.id = "stick";
	fake->daemons[0].devices[0] = bare;
	assert_int_equal(RUN(fake, "list"), 0);
	fake_expect(fake->out,
		    "stick  -     -    -       -         -  -     -       -    -  -\n");
}

static void test_list_all(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *second = fake_start(fake, 1);
	char wanted[300];

	assert_int_equal(RUN(fake, "list", "--all"), 0);
	snprintf(wanted, sizeof(wanted), "\n%s  1-2.3", fake->daemons[0].path);
	fake_expect(fake->out, wanted);
	snprintf(wanted, sizeof(wanted), "\n%s  1-2.3", second->path);
	fake_expect(fake->out, wanted);
	assert_int_equal(RUN(fake, "list", "--all", "--json"), 0);
	snprintf(wanted, sizeof(wanted), "\"socket\":\"%s\"}\n", second->path);
	fake_expect(fake->out, wanted);
	second->refuses = UINT32_MAX;
	second->code = CONTROL_CODE_STOPPING;
	assert_int_equal(RUN(fake, "list", "--all"), 1);
	fake_expect(fake->out, fake->daemons[0].path);
	fake_expect_not(fake->out, second->path);
	fake_expect(fake->errors, second->path);
}

/* Tells an event again and again, until one has been printed; then ends. */
static void tell_until_printed(struct fake *fake)
{
	struct fake_daemon *daemon = &fake->daemons[0];

	if (!daemon->server)
		return;
	control_server_event(daemon->server, CONTROL_EVENT_GONE, &daemon->devices[0],
			     "pulled\nout");
	if (fake_has_printed(fake))
		fake_stop(daemon);
}

static void test_watch(void **state)
{
	struct fake *fake = *state;

	fake->on_turn = tell_until_printed;
	assert_int_equal(RUN(fake, "watch"), 1);
	fake_expect(fake->out, "Z  gone          1-2.3 (YubiKey), port 2: pulled?out\n");
	fake_expect(fake->errors, "the daemon has gone");
}

/* What else doctor finds depends on the machine. */
static void test_doctor_looks_at_the_vmm(void **state)
{
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	const uint64_t gib = UINT64_C(1) << 30;

	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "note: no VMM is connected to the daemon at ");
	daemon->vmm = (struct control_vmm){.connected = true};
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect_not(fake->out, "VMM");
	/* a display's memory is never shared */
	daemon->vmm.memory_shared = gib;
	daemon->vmm.memory_unshared = gib / 64;
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect_not(fake->out, "VMM");
	daemon->vmm.memory_shared = 0;
	daemon->vmm.memory_unshared = gib;
	assert_int_equal(RUN(fake, "--socket", daemon->path, "doctor"), 1);
	fake_expect(fake->out, "the VMM does not share the guest's memory");
	fake_expect(fake->out, "memory-backend-memfd,id=ram,size=SIZE,share=on");
	fake_expect(fake->out, "--memory size=SIZE,shared=on");
	assert_int_equal(RUN(fake, "--socket", daemon->path, "--json", "doctor"), 1);
	fake_expect(fake->out, "\"memory-not-shared\"");
	daemon->refuses = 1u << CONTROL_VERB_LIST;
	assert_int_equal(RUN(fake, "--socket", daemon->path, "doctor"), 1);
	fake_expect(fake->out, "does not answer as usbvfiod");
}

static void test_doctor_looks_at_the_sandbox(void **state)
{
	static const char *const names[] = {"times", "get\033[31mppid"};
	struct fake *fake = *state;
	struct fake_daemon *daemon = &fake->daemons[0];
	struct control_sandbox *sandbox = &daemon->sandbox;

	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect_not(fake->out, "sandbox");
	*sandbox = (struct control_sandbox){
		.mode = "on", .user = 990, .landlock = 7, .system_calls = 58};
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out,
		    "is in its sandbox: user 990, Landlock 7, 58 system calls");
	fake_expect_not(fake->out, "--user");
	fake_expect_not(fake->out, "refused");
	sandbox->user = 0;
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "--user NAME, or User=NAME in its unit");
	fake_expect_not(fake->out, "CAP_DAC_OVERRIDE");
	sandbox->dac_override = "/srv/\033[31mx.img";
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "system calls; it keeps CAP_DAC_OVERRIDE for /srv/?[31mx");
	fake_expect(fake->out, "the owner of that");
	*sandbox = (struct control_sandbox){.mode = "on",
					    .no_landlock = "it is too old",
					    .no_system_calls = "it is too new"};
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "no Landlock, all system calls");
	fake_expect(fake->out, "does not confine files: no Landlock, it is too old");
	fake_expect(fake->out, "CONFIG_SECURITY_LANDLOCK");
	fake_expect(fake->out, "no seccomp, it is too new");
	*sandbox = (struct control_sandbox){.mode = "off"};
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "has no sandbox");
	fake_expect(fake->out, "without --sandbox=off");
	*sandbox = (struct control_sandbox){.mode = "log"};
	(void)RUN(fake, "--socket", daemon->path, "doctor");
	fake_expect(fake->out, "refuses nothing, it only logs");

	*sandbox = (struct control_sandbox){.mode = "on",
					    .landlock = 7,
					    .system_calls = 58,
					    .refused = 3,
					    .last = names,
					    .nlast = 2};
	assert_int_equal(RUN(fake, "--socket", daemon->path, "doctor"), 1);
	fake_expect(fake->out, "3 system calls of the daemon at ");
	fake_expect(fake->out, " were refused, the last of them: times, get?[31mppid");
	fake_expect(fake->out, "please report it");
	assert_int_equal(RUN(fake, "--socket", daemon->path, "--json", "doctor"), 1);
	fake_expect(fake->out, "\"refused-calls\"");
	sandbox->mode = "log";
	sandbox->refused = 1;
	assert_int_equal(RUN(fake, "--socket", daemon->path, "doctor"), 1);
	fake_expect(fake->out, "1 system call of the daemon at ");
	fake_expect(fake->out, " would have been refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_list),
		TEST(test_stats),
		TEST(test_hostile_strings),
		TEST(test_unknown_is_a_dash),
		TEST(test_list_all),
		TEST(test_watch),
		TEST(test_doctor_looks_at_the_vmm),
		TEST(test_doctor_looks_at_the_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
