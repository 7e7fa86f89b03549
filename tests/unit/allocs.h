/* SPDX-License-Identifier: MIT
 * allocs.h - makes allocations of the code under test fail, one after the other
 *
 * For programs linked with unit_allocs_link_args. Only calls from what is linked
 * statically are seen: ours, not those of libc, libevent and the like.
 */
#ifndef TESTS_UNIT_ALLOCS_H
#define TESTS_UNIT_ALLOCS_H

/* The @nth allocation from now on fails (0: the next), and @count - 1 behind it. */
void allocs_fail(unsigned nth, unsigned count);
/* None fails any more. Return: how many have. */
unsigned allocs_work(void);

#endif /* TESTS_UNIT_ALLOCS_H */
