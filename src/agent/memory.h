/* SPDX-License-Identifier: MIT
 * memory.h - memory, or the end of the agent
 */
#ifndef AGENT_MEMORY_H
#define AGENT_MEMORY_H

#include <stddef.h>

/* Zeroed; free() it. Without memory the process ends with a line in the log: whoever runs
 * the agent starts it again, and it takes over what the daemon has. Any thread. */
void *agent_alloc(size_t bytes);
_Noreturn void agent_out_of_memory(void);

#endif /* AGENT_MEMORY_H */
