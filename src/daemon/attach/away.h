/* SPDX-License-Identifier: MIT
 * away.h - looks for the device that takes the place of one that has gone
 *
 * sysfs says where a device sits. The kernel reports a device that appears in that place; sysfs shows
 * one that appeared before we noticed that the old one had gone.
 */
#ifndef DAEMON_ATTACH_AWAY_H
#define DAEMON_ATTACH_AWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/uevent.h"
#include "util/compiler.h"

struct loop;
struct loop_timer;

/* How long to look for a device that has gone; and, once it is there, how long to wait until we may
 * open its node: udev sets owner and mode a moment later. */
#define AWAY_MAX_NS UINT64_C(10000000000)

/**
 * struct away - the search; embedded in its owner
 * @on_found:	a device is in the place: the owner stops the search and opens it. Called again after
 *		away_resume()
 * @on_over:	the time is over
 * @bus, @number: the last device known at the place
 * @appeared:	that one is new, but its node cannot be opened yet
 * @until_ns:	when the time is over
 */
struct away {
	void (*on_found)(struct away *away);
	void (*on_over)(struct away *away);
	struct loop_timer *timer;
	char place[UEVENT_PLACE_BYTES];
	unsigned bus;
	unsigned number;
	bool appeared;
	uint64_t until_ns;
};

/* Allocates the timer, once. Return: 0 or -ENOMEM. */
MUST_USE int away_prepare(struct away *away, struct loop *loop);
void away_finish(struct away *away);

/* Begins to look for another device at @place than @bus, @number, which has gone. May call
 * @on_found at once. */
void away_begin(struct away *away, const char *place, unsigned bus, unsigned number);
/* Ends the search. */
void away_stop(struct away *away);
/* Whether the time is over. */
bool away_is_over(const struct away *away);
/* The owner could not open the device. @soon: tries it again in a moment; else waits for another
 * one. May call @on_found at once. Not when the time is over. */
void away_resume(struct away *away, bool soon);
/* A report of the kernel, or NULL: reports may have been lost. May call @on_found. */
void away_hear(struct away *away, const struct uevent *event);

#endif /* DAEMON_ATTACH_AWAY_H */
