/* SPDX-License-Identifier: MIT
 * endure.h - a daemon and a guest driver, with random disturbances for a long time
 *
 * A failure ends the program, which prints the seed and the end of the daemon's log.
 */
#ifndef ENDURANCE_ENDURE_H
#define ENDURANCE_ENDURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/daemon.h"
#include "tests/lib/drv_device.h"

/* Disturbances. After all but the first two the driver enumerates the device again. */
enum disturbance {
	DISTURB_STOP,    /* Stop Endpoint, then a doorbell */
	DISTURB_RESTORE, /* another client connects and restores the running guest */
	DISTURB_PORT,    /* port reset */
	DISTURB_HCRST,   /* controller reset with transfers in flight */
	DISTURB_REPLUG,  /* unplug and replug through the control socket */
	DISTURB_CLIENT,  /* another client connects and boots a guest */
	DISTURB_KILL,    /* kill the daemon and start it again */
	/* the reader of "PULL" unplugs the device from the host and replugs it */
	DISTURB_PULL,
	DISTURBANCES,
};

enum moved {
	MOVED_ALL,
	MOVED_LOST, /* a disturbance lost the device: start over */
};

/**
 * struct endure - one run
 * @spec:	the device, as for --device
 * @permille:	probability of each disturbance at each wait for an event
 * @growth_kib:	growth of the daemon's own memory that the run allows
 * @counts:	of disturbances so far
 * @base_used:	guest memory, by zone, allocated before the controller started; it
 *		outlives the controller
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

/* @seed 0: random. Guest memory of @zone_bytes in each zone. */
void endure_init(struct endure *e, uint64_t seed, uint64_t zone_bytes);
/* Starts the daemon with @e->spec ("": without a device) and its controller. Earlier
 * allocations stay valid in later restarts. */
void endure_start(struct endure *e);
/* Ends the daemon with SIGTERM. Fails unless it exits cleanly. */
void endure_finish(struct endure *e);

/* Sends a request to the control socket. Fails if the daemon refuses it. @text: JSON with
 * ' for ". @id, unless NULL: of the device in the answer. */
void endure_ask(struct endure *e, const char *text, char id[16]);
/* Restarts the controller when little guest memory is left, which frees the memory of old
 * slots. */
void endure_reuse_memory(struct endure *e);
/* Enumerates the first connected device into @e->device. */
void endure_find(struct endure *e);

/**
 * endure_move() - move data by TDs of random sizes, with random disturbances
 * @bytes:	a multiple of @granule_bytes; so are the sizes of all TDs but the last
 *
 * Fails unless each TD completes once, in order, with its full length.
 */
MUST_USE enum moved endure_move(struct endure *e, unsigned dci, uint64_t iova,
				uint32_t bytes, uint32_t granule_bytes);

/* Figures of the daemon for endure_compare(). */
struct endure_figures {
	int fds;
	struct daemon_usage usage;
};
struct endure_figures endure_figures(struct endure *e);
/* Fails if the daemon has grown since @before, or if it is not idle. Prints old and new
 * figures. */
void endure_compare(struct endure *e, const struct endure_figures *before);
void endure_print_counts(const struct endure *e);

#endif /* ENDURANCE_ENDURE_H */
