/* SPDX-License-Identifier: MIT
 * served.h - a server with a device that records its calls
 *
 * Tests speak raw messages to it and step the loop themselves, all in one
 * thread. Anything unexpected fails the running cmocka test.
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

/* Who a test client pretends to be. */
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
int served_setup_qemu(void **state);      /* agreed as QEMU */
int served_setup_ch(void **state);        /* agreed as Cloud Hypervisor */
int served_setup_listening(void **state); /* real socket, no connection */
int served_teardown(void **state);

/* Open fds, when those that wait for being closed have been. */
int served_count_fds(void);
/* A connection to the listening server. */
int served_connect(struct served *s);
/* Steps the loop until nothing more can happen at once. */
void served_run(struct served *s);
/* Closes our end, lets the server notice. */
void served_hang_up(struct served *s);

/* A whole message with the id 0x4711. */
void send_msg(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len);
void send_msg_fds(int fd, unsigned cmd, uint32_t flags, const void *payload, size_t len,
		  const int *fds, unsigned nfds);
/* VERSION as @who sends it. */
void send_version(int fd, enum who who);
/* VERSION @major.@minor with @json and its NUL (NULL: no JSON). */
void send_version_json(int fd, unsigned major, unsigned minor, const char *json);

/* Takes one message off @fd, which must be there in full. */
void take_reply(int fd, struct reply *reply);
/* Takes the reply: success of @cmd with exactly @len payload bytes. */
void expect_reply(int fd, unsigned cmd, size_t len, struct reply *ret_reply);
/* Takes the reply: header-only error @error to @cmd. */
void expect_error(int fd, unsigned cmd, int error);
/* The connection still works. */
void expect_alive(struct served *s, int fd);

/* Sends, steps, and takes the reply or error. */
void ask(struct served *s, unsigned cmd, const void *payload, size_t len,
	 size_t reply_len, struct reply *ret_reply);
void ask_error(struct served *s, unsigned cmd, const void *payload, size_t len,
	       int error);

/* Posted or answered register access. */
size_t make_region_write(uint8_t *payload, unsigned region, uint64_t offset,
			 const void *data, uint32_t count);

/* Sends all of it, letting the server take what the socket cannot hold. */
void send_long(struct served *s, const uint8_t *bytes, size_t len);

/* Messages put at @at, to be sent by send_bytes(). Return: their size. */
size_t put_msg(uint8_t *at, unsigned cmd, uint32_t flags, const void *payload,
	       size_t len);
size_t put_info(uint8_t *at);
size_t put_posted_write(uint8_t *at, uint32_t value);
size_t put_map(uint8_t *at, uint64_t iova); /* one page */

/* A file of one page that begins with the 4 bytes of @text. Returned owned. */
int make_memory_page(const char *text);

#endif /* SERVED_H */
