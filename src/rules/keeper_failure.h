/* SPDX-License-Identifier: MIT
 * keeper_failure.h - devices that a rule cannot have, and when it tries them again
 */
#ifndef RULES_KEEPER_FAILURE_H
#define RULES_KEEPER_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct failure;
struct kept_rule;
struct known;

/* Of a rule. */
#define KEEPER_FAILURES_MAX 64u

/* That of @rule with @known, or NULL. */
struct failure *keeper_failure(const struct kept_rule *rule, const struct known *known);
/* Notes that @rule cannot have @known, and logs it; the rule tries again, later each time. */
void keeper_fail(struct kept_rule *rule, const struct known *known, const struct err *err,
		 bool refused);
/* The same, not before @retry_ns, and without a line in the log. */
void keeper_postpone(struct kept_rule *rule, const struct known *known,
		     const struct err *err, bool refused, uint64_t retry_ns);
void keeper_drop_failure(struct kept_rule *rule, struct failure *failure);
void keeper_log_failure(const struct kept_rule *rule, const struct failure *failure);
/* @first_ns, doubled with each of @count after the first, up to a limit. */
uint64_t keeper_backoff_ns(unsigned count, uint64_t first_ns);

#endif /* RULES_KEEPER_FAILURE_H */
