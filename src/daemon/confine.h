/* SPDX-License-Identifier: MIT
 * confine.h - from the command line to the sandbox: what this daemon will need
 *
 * The daemon can reach later what the command line names; what it cannot make in the sandbox is
 * made here. Loop thread only. Reasons of failures are logged.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include "util/compiler.h"

struct loop;
struct named;
struct options;

/* The first step, see sandbox_confine(): before the first thread. Return: 0 or -errno:
 * -ECANCELED, we were told to end meanwhile. */
MUST_USE int confine(const struct options *options, const struct named *named);
/* The second, see sandbox_seal(), with what has to be there before. Return: 0 or -errno. */
MUST_USE int confine_seal(const struct options *options, const struct named *named,
			  struct loop *loop);

#endif /* DAEMON_CONFINE_H */
