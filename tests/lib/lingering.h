/* SPDX-License-Identifier: MIT
 * lingering.h - a descriptor whose close() waits for another party
 *
 * A TCP socket with unsent data and SO_LINGER: its last close() waits for a peer that does
 * not read. So no file system of one's own (FUSE) is needed to have a close() wait.
 */
#ifndef TESTS_LIB_LINGERING_H
#define TESTS_LIB_LINGERING_H

/**
 * lingering_open() - such a socket
 * @seconds:	close() of its last descriptor waits that long, at most until @ret_peer is
 *		closed
 * @ret_peer:	owned; the other end
 *
 * Return: owned, or -1: no loopback network.
 */
int lingering_open(int seconds, int *ret_peer);

#endif /* TESTS_LIB_LINGERING_H */
