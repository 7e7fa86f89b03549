/* SPDX-License-Identifier: MIT
 * peers.c - which users may connect to a unix socket
 */
#include "util/peers.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/self.h"

#define NAME_BYTES     256u
#define DATABASE_BYTES 16384u
/* The kernel's limit for a process. */
#define GROUPS_MAX 65536u

static bool parse_id(const char *text, unsigned *ret_id)
{
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(text, &end, 10);
	/* -1 means "none" to the kernel */
	if (text[0] < '0' || text[0] > '9' || *end || errno || id >= UINT32_MAX)
		return false;
	*ret_id = (unsigned)id;
	return true;
}

static int add_user(struct peers *peers, const char *name, struct err *err)
{
	char buf[DATABASE_BYTES];
	struct passwd user, *found = NULL;
	unsigned id;

	if (!parse_id(name, &id)) {
		if (getpwnam_r(name, &user, buf, sizeof(buf), &found) != 0 || !found)
			return err_set(err, EINVAL, "there is no user '%s'", name);
		id = found->pw_uid;
	}
	if (peers->uid_count == PEERS_MAX)
		return err_set(err, EINVAL, "more than %u users", PEERS_MAX);
	peers->uids[peers->uid_count++] = id;
	return 0;
}

static int add_group(struct peers *peers, const char *name, struct err *err)
{
	char buf[DATABASE_BYTES];
	struct group group, *found = NULL;
	unsigned id;

	if (!parse_id(name, &id)) {
		if (getgrnam_r(name, &group, buf, sizeof(buf), &found) != 0 || !found)
			return err_set(err, EINVAL, "there is no group '%s'", name);
		id = found->gr_gid;
	}
	if (peers->gid_count == PEERS_MAX)
		return err_set(err, EINVAL, "more than %u groups", PEERS_MAX);
	peers->gids[peers->gid_count++] = id;
	return 0;
}

int peers_parse(struct peers *peers, const char *text, struct err *err)
{
	const char *at = text;

	for (;;) {
		size_t len = strcspn(at, ",");
		char name[NAME_BYTES];
		int r;

		if (len == 0 || len >= sizeof(name))
			return err_set(
				err, EINVAL,
				"'%s' is not a list of users and @groups separated "
				"by commas",
				text);
		memcpy(name, at, len);
		name[len] = '\0';
		r = name[0] == '@' ? add_group(peers, name + 1, err)
				   : add_user(peers, name, err);
		if (r < 0)
			return r;
		if (at[len] == '\0')
			return 0;
		at += len + 1;
	}
}

int peer_read(int fd, struct ucred *ret_peer)
{
	socklen_t len = sizeof(*ret_peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &len) < 0 ? -errno : 0;
}

bool peer_is_ours(const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == self_uid();
}

static bool has_group(const struct peers *peers, gid_t gid)
{
	for (unsigned i = 0; i < peers->gid_count; i++) {
		if (peers->gids[i] == gid)
			return true;
	}
	return false;
}

/* Looks at the supplementary groups of the peer. */
static bool has_further_group(const struct peers *peers, int fd)
{
	gid_t some[64];
	_cleanup_free_ gid_t *many = NULL;
	gid_t *groups = some;
	socklen_t len = sizeof(some);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, some, &len) < 0) {
		if (errno != ERANGE || len > GROUPS_MAX * sizeof(gid_t))
			return false;
		many = groups = malloc(len);
		if (!many || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &len) < 0)
			return false;
	}
	for (size_t i = 0; i < len / sizeof(gid_t); i++) {
		if (has_group(peers, groups[i]))
			return true;
	}
	return false;
}

bool peers_have(const struct peers *peers, int fd, const struct ucred *peer)
{
	for (unsigned i = 0; i < peers->uid_count; i++) {
		if (peers->uids[i] == peer->uid)
			return true;
	}
	return peers->gid_count > 0 &&
	       (has_group(peers, peer->gid) || has_further_group(peers, fd));
}
