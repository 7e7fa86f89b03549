/* SPDX-License-Identifier: MIT
 * endure.h - a daemon and a guest's driver that are disturbed at random for long
 *
 * What fails ends the program: it prints the seed, and what the daemon has logged last.
 */
#ifndef ENDURANCE_ENDURE_H
#define ENDURANCE_ENDURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/daemon.h"
#include "tests/lib/drv_device.h"

/* What is done to it. All but the first two lose the device, which is enumerated again then. */
enum disturbance {
	DISTURB_STOP, /* Stop Endpoint, and a doorbell */
	DISTURB_RESTORE, /* the client goes, and another takes the guest over where it stands */
	DISTURB_PORT,   /* port reset */
	DISTURB_HCRST,  /* controller reset with transfers in flight */
	DISTURB_REPLUG, /* unplugged and plugged in, by the control socket */
	DISTURB_CLIENT, /* the client goes; another boots a guest */
	DISTURB_KILL,   /* the daemon is killed and started again */
	/* the device is pulled on the host's side, and plugged in again, by whoever reads "PULL" */
	DISTURB_PULL,
	DISTURBANCES,
};

enum moved {
	MOVED_ALL,
	MOVED_LOST, /* the device has been lost on the way: all from the start */
};

/**
 * struct endure - what a run has
 * @spec:	of the device, as after --device
 * @pull_path:	FIFO of the vhci-device that is pulled on the host's side and plugged in again
 * @permille:	how probable each disturbance is whenever an event is waited for
 * @growth_kib:	how much memory of its own the daemon may have more in the end
 * @counts:	of the disturbances
 * @base_used:	of guest memory, by zone: what lasts longer than a controller's life
 */
struct endure {
	struct daemon daemon;
	struct guest_ram ram;
	struct vmm vmm;
	struct drv drv;
	struct drv_device device;
	struct control_client *control;
	char control_path[DAEMON_PATH_MAX];
	char spec[256];
	const char *pull_path;
	uint64_t seed;
	uint64_t random;
	unsigned permille[DISTURBANCES];
	uint64_t growth_kib;
	uint64_t counts[DISTURBANCES];
	uint64_t base_used[2];
};

__attribute__((format(printf, 2, 3), noreturn)) void endure_fail(struct endure *e,
								 const char *format, ...);
uint64_t endure_random(struct endure *e, uint64_t below);

/* @seed 0: any. Memory of @zone_bytes in each zone. */
void endure_init(struct endure *e, uint64_t seed, uint64_t zone_bytes);
/* Starts the daemon with @e->spec ("": without a device) and drives its controller. What was allocated so far lasts. */
void endure_start(struct endure *e);
/* Ends the daemon by SIGTERM, and demands a clean end. */
void endure_finish(struct endure *e);

/* Asks on the control socket; demands that it is done. @text: JSON with ' for ". @id, if not NULL: of the
 * device in the answer. */
void endure_ask(struct endure *e, const char *text, char id[16]);
/* Guest memory that slots of devices that have gone had is used for others; when little is left, by a new
 * start of the controller. */
void endure_reuse_memory(struct endure *e);
/* Enumerates what is plugged in, into @e->device. */
void endure_find(struct endure *e);

/**
 * endure_move() - move data by TDs of random sizes, while @e is disturbed at random
 * @bytes:	a multiple of @granule_bytes, of which all TDs but the last are multiples
 *
 * Demands that each TD completes once, in order, in full length.
 */
MUST_USE enum moved endure_move(struct endure *e, unsigned dci, uint64_t iova,
				uint32_t bytes, uint32_t granule_bytes);

/* What the daemon has, for comparison. */
struct endure_figures {
	int fds;
	struct daemon_usage usage;
};
struct endure_figures endure_figures(struct endure *e);
/* Demands that it has not grown since @before, and that nothing runs when it is idle. Prints both. */
void endure_compare(struct endure *e, const struct endure_figures *before);
void endure_print_counts(const struct endure *e);

#endif /* ENDURANCE_ENDURE_H */
