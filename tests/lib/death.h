/* SPDX-License-Identifier: MIT
 * death.h - for tests of what must end the process
 */
#ifndef TESTS_LIB_DEATH_H
#define TESTS_LIB_DEATH_H

#include <stdbool.h>

/* True if @last(@ctx) in a child process ends it by SIGABRT, with @words on its stderr. */
bool dies_saying(void (*last)(void *ctx), void *ctx, const char *words);

#endif /* TESTS_LIB_DEATH_H */
