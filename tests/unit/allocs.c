/* SPDX-License-Identifier: MIT
 * allocs.c - makes allocations of the code under test fail
 */
#include "allocs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *ptr, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *ptr, size_t bytes);
char *__wrap_strdup(const char *text);

static atomic_uint first_fault;
static atomic_uint faults;
static atomic_uint seen;
static atomic_uint failed;

void allocs_fail(unsigned nth, unsigned count)
{
	seen = 0;
	failed = 0;
	first_fault = nth;
	faults = count;
}

unsigned allocs_work(void)
{
	faults = 0;
	return failed;
}

static bool fails(void)
{
	unsigned number;

	if (faults == 0)
		return false;
	number = seen++;
	if (number < first_fault || number - first_fault >= faults)
		return false;
	failed++;
	return true;
}

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *ptr, size_t bytes)
{
	return fails() ? NULL : __real_realloc(ptr, bytes);
}

char *__wrap_strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = fails() ? NULL : __real_malloc(bytes);

	return copy ? memcpy(copy, text, bytes) : NULL;
}
