/* SPDX-License-Identifier: MIT
 * poke.h - usb-poke: the common part of its commands, on plain usbfs
 */
#ifndef DEVICES_POKE_H
#define DEVICES_POKE_H

#include <linux/usbdevice_fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Default timeout of a transfer. */
#define POKE_TIMEOUT_MS 20000

struct poke {
	int fd;
	const char *name; /* of the running command */
	char **args;      /* its arguments */
	int arg_count;
	char result[512]; /* " key=value"... for its line of output */
};

struct poke_command {
	const char *name;
	const char *usage;
	int args_min;
	/* adds to poke->result by poke_tell(). Return: 0 or -errno */
	int (*run)(struct poke *poke);
};

/* A transfer and its buffer. */
struct poke_urb {
	uint8_t *data;
	size_t room;
	struct usbdevfs_urb urb; /* last: its packet descriptors follow */
};

extern const struct poke_command POKE_BASIC[], POKE_CONTROL[], POKE_BULK[], POKE_ISO[];

/* Opens the node of "BUS/DEV", "VVVV:PPPP", "VVVV:PPPP:SERIAL" or a path; waits up to @wait_s until
 * the device is there. Return: fd or -errno */
int poke_open(const char *which, unsigned wait_s);

/* Prints a line for each device. Return: 0 or -errno */
int poke_list(void);

/* Argument @i as a number (any base of C), @otherwise if there are fewer arguments. */
unsigned long poke_number(const struct poke *poke, int i, unsigned long otherwise);

__attribute__((format(printf, 2, 3))) void poke_tell(struct poke *poke,
						     const char *format, ...);

/* A transfer with room for @bytes and @packets isochronous packets. */
struct poke_urb *poke_urb_create(uint8_t type, uint8_t ep_addr, size_t bytes,
				 unsigned packets);
void poke_urb_destroy(struct poke_urb *urb);

/* Submits @len bytes of @urb. Return: 0 or -errno */
int poke_submit(struct poke *poke, struct poke_urb *urb, size_t len);

/* Waits for any transfer to complete. Return: 0 with @ret_urb, or -ETIMEDOUT, -ENODEV, -errno */
int poke_reap(struct poke *poke, int timeout_ms, struct poke_urb **ret_urb);

/* Discards @urb and reaps it. */
void poke_cancel(struct poke *poke, struct poke_urb *urb);

/* Return: bytes or -errno; @timeout_ms 0: no timeout */
int poke_control(struct poke *poke, uint8_t type, uint8_t request, uint16_t value,
		 uint16_t index, uint16_t length, void *data, unsigned timeout_ms);

uint64_t poke_now_ns(void);

/* Microseconds of CPU time of this process, user and system. */
uint64_t poke_cpu_us(void);

/* Adler-32, as the loopback device computes it. */
uint32_t poke_sum(const uint8_t *data, size_t len);

#endif /* DEVICES_POKE_H */
