/* SPDX-License-Identifier: MIT
 * client.h - the clients of fuzzers that use sockets
 */
#ifndef TESTS_FUZZ_CLIENT_H
#define TESTS_FUZZ_CLIENT_H

#include "fuzz.h"

/* Opens a listening socket that leaves nothing in the file system. Returns owned. */
int fuzz_listen(const char *name);
/* Connects to the server. Returns owned, or -1 if the server has no room. */
int fuzz_connect(const char *name);
/* Connects from a socket with the name "@from-N", which the server reads by getpeername(). */
int fuzz_connect_from(const char *name, const char *from);

#endif /* TESTS_FUZZ_CLIENT_H */
