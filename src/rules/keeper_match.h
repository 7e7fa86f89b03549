/* SPDX-License-Identifier: MIT
 * keeper_match.h - which rule gets which device
 */
#ifndef RULES_KEEPER_MATCH_H
#define RULES_KEEPER_MATCH_H

/* The callback of a loop_task: runs one pass over rules and devices. @ctx: struct keeper */
void keeper_on_pass(void *ctx);

#endif /* RULES_KEEPER_MATCH_H */
