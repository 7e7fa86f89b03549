/* SPDX-License-Identifier: MIT
 * under_unit.c - runs the daemon under the restrictions of its unit file
 *
 * usage: under_unit ARGUMENT..., instead of $USBVFIOD_PROGRAM ARGUMENT.... The unit file
 * is $USBVFIOD_UNIT. Applies, as a service manager would, SystemCallFilter=,
 * NoNewPrivileges=, an empty CapabilityBoundingSet=, LimitNOFILE= and UMask=. A call that
 * the filter refuses kills the process here; under the unit file it only fails, which the
 * tests might not notice. The groups of calls ("@aio") come from systemd-analyze.
 */
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/compiler.h"

#define NAMES_MAX   1024u
#define MEMBERS_MAX 4096u
#define DEPTH_MAX   8u
#define CAPS_MAX    64

static struct {
	char group[40];
	char name[40];
} members[MEMBERS_MAX];
static unsigned member_count;

static char names[NAMES_MAX][40];
static bool is_allowed[NAMES_MAX];
static unsigned name_count;

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "under_unit: %s\n", what);
	_exit(127);
}

static void set_name(const char *name, bool allowed)
{
	unsigned i = 0;

	while (i < name_count && strcmp(names[i], name) != 0)
		i++;
	if (i == NAMES_MAX || strlen(name) >= sizeof(names[i]))
		fail("too many names, or one too long");
	if (i == name_count)
		name_count++;
	(void)snprintf(names[i], sizeof(names[i]), "%s", name);
	is_allowed[i] = allowed;
}

/* systemd-analyze prints lines "@group", each followed by lines "    member". */
static void read_groups(void)
{
	FILE *pipe = popen("systemd-analyze --no-pager syscall-filter 2>/dev/null", "re");
	char line[256], group[sizeof(members[0].group)] = "";

	while (pipe && fgets(line, sizeof(line), pipe)) {
		char *word = line + strspn(line, " ");

		word[strcspn(word, "\n")] = '\0';
		if (word[0] == '#' || word[0] == '\0')
			continue;
		if (strlen(word) >= sizeof(group) || member_count == MEMBERS_MAX)
			fail("systemd-analyze prints too much");
		if (word == line) {
			memcpy(group, word, strlen(word) + 1);
			continue;
		}
		memcpy(members[member_count].group, group, sizeof(group));
		memcpy(members[member_count++].name, word, strlen(word) + 1);
	}
	if (!pipe || pclose(pipe) != 0)
		fail("systemd-analyze does not list the groups of calls");
}

/* @name: a call or a group of calls. */
static void set(const char *name, bool allowed, unsigned depth)
{
	bool found = false;

	if (name[0] != '@') {
		set_name(name, allowed);
		return;
	}
	for (unsigned i = 0; depth < DEPTH_MAX && i < member_count; i++) {
		if (strcmp(members[i].group, name) != 0)
			continue;
		found = true;
		set(members[i].name, allowed, depth + 1);
	}
	if (!found)
		fail("the unit file names an unknown group of calls");
}

static void read_filter(char *value)
{
	bool allowed = value[0] != '~';
	char *rest = NULL;

	value += allowed ? 0 : 1;
	for (char *word = strtok_r(value, " \n", &rest); word;
	     word = strtok_r(NULL, " \n", &rest))
		set(word, allowed, 0);
}

static void read_unit(const char *path)
{
	static const char filter[] = "SystemCallFilter=", files[] = "LimitNOFILE=",
			  mask[] = "UMask=";
	FILE *file = fopen(path, "re");
	char line[4096];

	/* always allowed, to start the program */
	set("@default", true, 0);
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, filter, strlen(filter)) == 0) {
			read_filter(line + strlen(filter));
		} else if (strncmp(line, files, strlen(files)) == 0) {
			rlim_t n = strtoul(line + strlen(files), NULL, 10);

			if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){n, n}) < 0)
				fail("LimitNOFILE=");
		} else if (strncmp(line, mask, strlen(mask)) == 0) {
			(void)umask((mode_t)strtoul(line + strlen(mask), NULL, 8));
		}
	}
	if (!file || fclose(file) != 0)
		fail("there is no unit file");
}

static void load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	unsigned count = 0;

	if (!filter)
		fail("no filter");
	for (unsigned i = 0; i < name_count; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		/* a call of another architecture, or newer than the library */
		if (!is_allowed[i] || call < 0)
			continue;
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) < 0)
			fail("a rule");
		count++;
	}
	if (count < 100 || seccomp_load(filter) < 0)
		fail("SystemCallFilter=");
	seccomp_release(filter);
}

int main(int argc, char *argv[])
{
	const char *unit = getenv("USBVFIOD_UNIT");
	char *program = getenv("USBVFIOD_PROGRAM");

	if (argc < 1 || !unit || !program)
		fail("set USBVFIOD_UNIT and USBVFIOD_PROGRAM");
	read_groups();
	read_unit(unit);
	/* until none is left; only root has any */
	for (int cap = 0; cap < CAPS_MAX; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	load_filter();
	argv[0] = program;
	(void)execv(program, argv);
	fail("cannot start the program");
}
