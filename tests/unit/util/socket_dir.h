/* SPDX-License-Identifier: MIT
 * socket_dir.h - a folder for the path of a socket, and other users of that path
 *
 * Anything unexpected fails the running cmocka test.
 */
#ifndef TESTS_UNIT_UTIL_SOCKET_DIR_H
#define TESTS_UNIT_UTIL_SOCKET_DIR_H

/* Paths of the socket and of the lock that listen_unix() puts beside it. */
extern char path[64], lock_path[64];

/* cmocka set-up and tear-down of a group; the folder must be empty at the end. */
int make_dir(void **state);
int remove_dir(void **state);
/* cmocka tear-down of a test: removes @path and @lock_path. */
int remove_files(void **state);

/* Opens a client's connection to @path, non-blocking. Returns owned, or -errno. */
int connect_path(void);
/* Binds a socket to @path as another program would, and listens unless @backlog is negative.
 * Returns owned; when it is closed, its file becomes stale. */
int foreign_socket(int type, int backlog);

#endif /* TESTS_UNIT_UTIL_SOCKET_DIR_H */
