/* SPDX-License-Identifier: MIT
 * plug.c - attaches and detaches devices through the control socket, many times
 */
#include <stdio.h>
#include <string.h>

#include "tests/endurance/kinds.h"

#define WARM_ROUNDS 64u

/* Waits until the port is (dis)connected and drops all earlier events. */
static void await_port(struct endure *e, unsigned port, bool connected)
{
	if (drv_port_wait(&e->drv, port, XPORT_CCS, connected ? XPORT_CCS : 0) < 0)
		endure_fail(e, "port %u does not change", port);
	drv_port_clear(&e->drv, port, XPORT_CHANGES);
	drv_forget(&e->drv);
}

void endure_plug(struct endure *e, const struct endure_amount *amount)
{
	char image[DAEMON_PATH_MAX], specs[3][256], request[512], id[16];
	struct endure_figures before = {0};
	unsigned enumerated = 0;

	if (daemon_image(&e->daemon, "image", 1u << 20, image) < 0)
		endure_fail(e, "no image");
	(void)snprintf(specs[0], sizeof(specs[0]), "keyboard");
	(void)snprintf(specs[1], sizeof(specs[1]), "zero");
	(void)snprintf(specs[2], sizeof(specs[2]), "stick:file=%s", image);
	endure_start(e);
	for (unsigned round = 0; round < amount->rounds; round++) {
		/* unplug some devices while the guest uses them */
		bool use = endure_random(e, 8) == 0;
		int port;

		(void)snprintf(request, sizeof(request), "{'verb':'attach','spec':'%s'}",
			       specs[round % 3]);
		endure_ask(e, request, id);
		port = drv_port_connected(&e->drv, 1);
		if (port < 0)
			endure_fail(e, "no device was plugged in");
		if (use) {
			endure_find(e);
			enumerated++;
		}
		drv_port_clear(&e->drv, (unsigned)port, XPORT_CHANGES);
		(void)snprintf(request, sizeof(request),
			       "{'verb':'detach','device':'%s'}", id);
		endure_ask(e, request, NULL);
		await_port(e, (unsigned)port, false);
		if (use && drv_slot_disable(e->device.slot) < 0)
			endure_fail(e, "Disable Slot");
		if (use)
			endure_reuse_memory(e);
		if (round == WARM_ROUNDS)
			before = endure_figures(e);
	}
	(void)printf("plug: %u attached and detached, %u of them enumerated\n",
		     amount->rounds, enumerated);
	if (amount->rounds > WARM_ROUNDS)
		endure_compare(e, &before);
	endure_finish(e);
}
