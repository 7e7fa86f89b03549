/* SPDX-License-Identifier: MIT
 * confine.h - tells the sandbox what the command line needs
 *
 * Later the daemon can reach only what the command line names. confine makes the things that it
 * cannot make in the sandbox. Loop thread only. Reasons of failures are logged.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include "util/compiler.h"

struct loop;
struct named;
struct options;

/* The first step, see sandbox_confine(): before the first thread. Return: 0 or -errno:
 * -ECANCELED, SIGTERM or SIGINT came meanwhile. */
MUST_USE int confine(const struct options *options, const struct named *named);
/* The second step, see sandbox_seal(). First makes what the sandbox forbids to make. Return: 0 or
 * -errno. */
MUST_USE int confine_seal(const struct options *options, const struct named *named,
			  struct loop *loop);

#endif /* DAEMON_CONFINE_H */
