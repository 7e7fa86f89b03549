/* SPDX-License-Identifier: MIT
 * lingering.h - a descriptor whose close() waits for another party
 *
 * A TCP socket with unsent data and SO_LINGER: its last close() waits for a peer that
 * does not read. That makes close() wait without FUSE.
 */
#ifndef TESTS_LIB_LINGERING_H
#define TESTS_LIB_LINGERING_H

/**
 * lingering_open() - open such a socket
 * @seconds:	longest wait of close() of its last descriptor; closing @ret_peer ends it
 *		earlier
 * @ret_peer:	owned; the other end
 *
 * Return: owned, or -1: no loopback network.
 */
int lingering_open(int seconds, int *ret_peer);

#endif /* TESTS_LIB_LINGERING_H */
