/* SPDX-License-Identifier: MIT
 * input.h - the FIFO whose text a keyboard types
 *
 * A user who can write to it types into the guest, so it must be ours, and no other user may
 * write to it.
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
 * @made:	we created it, and remove it in the end
 */
struct keyboard_input {
	int fd;
	char *path;
	bool made;
};

/* Creates the FIFO @path if there is no such file, before a sandbox forbids that. Return: whether
 * it did; keyboard_input_open() will say why not. */
bool keyboard_input_make(const char *path);
/* Notes that @path was created, perhaps by another process: the next one to open it removes it
 * in the end. */
void keyboard_input_made(const char *path);

/**
 * keyboard_input_open() - open the FIFO @path, and create it if necessary
 * @anyone:	it may belong to another user, and others may write to it
 *
 * May wait for the file system: not for the loop thread.
 * Return: 0, or -errno with the reason in @err.
 */
MUST_USE int keyboard_input_open(struct keyboard_input *input, const char *path,
				 bool anyone, struct err *err);
/* The same with a FIFO or pipe that is open for reading, of any user. @fd: taken, also on
 * failure. */
MUST_USE int keyboard_input_adopt(struct keyboard_input *input, int fd, const char *path,
				  struct err *err);
/* Fine on an input that is not open. */
void keyboard_input_close(struct keyboard_input *input);

#endif /* USBDEV_KEYBOARD_INPUT_H */
