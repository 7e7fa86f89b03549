/* SPDX-License-Identifier: MIT
 * allocs.h - makes allocations of the code under test fail
 *
 * For programs linked with unit_allocs_link_args. It affects only calls from statically linked
 * code: ours, not those of libc, libevent and other libraries.
 */
#ifndef TESTS_UNIT_ALLOCS_H
#define TESTS_UNIT_ALLOCS_H

/* Makes @count allocations fail, from the @nth one on (0: the next). */
void allocs_fail(unsigned nth, unsigned count);
/* Makes no further allocation fail. Return: how many have failed */
unsigned allocs_work(void);

#endif /* TESTS_UNIT_ALLOCS_H */
