/* SPDX-License-Identifier: MIT
 * input.h - the FIFO whose text a keyboard types
 *
 * Who can write to it types into the guest: so it must be ours, and nobody else's to write to.
 */
#ifndef USBDEV_KEYBOARD_INPUT_H
#define USBDEV_KEYBOARD_INPUT_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/err.h"

/**
 * struct keyboard_input - an open FIFO; may be moved
 * @fd:		-1: none
 * @path:	of the FIFO; owned
 * @made:	by us: it is removed in the end
 */
struct keyboard_input {
	int fd;
	char *path;
	bool made;
};

/* Makes the FIFO @path if nothing is there, for when none can be made later. Return: whether it
 * was made; why not is said when it is opened. */
bool keyboard_input_make(const char *path);
/* Notes that it was, also by another process: the next one to open it removes it in the end. */
void keyboard_input_made(const char *path);

/**
 * keyboard_input_open() - open the FIFO @path, made if it is not there
 * @anyone:	it may belong to another user, and others may write to it
 *
 * May wait for the file system: not for the loop thread.
 * Return: 0, or -errno with the reason in @err.
 */
MUST_USE int keyboard_input_open(struct keyboard_input *input, const char *path,
				 bool anyone, struct err *err);
/* The same with a FIFO or pipe that is open for reading, and may be anyone's. @fd: taken, also
 * on failure. */
MUST_USE int keyboard_input_adopt(struct keyboard_input *input, int fd, const char *path,
				  struct err *err);
/* Fine on one that is not open. */
void keyboard_input_close(struct keyboard_input *input);

#endif /* USBDEV_KEYBOARD_INPUT_H */
