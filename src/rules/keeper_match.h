/* SPDX-License-Identifier: MIT
 * keeper_match.h - which rule gets which device
 */
#ifndef RULES_KEEPER_MATCH_H
#define RULES_KEEPER_MATCH_H

/* struct loop_task's: the pass. @ctx: struct keeper */
void keeper_on_pass(void *ctx);

#endif /* RULES_KEEPER_MATCH_H */
