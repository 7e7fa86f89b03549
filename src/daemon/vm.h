/* SPDX-License-Identifier: MIT
 * vm.h - one virtual machine's USB controller: vuser, pci, xhci and mem joined
 *
 * Loop thread only. The controller and its devices live as long as the struct; VMMs come
 * and go.
 */
#ifndef DAEMON_VM_H
#define DAEMON_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct usbdev;
struct usbdev_tap;
struct peers;
struct vm;

/**
 * struct vm_options - the controller's features, and the owner's callbacks
 * @ports:	of each kind (USB 2 and USB 3)
 * @with_msix:	offer MSI-X beside MSI
 * @memory_files: file systems whose files may be guest memory (memory_file_check());
 *		borrowed; NULL: MEMORY_FILE_SYSTEMS
 * @vmms:	peers that may be the VMM, beside root and our own user; NULL: all that can connect.
 *		Borrowed for ever
 * @ended:	the only possible client has gone (connected socket). Called from the loop, with no
 *		op of the vm on the stack
 * @emptied:	answers vm_unplug_all(), called in the same way
 * @gone:	the device in @port was pulled on the host: it is being destroyed, the port is
 *		free. May be NULL
 */
struct vm_options {
	unsigned ports;
	bool with_msix;
	const char *memory_files;
	const struct peers *vmms;
	void (*ended)(void *ctx);
	void (*emptied)(void *ctx);
	void (*gone)(void *ctx, unsigned port);
	void *ctx;
};

/* Returns owned, or NULL without memory. @options is copied. */
struct vm *vm_create(struct loop *loop, const struct vm_options *options);
/* Stops serving first. NULL is fine. Every device must have been unplugged (vm_is_empty()). */
void vm_destroy(struct vm *vm);

/* Serves VMMs on @fd, listening or connected; taken, also on failure. Once.
 * Return: 0 or -errno with the reason in @err. */
MUST_USE int vm_serve(struct vm *vm, int fd, struct err *err);
/* Closes the sockets: no VMM is served any more. */
void vm_stop_serving(struct vm *vm);

/* The VMM: @connected, and how many bytes of the guest's memory it shares with us, and how many
 * not. */
struct vm_client {
	bool connected;
	uint64_t shared_bytes;
	uint64_t unshared_bytes;
};
struct vm_client vm_client(const struct vm *vm);

/* The highest number that a port can have. Ports are numbered from 1. */
#define VM_PORT_MAX 30u

enum vm_port_kind {
	VM_PORT_KIND_USB2,
	VM_PORT_KIND_USB3,
};

/* How many ports there are, of both kinds. */
unsigned vm_port_count(const struct vm *vm);
/* The kind of @port, which is one of them. */
enum vm_port_kind vm_port_kind(const struct vm *vm, unsigned port);

/**
 * struct vm_reserved - free ports that are reserved for other devices
 * @ports:	the first to be given up first
 */
struct vm_reserved {
	unsigned count;
	unsigned ports[VM_PORT_MAX];
};

/**
 * vm_plug() - plug a device in
 * @dev:	taken, also on failure
 * @port:	preferred; vm_plug() chooses another if it is 0, taken or of the other kind
 * @reserved:	chosen only if no other port is left; may be NULL
 *
 * Return: the port's number (1-based), or -errno with the reason in @err.
 */
MUST_USE int vm_plug(struct vm *vm, struct usbdev *dev, unsigned port,
		     const struct vm_reserved *reserved, struct err *err);
/**
 * struct vm_unplug - a device that leaves; the caller's until @done
 * @vm:		filled in by vm_unplug()
 * @done:	the device was destroyed, and the host has its interfaces back. Called later, from
 *		the loop. May be NULL
 */
struct vm_unplug {
	struct vm *vm;
	void (*done)(struct vm_unplug *unplug);
};

/* Pulls the device in @port and destroys it: the port is free at once. @unplug may be NULL.
 * Return: 0, or -ENOENT: the port is empty, and vm does not call @unplug->done. */
MUST_USE int vm_unplug(struct vm *vm, unsigned port, struct vm_unplug *unplug);
/* Pulls and destroys every device. Transfers in flight end first, and the devices give back what
 * they hold. When all is done, and not before this returns, vm calls options.emptied. */
void vm_unplug_all(struct vm *vm);
/* True if no device is left, not even one that is being destroyed. */
bool vm_is_empty(const struct vm *vm);

/* Reports the transfers of all devices, also of those plugged in later, to @tap (borrowed) until
 * another call replaces it; NULL = no tap. */
void vm_set_tap(struct vm *vm, struct usbdev_tap *tap);

#endif /* DAEMON_VM_H */
