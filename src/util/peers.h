/* SPDX-License-Identifier: MIT
 * peers.h - which users may connect to a unix socket
 */
#ifndef UTIL_PEERS_H
#define UTIL_PEERS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "util/compiler.h"
#include "util/err.h"

/* Users and groups in a list. */
#define PEERS_MAX 32u

/**
 * struct peers - a list of users and groups; all zeros: no list was given
 */
struct peers {
	unsigned uid_count;
	unsigned gid_count;
	uid_t uids[PEERS_MAX];
	gid_t gids[PEERS_MAX];
};

/**
 * peers_parse() - read "USER,@GROUP,...": names or numbers
 *
 * Asks the system's user database, which may block: call it before the loop runs.
 * Return: 0, or -EINVAL with the reason in @err.
 */
MUST_USE int peers_parse(struct peers *peers, const char *text, struct err *err);

static inline bool peers_given(const struct peers *peers)
{
	return peers->uid_count > 0 || peers->gid_count > 0;
}

/* The process at the other end of @fd. Return: 0 or -errno. */
MUST_USE int peer_read(int fd, struct ucred *ret_peer);
/* Whether it is root or our own user. */
bool peer_is_ours(const struct ucred *peer);
/* Whether the list has the user, or any group, that the peer of @fd had when it connected. */
bool peers_have(const struct peers *peers, int fd, const struct ucred *peer);

#endif /* UTIL_PEERS_H */
