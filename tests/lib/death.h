/* SPDX-License-Identifier: MIT
 * death.h - runs a call that must abort the process
 */
#ifndef TESTS_LIB_DEATH_H
#define TESTS_LIB_DEATH_H

#include <stdbool.h>

/* Runs @last(@ctx) in a child process. True if SIGABRT ends the child, with @words on its
 * stderr. */
bool dies_saying(void (*last)(void *ctx), void *ctx, const char *words);

#endif /* TESTS_LIB_DEATH_H */
