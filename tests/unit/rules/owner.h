/* SPDX-License-Identifier: MIT
 * owner.h - a keeper's owner that records its calls, and a clock that the test sets
 *
 * The test is linked with clock_now_ns() and the timer's functions wrapped.
 */
#ifndef TESTS_UNIT_RULES_OWNER_H
#define TESTS_UNIT_RULES_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "fake_sysfs.h"
#include "rules/keeper.h"

#define MS UINT64_C(1000000)

/* The answer to attach(). */
enum owner_answer {
	OWNER_OK,    /* success at once, in the requested port or the next free one */
	OWNER_FAIL,  /* failure at once, with @code */
	OWNER_LATER, /* the test answers */
};

struct owner {
	struct keeper *keeper;
	enum owner_answer answer;
	int code;
	unsigned ports; /* ports given out so far */
	unsigned quiet; /* calls of that callback */
	unsigned asked; /* calls of that callback */
	unsigned changes;
	const char *taken; /* place */
	const char *held;  /* name of a device, until it is attached */
	bool detach_at_once;
	void (*in_attach)(void); /* called in attach(), before the answer */
};

extern struct owner owner;

/* cmocka set-up: an empty sysfs, a keeper, OWNER_OK. */
int owner_setup(void **state);
int owner_teardown(void **state);

/* Returns the rule's id. */
const char *owner_rule(const char *text);
/* Waits for the keeper's next call: "attach HOLDER NAME#NUMBER PORT", "detach HOLDER",
 * "pulled HOLDER". */
void owner_expect(const char *what);
/* Waits until the keeper is quiet, and demands that it has made no further call. */
void owner_expect_nothing(void);
/* owner_hold_reading() makes the worker's next reading of a device wait for owner_let_go().
 * owner_wait_read() waits until the worker has read. */
void owner_hold_reading(void);
void owner_wait_read(void);
void owner_let_go(void);
/* One turn of the loop, without waiting. */
void owner_turn(void);
/* Turns until the keeper is quiet; drops the recorded calls. */
void owner_settle(void);
/* Lets time pass, and calls the timer if it is due. */
void owner_pass_time(uint64_t ns);
/* How long until the timer fires; 0: it is not set. */
uint64_t owner_timer_ns(void);

/* Plug a device in or unplug it, and notify the keeper as the kernel does. */
void owner_plug(const struct fake_device *dev);
void owner_pull(const char *name, unsigned number);
/* Plugs in a device of the vendor 1050. */
void owner_plug_key(const char *name, unsigned number);
/* Plugs in five devices of that vendor that differ only in their serial numbers A1 to E5, at 1-1 to
 * 1-5, in another order. Does not notify the keeper. */
void owner_plug_five(void);
/* owner_gone(): the owner notices that the device of @holder is gone. owner_lose(): the same, after
 * the kernel has notified the keeper. */
void owner_gone(unsigned holder);
void owner_lose(const char *name, unsigned number, unsigned holder);
void owner_event(bool added, const char *name, unsigned number);
/* Demands this list: "STATE HOLDER NAME PORT WHY-CODE" for each holder, separated by '\n'. */
void owner_expect_list(const char *text);

#endif /* TESTS_UNIT_RULES_OWNER_H */
