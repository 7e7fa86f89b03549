/* SPDX-License-Identifier: MIT
 * claim.c - files that are in use by a part of this process
 */
#include "util/claim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/list.h"

struct claim {
	struct list node;
	bool shared;
	bool is_block;
	dev_t dev;
	ino_t inode;
	char user[CLAIM_USER_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list claims = {&claims, &claims};

static bool is_same(const struct claim *a, const struct claim *b)
{
	return a->is_block == b->is_block && a->dev == b->dev && a->inode == b->inode;
}

/* Under the lock. */
static const struct claim *find_rival(const struct claim *claim)
{
	struct list *pos;

	LIST_FOREACH(pos, &claims) {
		const struct claim *other = LIST_ENTRY(pos, struct claim, node);

		if (is_same(claim, other) && !(claim->shared && other->shared))
			return other;
	}
	return NULL;
}

int claim_take(const struct stat *st, bool shared, const char *user,
	       struct claim **ret_claim, char ret_holder[CLAIM_USER_BYTES])
{
	struct claim *claim = calloc(1, sizeof(*claim));
	const struct claim *rival;

	if (!claim)
		return -ENOMEM;
	claim->shared = shared;
	claim->is_block = S_ISBLK(st->st_mode);
	claim->dev = claim->is_block ? st->st_rdev : st->st_dev;
	claim->inode = claim->is_block ? 0 : st->st_ino;
	(void)snprintf(claim->user, sizeof(claim->user), "%s", user);

	pthread_mutex_lock(&lock);
	rival = find_rival(claim);
	if (rival)
		(void)snprintf(ret_holder, CLAIM_USER_BYTES, "%s", rival->user);
	else
		list_append(&claims, &claim->node);
	pthread_mutex_unlock(&lock);
	if (rival) {
		free(claim);
		return -EBUSY;
	}
	*ret_claim = claim;
	return 0;
}

void claim_drop(struct claim *claim)
{
	if (!claim)
		return;
	pthread_mutex_lock(&lock);
	list_remove(&claim->node);
	pthread_mutex_unlock(&lock);
	free(claim);
}
