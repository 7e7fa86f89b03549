/* SPDX-License-Identifier: MIT
 * keeper_status.h - holders and failures as the owner sees them
 */
#ifndef RULES_KEEPER_STATUS_H
#define RULES_KEEPER_STATUS_H

#include "rules/keeper_options.h"

struct failure;
struct holder;
struct kept_rule;

struct keeper_status keeper_holder_status(const struct holder *holder);
struct keeper_status keeper_failure_status(const struct kept_rule *rule,
					   const struct failure *failure);

#endif /* RULES_KEEPER_STATUS_H */
