/* SPDX-License-Identifier: MIT
 * irq.c - the client's eventfds for our interrupts
 */
#include "vuser/irq.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/closer.h"
#include "util/fd_kind.h"
#include "util/fds.h"
#include "util/log.h"
#include "vuser/signaller.h"

#define DATA_MASK   (VUSER_IRQ_SET_NONE | VUSER_IRQ_SET_BOOL | VUSER_IRQ_SET_EVENTFD)
#define ACTION_MASK (VUSER_IRQ_SET_MASK | VUSER_IRQ_SET_UNMASK | VUSER_IRQ_SET_TRIGGER)

static uint64_t vector_bit(unsigned vector)
{
	return UINT64_C(1) << vector;
}

void vuser_irqs_init(struct vuser_irqs *irqs)
{
	for (unsigned i = 0; i < VUSER_IRQS; i++) {
		struct vuser_irq_index *index = &irqs->index[i];

		for (unsigned v = 0; v < VUSER_VECTORS_MAX; v++)
			index->eventfd[v] = -1;
		index->pending = 0;
		index->masked = 0;
	}
}

static void index_disable(struct vuser_irq_index *index)
{
	for (unsigned v = 0; v < VUSER_VECTORS_MAX; v++)
		close_fd(&index->eventfd[v]);
	index->pending = 0;
	index->masked = 0;
}

void vuser_irqs_finish(struct vuser_irqs *irqs)
{
	for (unsigned i = 0; i < VUSER_IRQS; i++)
		index_disable(&irqs->index[i]);
}

void vuser_irqs_reset(struct vuser_irqs *irqs)
{
	for (unsigned i = 0; i < VUSER_IRQS; i++) {
		irqs->index[i].pending = 0;
		irqs->index[i].masked = 0;
	}
}

/* Gives up an eventfd that cannot be signalled: the client has spoilt it. The next interrupt
 * tries again after any other error. */
static void vector_signal(struct vuser_irq_index *index, unsigned vector)
{
	int r = signaller_signal(index->eventfd[vector]);

	if (r == 0)
		return;
	index->pending |= vector_bit(vector);
	if (r != -ETIMEDOUT && r != -EINVAL && r != -EBADF) {
		log_limited(LOG_LEVEL_WARN,
			    "vfio-user: an interrupt waits for the next: %s",
			    strerror(-r));
		return;
	}
	log_limited(LOG_LEVEL_WARN,
		    "vfio-user: vector %u has no interrupts any more: its eventfd: %s",
		    vector,
		    r == -ETIMEDOUT ? "the client keeps its counter full" : strerror(-r));
	closer_close(&index->eventfd[vector]);
}

void vuser_irqs_raise(struct vuser_irqs *irqs, unsigned i, unsigned vector)
{
	struct vuser_irq_index *index;

	assert(i < VUSER_IRQS && vector < VUSER_VECTORS_MAX);

	index = &irqs->index[i];
	if (index->eventfd[vector] < 0 || (index->masked & vector_bit(vector)))
		index->pending |= vector_bit(vector);
	else
		vector_signal(index, vector);
}

/* Sends the pending signal of @vector, if that is possible now. */
static void vector_deliver_pending(struct vuser_irq_index *index, unsigned vector)
{
	uint64_t bit = vector_bit(vector);

	if (!(index->pending & bit) || (index->masked & bit) ||
	    index->eventfd[vector] < 0)
		return;
	index->pending &= ~bit;
	vector_signal(index, vector);
}

static void assign_eventfds(struct vuser_irqs *irqs, const struct vuser_irq_set *set,
			    int *fds, unsigned nfds)
{
	struct vuser_irq_index *index = &irqs->index[set->index];

	for (uint32_t n = 0; n < set->count; n++) {
		int *slot = &index->eventfd[set->start + n];

		close_fd(slot);
		if (n >= nfds)
			continue;
		*slot = steal_fd(&fds[n]);
		vector_deliver_pending(index, set->start + n);
	}
}

/* MASK, UNMASK or TRIGGER of the vectors that NONE or BOOL selects. */
static void act_on_vectors(struct vuser_irqs *irqs, const struct vuser_irq_set *set,
			   const uint8_t *bools)
{
	struct vuser_irq_index *index = &irqs->index[set->index];

	for (uint32_t n = 0; n < set->count; n++) {
		unsigned vector = set->start + n;

		if ((set->flags & VUSER_IRQ_SET_BOOL) && !bools[n])
			continue;
		if (set->flags & VUSER_IRQ_SET_MASK) {
			index->masked |= vector_bit(vector);
		} else if (set->flags & VUSER_IRQ_SET_UNMASK) {
			index->masked &= ~vector_bit(vector);
			vector_deliver_pending(index, vector);
		} else if (index->eventfd[vector] >= 0) {
			vector_signal(index, vector);
		}
	}
}

static bool one_bit(uint32_t v)
{
	return v && !(v & (v - 1));
}

/* Checks the whole request before any effect. */
static int check_set(const uint32_t *counts, uint32_t num_irqs,
		     const struct vuser_irq_set *set, size_t bools_len, const int *fds,
		     unsigned nfds)
{
	uint32_t data = set->flags & DATA_MASK;
	uint32_t action = set->flags & ACTION_MASK;

	if (set->argsz < sizeof(*set) || set->index >= num_irqs)
		return -EINVAL;
	if ((set->flags & ~(DATA_MASK | ACTION_MASK)) || !one_bit(data) ||
	    !one_bit(action))
		return -EINVAL;
	if (nfds && data != VUSER_IRQ_SET_EVENTFD)
		return -EINVAL;
	if (set->count == 0) {
		/* "disable": fine for an index without vectors too */
		bool disable =
			data == VUSER_IRQ_SET_NONE && action == VUSER_IRQ_SET_TRIGGER;

		return disable && set->start == 0 ? 0 : -EINVAL;
	}
	if ((uint64_t)set->start + set->count > counts[set->index])
		return -EINVAL;
	if (data == VUSER_IRQ_SET_BOOL && bools_len != set->count)
		return -EINVAL;
	if (data != VUSER_IRQ_SET_EVENTFD)
		return 0;
	/* only INTx has eventfds for mask and unmask, and we have no INTx */
	if (action != VUSER_IRQ_SET_TRIGGER)
		return -EINVAL;
	if (nfds != 0 && nfds != set->count)
		return -EINVAL;
	for (unsigned n = 0; n < nfds; n++) {
		if (fd_kind(fds[n]) != FD_KIND_EVENTFD)
			return -EINVAL;
	}
	return 0;
}

int vuser_irqs_set(struct vuser_irqs *irqs, const uint32_t *counts, uint32_t num_irqs,
		   const struct vuser_irq_set *set, const uint8_t *bools,
		   size_t bools_len, int *fds, unsigned nfds)
{
	int r = check_set(counts, num_irqs, set, bools_len, fds, nfds);

	if (r < 0)
		return r;
	if (set->count == 0) {
		index_disable(&irqs->index[set->index]);
		return 1;
	}
	if (set->flags & VUSER_IRQ_SET_EVENTFD) {
		assign_eventfds(irqs, set, fds, nfds);
		return 1;
	}
	act_on_vectors(irqs, set, bools);
	return 0;
}
