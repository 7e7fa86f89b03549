/* SPDX-License-Identifier: MIT
 * pattern.h - the bytes that the test device sends and expects
 */
#ifndef USBDEV_ZERO_PATTERN_H
#define USBDEV_ZERO_PATTERN_H

enum zero_pattern {
	ZERO_PATTERN_ZEROS, /* all bytes 0 */
	ZERO_PATTERN_MOD63, /* byte i of a packet is i modulo 63 */
};

#endif /* USBDEV_ZERO_PATTERN_H */
