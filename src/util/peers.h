/* SPDX-License-Identifier: MIT
 * peers.h - who may be at the other end of a unix socket
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
 * struct peers - a list of users and groups; all zeros = none was given
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
 * Asks the system's databases of users, which may wait: before the loop runs.
 * Return: 0, or -EINVAL with the reason in @err.
 */
MUST_USE int peers_parse(struct peers *peers, const char *text, struct err *err);

static inline bool peers_given(const struct peers *peers)
{
	return peers->uid_count > 0 || peers->gid_count > 0;
}

/* The process that has connected @fd. Return: 0 or -errno. */
MUST_USE int peer_read(int fd, struct ucred *ret_peer);
/* Root, or the user that we are. */
bool peer_is_ours(const struct ucred *peer);
/* Whether the process that has connected @fd is in the list, by its user or any of its
 * groups as they were then. */
bool peers_have(const struct peers *peers, int fd, const struct ucred *peer);

#endif /* UTIL_PEERS_H */
