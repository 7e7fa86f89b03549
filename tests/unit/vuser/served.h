/* SPDX-License-Identifier: MIT
 * served.h - a server with a device that records its calls
 *
 * Tests exchange raw messages with it and step the loop themselves, all in one thread. Anything
 * unexpected fails the running cmocka test.
 */
#ifndef SERVED_H
#define SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../sockets.h"
#include "mem/guest_mem.h"
#include "util/loop.h"
#include "vuser/server.h"
#include "vuser/wire.h"

#define SERVED_BAR0_BYTES   65536u
#define SERVED_CONFIG_BYTES 4096u
#define SERVED_LARGE_BYTES  (UINT64_C(1) << 40)
#define SERVED_PAGE         4096u
#define SERVED_MSI          8u
#define SERVED_MSIX         16u
#define SERVED_WRITES_MAX   4096u

enum {
	REGION_BAR0 = 0,
	REGION_READ_ONLY = 2,
	REGION_WRITE_ONLY = 3,
	REGION_LARGE = 4,
	REGION_CONFIG = 7
};
enum { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQ_ERR, IRQ_REQ };

/* The VMM that a test client imitates. */
enum who { WHO_OTHER, WHO_QEMU, WHO_CH, WHO_SPDK };

struct served_write {
	unsigned region;
	uint64_t offset;
	size_t count;
	uint64_t value; /* first 8 bytes */
};

struct served {
	struct loop *loop;
	struct guest_mem *mem;
	struct vuser_device device;
	struct vuser_server *server;
	int client; /* our end of the connection */
	int fds_at_start;
	char dir[64];
	char path[96];

	/* the device */
	uint8_t bar0[SERVED_BAR0_BYTES];
	uint8_t config[SERVED_CONFIG_BYTES];
	struct served_write writes[SERVED_WRITES_MAX];
	unsigned nwrites;
	unsigned nreads;
	unsigned nresets;
	unsigned ndma;
	unsigned nirqs;
	unsigned irqs_index;
	unsigned nclient_up;
	unsigned nclient_down;
	struct loop_task *defer_on_write; /* NULL = none */
};

struct reply {
	struct vuser_header header;
	uint8_t payload[VUSER_MSG_MAX];
	size_t len; /* of payload */
};

/* cmocka set-up and tear-down; state is a struct served. The tear-down also
 * checks that no fd was leaked. */
int served_setup_pair(void **state);      /* socketpair, VERSION not sent */
int served_setup_qemu(void **state);      /* VERSION negotiated as QEMU */
int served_setup_ch(void **state);        /* VERSION negotiated as Cloud Hypervisor */
int served_setup_listening(void **state); /* real socket, no connection */
int served_teardown(void **state);

/* Waits until util/closer.h has closed its fds. Return: open fds */
int served_count_fds(void);
/* Connects to the listening server. */
int served_connect(struct served *s);
/* Steps the loop until nothing is left to do at once. */
void served_run(struct served *s);
/* Closes our end and lets the server notice. */
void served_hang_up(struct served *s);

/* Send a whole message with the id 0x4711. */
void send_msg(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len);
void send_msg_fds(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len,
		  const int *fds, unsigned nfds);
/* Sends the VERSION of @who. */
void send_version(int fd, enum who who);
/* Sends VERSION @major.@minor with @json and its NUL (NULL: no JSON). */
void send_version_json(int fd, unsigned major, unsigned minor, const char *json);

/* Receives a whole message from @fd. */
void take_reply(int fd, struct reply *reply);
/* Receives a reply; demands success of @cmd with exactly @len payload bytes. */
void expect_reply(int fd, unsigned cmd, size_t len, struct reply *ret_reply);
/* Receives a reply; demands the error @error to @cmd, without payload. */
void expect_error(int fd, unsigned cmd, int error);
/* Demands that the connection still works. */
void expect_alive(struct served *s, int fd);

/* Send, step, and receive the reply or error. */
void ask(struct served *s, unsigned cmd, const void *payload, size_t len,
	 size_t reply_len, struct reply *ret_reply);
void ask_error(struct served *s, unsigned cmd, const void *payload, size_t len,
	       int error);

/* Makes the payload of a register write, posted or not. Return: its size */
size_t make_region_write(uint8_t *payload, unsigned region, uint64_t offset,
			 const void *data, uint32_t count);

/* Sends all bytes; steps the loop when the socket is full. */
void send_long(struct served *s, const uint8_t *bytes, size_t len);

/* Put messages at @at, for send_bytes(). Return: their size */
size_t put_msg(uint8_t *at, unsigned cmd, uint32_t flags, const void *payload,
	       size_t len);
size_t put_info(uint8_t *at);
size_t put_posted_write(uint8_t *at, uint32_t value);
size_t put_map(uint8_t *at, uint64_t iova); /* one page */

/* Makes a file of one page that begins with the 4 bytes of @text. Returns owned. */
int make_memory_page(const char *text);

#endif /* SERVED_H */
