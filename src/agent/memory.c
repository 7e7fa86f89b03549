/* SPDX-License-Identifier: MIT
 * memory.c - memory, or the end of the agent
 */
#include "agent/memory.h"

#include <stdlib.h>

#include "util/log.h"

void agent_out_of_memory(void)
{
	log_error("out of memory");
	exit(1);
}

void *agent_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		agent_out_of_memory();
	return memory;
}
