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

/* How attach() is answered. */
enum owner_answer {
	OWNER_OK,    /* at once: in @port asked for, or the next one */
	OWNER_FAIL,  /* at once: with @code */
	OWNER_LATER, /* by the test */
};

struct owner {
	struct keeper *keeper;
	enum owner_answer answer;
	int code;
	unsigned ports; /* given out */
	unsigned quiet; /* times told */
	unsigned asked; /* the same */
	unsigned changes;
	const char *taken; /* place */
	const char *held;  /* name: until it is attached */
	bool detach_at_once;
	void (*in_attach)(void); /* called inside, before the answer */
};

extern struct owner owner;

/* For cmocka: an empty sysfs, a keeper, OWNER_OK. */
int owner_setup(void **state);
int owner_teardown(void **state);

/* Returns the rule's id. */
const char *owner_rule(const char *text);
/* Waits for the next thing asked: "attach HOLDER NAME#NUMBER PORT", "detach HOLDER",
 * "pulled HOLDER". */
void owner_expect(const char *what);
/* Waits until the keeper is quiet; nothing more must have been asked. */
void owner_expect_nothing(void);
/* The worker's next reading of a device ends only with owner_let_go(). Waits until it has
 * read. */
void owner_hold_reading(void);
void owner_wait_read(void);
void owner_let_go(void);
/* One turn of the loop, without waiting. */
void owner_turn(void);
/* Turns until the keeper is quiet; drops the recorded calls. */
void owner_settle(void);
/* Lets time pass, and calls the timer if it is due. */
void owner_pass_time(uint64_t ns);
/* How long from now the timer is set to; 0: it is not. */
uint64_t owner_timer_ns(void);

/* Plugs it in or pulls it, and tells the keeper as the kernel does. */
void owner_plug(const struct fake_device *dev);
void owner_pull(const char *name, unsigned number);
/* A device of the vendor 1050. */
void owner_plug_key(const char *name, unsigned number);
/* Five of that vendor, alike but for the serial numbers A1 to E5, at 1-1 to 1-5, in another
 * order. The keeper is not told. */
void owner_plug_five(void);
/* The owner notices that the device of @holder has gone; owner_lose(): after the kernel has
 * told that, and the keeper. */
void owner_gone(unsigned holder);
void owner_lose(const char *name, unsigned number, unsigned holder);
void owner_event(bool added, const char *name, unsigned number);
/* "STATE HOLDER NAME PORT WHY-CODE" of each holder, divided by '\n'. */
void owner_expect_list(const char *text);

#endif /* TESTS_UNIT_RULES_OWNER_H */
