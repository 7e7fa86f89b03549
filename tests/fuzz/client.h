/* SPDX-License-Identifier: MIT
 * client.h - what fuzzers of sockets share: their clients
 */
#ifndef TESTS_FUZZ_CLIENT_H
#define TESTS_FUZZ_CLIENT_H

#include "fuzz.h"

/* A listening socket that leaves nothing in the file system. Returns owned. */
int fuzz_listen(const char *name);
/* Returns owned, or -1 if the server has no room. */
int fuzz_connect(const char *name);
/* The same, from a socket that has the name "@from-N", as getpeername() tells the server. */
int fuzz_connect_from(const char *name, const char *from);

#endif /* TESTS_FUZZ_CLIENT_H */
