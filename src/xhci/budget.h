/* SPDX-License-Identifier: MIT
 * budget.h - how much one run of the controller does, and how far it works ahead of its guest
 *
 * The guest fills its rings, so nothing in them may decide how long a loop over them runs.
 * Every such loop draws on the budget of its run, a number that only xhci_run() sets. One
 * unit is a look at one item in guest memory: a TRB, a context, an entry of a segment
 * table; 60 to 100 ns of a processor. A run that has spent its budget starts nothing more.
 * Another run follows, after the sockets had their turn. A TD or a command must not stop in
 * its middle. It has a fixed bound of its own, so a run overdraws its budget by one of them
 * at most.
 *
 * The pace bounds the sum over the runs. The controller keeps an account of the units it
 * has spent. A guest that writes ERDP has taken the events posted so far, and pays for the
 * work behind them. Otherwise the account shrinks with time only. If it grows over
 * XHCI_PACE_AHEAD the controller rests. So a guest that takes its events never waits, and
 * rings that yield none (No-Ops that link to their start) get a small share of a processor
 * (decision 12).
 *
 * Loop thread only. Allocates nothing.
 */
#ifndef XHCI_BUDGET_H
#define XHCI_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Units of a run. */
#define XHCI_BUDGET_RUN 8192u
/* Units of a command and of a transfer, which cost more than a look. */
#define XHCI_BUDGET_COMMAND  64u
#define XHCI_BUDGET_TRANSFER 16u

/* Units that the controller may be ahead of its guest. */
#define XHCI_PACE_AHEAD 32768u
/* A rest is as long as it takes to get by this many units below that. */
#define XHCI_PACE_STEP 4096u
/* The time in which the account shrinks by a unit while the guest does not react. */
#define XHCI_PACE_UNIT_NS 1000u
/* The guest pays this much for an event that it has taken, and a unit for this many bytes
 * that its transfers have moved. A TRB seldom has fewer. */
#define XHCI_PACE_EVENT_UNITS    64u
#define XHCI_PACE_BYTES_PER_UNIT 64u

/**
 * struct xhci_budget - the units of one run
 * @units:	at its start
 * @left:	not spent yet; below 0 after an overdraft
 */
struct xhci_budget {
	int units;
	int left;
};

static inline struct xhci_budget xhci_budget_of(unsigned units)
{
	return (struct xhci_budget){.units = (int)units, .left = (int)units};
}

/* For work of a known size, which may overdraw the budget. */
static inline void xhci_budget_spend(struct xhci_budget *budget, unsigned units)
{
	budget->left -= (int)units;
}

static inline bool xhci_budget_is_spent(const struct xhci_budget *budget)
{
	return budget->left <= 0;
}

static inline unsigned xhci_budget_spent(const struct xhci_budget *budget)
{
	return (unsigned)(budget->units - budget->left);
}

/* Before each look: spends a unit. False: none is left, do not look. */
static inline bool xhci_budget_take(struct xhci_budget *budget)
{
	if (xhci_budget_is_spent(budget))
		return false;
	budget->left--;
	return true;
}

/**
 * struct xhci_pace - the account of a controller
 * @owed:	units spent and not paid for
 * @due:	units that the guest will pay when it writes ERDP
 * @counted_ns:	when time was last taken into account
 * @rest_until_ns: no work before that; 0 = no rest
 */
struct xhci_pace {
	uint64_t owed;
	uint64_t due;
	uint64_t counted_ns;
	uint64_t rest_until_ns;
};

static inline void xhci_pace_event_posted(struct xhci_pace *pace)
{
	pace->due += XHCI_PACE_EVENT_UNITS;
}

static inline void xhci_pace_moved(struct xhci_pace *pace, uint32_t bytes)
{
	pace->due += bytes / XHCI_PACE_BYTES_PER_UNIT;
}

/* The guest has written ERDP: it pays, and a rest may be over. */
void xhci_pace_guest_reacted(struct xhci_pace *pace);
/* A run has spent @units. */
static inline void xhci_pace_spent(struct xhci_pace *pace, unsigned units)
{
	pace->owed += units;
}
/* True if the account is so high that xhci_pace_settle() must look at it. */
static inline bool xhci_pace_is_ahead(const struct xhci_pace *pace)
{
	return pace->owed > XHCI_PACE_AHEAD;
}
/* At the end of a run: starts a rest if the account is too high. */
void xhci_pace_settle(struct xhci_pace *pace, uint64_t now_ns);
/* At the start of a run. False: the controller rests until @rest_until_ns. */
bool xhci_pace_allows(struct xhci_pace *pace, uint64_t now_ns);

#endif /* XHCI_BUDGET_H */
