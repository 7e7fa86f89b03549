/* SPDX-License-Identifier: MIT
 * irq.h - the client's eventfds for our interrupts
 *
 * One table per connection. Whatever the client hands over, nothing here can block
 * or hurt us: we take only eventfds (fd_kind.h), and signal them without a write that
 * could wait (signaller.h). Loop thread only.
 */
#ifndef VUSER_IRQ_H
#define VUSER_IRQ_H

#include <stddef.h>
#include <stdint.h>

#include "util/compiler.h"
#include "vuser/device.h"
#include "vuser/wire.h"

/**
 * struct vuser_irq_index - the vectors of one interrupt index
 * @eventfd:	owned, -1 = none
 * @pending:	bit per vector: raised while it had no eventfd or was masked
 * @masked:	bit per vector
 */
struct vuser_irq_index {
	int eventfd[VUSER_VECTORS_MAX];
	uint64_t pending;
	uint64_t masked;
};

/**
 * struct vuser_irqs
 */
struct vuser_irqs {
	struct vuser_irq_index index[VUSER_IRQS];
};

static_assert(VUSER_VECTORS_MAX <= 64, "a bit per vector");

void vuser_irqs_init(struct vuser_irqs *irqs);
/* Closes every eventfd, clears all pending and masked bits. */
void vuser_irqs_finish(struct vuser_irqs *irqs);
/* Clears all pending and masked bits; eventfds stay. */
void vuser_irqs_reset(struct vuser_irqs *irqs);

/**
 * vuser_irqs_set() - carry out SET_IRQS
 * @counts:	vectors of each index
 * @num_irqs:	indexes offered
 * @set:	the request, unchecked
 * @bools:	the @bools_len bytes behind @set in the message
 * @fds:	the eventfds; takes those it uses (leaves -1 in their place)
 *
 * Return: 1 if eventfds changed; 0 if not; -EINVAL without any effect.
 */
MUST_USE int vuser_irqs_set(struct vuser_irqs *irqs, const uint32_t *counts,
			    uint32_t num_irqs, const struct vuser_irq_set *set,
			    const uint8_t *bools, size_t bools_len, int *fds,
			    unsigned nfds);

/* Signals @vector, below VUSER_VECTORS_MAX, or notes it as pending. */
void vuser_irqs_raise(struct vuser_irqs *irqs, unsigned index, unsigned vector);

#endif /* VUSER_IRQ_H */
