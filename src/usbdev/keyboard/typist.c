/* SPDX-License-Identifier: MIT
 * typist.c - which keys make a character on a US keyboard (HID usage tables 10)
 */
#include "usbdev/keyboard/typist.h"

#include <string.h>

#define USAGE_A         0x04u
#define USAGE_1         0x1eu
#define USAGE_0         0x27u
#define USAGE_ENTER     0x28u
#define USAGE_ESCAPE    0x29u
#define USAGE_BACKSPACE 0x2au
#define USAGE_TAB       0x2bu
#define USAGE_SPACE     0x2cu

/* The keys from 0x2d on, without and with Shift. A US keyboard has no 0x32. */
#define USAGE_PUNCTUATION 0x2du
static const char plain[] = "-=[]\\\x01;'`,./";
static const char shifted[] = "_+{}|\x01:\"~<>?";

static const char shifted_digits[] = "!@#$%^&*(";

static bool find(const char *set, unsigned char c, uint8_t first, uint8_t *ret_usage)
{
	const char *found = c > 1 ? strchr(set, c) : NULL;

	if (!found)
		return false;
	*ret_usage = (uint8_t)(first + (found - set));
	return true;
}

static bool control_key(unsigned char c, uint8_t *ret_usage)
{
	switch (c) {
	case '\n':
	case '\r':
		*ret_usage = USAGE_ENTER;
		return true;
	case 0x1b:
		*ret_usage = USAGE_ESCAPE;
		return true;
	case 0x08:
	case 0x7f:
		*ret_usage = USAGE_BACKSPACE;
		return true;
	case '\t':
		*ret_usage = USAGE_TAB;
		return true;
	case ' ':
		*ret_usage = USAGE_SPACE;
		return true;
	default:
		return false;
	}
}

bool typist_key(unsigned char c, uint8_t *ret_usage, bool *ret_shift)
{
	*ret_shift = false;
	if (control_key(c, ret_usage) || find(plain, c, USAGE_PUNCTUATION, ret_usage))
		return true;
	if (c >= 'a' && c <= 'z') {
		*ret_usage = (uint8_t)(USAGE_A + (c - 'a'));
		return true;
	}
	if (c >= '1' && c <= '9') {
		*ret_usage = (uint8_t)(USAGE_1 + (c - '1'));
		return true;
	}
	if (c == '0') {
		*ret_usage = USAGE_0;
		return true;
	}
	*ret_shift = true;
	if (c >= 'A' && c <= 'Z') {
		*ret_usage = (uint8_t)(USAGE_A + (c - 'A'));
		return true;
	}
	if (c == ')') {
		*ret_usage = USAGE_0;
		return true;
	}
	return find(shifted_digits, c, USAGE_1, ret_usage) ||
	       find(shifted, c, USAGE_PUNCTUATION, ret_usage);
}
