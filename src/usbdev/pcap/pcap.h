/* SPDX-License-Identifier: MIT
 * pcap.h - a capture of USB transfers in a file, for Wireshark and tshark
 *
 * Each transfer of a device with pcap_tap() makes two records, one when it is submitted
 * and one when it has completed; record.h describes them. A thread of the capture writes
 * the file, as soon as there is a record. If it is too slow, the capture drops and counts
 * records; if writing fails, the capture ends with one warning, and records nothing more.
 * All calls: loop thread.
 */
#ifndef USBDEV_PCAP_PCAP_H
#define USBDEV_PCAP_PCAP_H

#include <stdint.h>

#include "util/compiler.h"
#include "util/err.h"

struct loop;
struct pcap;
struct usbdev_tap;

/* Bytes that may wait for the file. */
#define PCAP_BUFFER_BYTES (8u << 20)

/**
 * struct pcap_stats - how a capture is doing
 * @records:	taken, written or not yet
 * @dropped:	not taken, because the buffer was full
 * @error:	-errno that ended the capture early; 0 = none
 */
struct pcap_stats {
	uint64_t records;
	uint64_t dropped;
	int error;
};

/**
 * pcap_create() - start a capture into a file
 * @path:	created for the user alone (0600), with the directories on the way to it. An
 *		existing file must be worth no more than a capture (target.h); the capture
 *		overwrites it. A FIFO must have a reader
 * @fd:		-1, or a file, pipe or socket that is open for writing: taken on success,
 *		and @path is its name for messages
 * @opened:	called once in the loop, not inside this call: the file is open, or @err says
 *		why not, and only pcap_destroy() is left to do. Not after that. May be NULL
 *
 * The capture's thread opens the file; nothing here or later waits for that. It writes the
 * records that come meanwhile when the file is open.
 * Return: owned, ends by pcap_destroy(); NULL: no memory, or no thread.
 */
MUST_USE struct pcap *pcap_create(struct loop *loop, const char *path, int fd,
				  void (*opened)(void *ctx, const struct err *err),
				  void *ctx);

/* For usbdev_set_tap(). Lives until pcap_destroy(). */
struct usbdev_tap *pcap_tap(struct pcap *pcap);

struct pcap_stats pcap_stats(const struct pcap *pcap);

/**
 * pcap_destroy() - write the remaining records, and end
 * @pcap:	freed; no device may have its tap any more
 * @done:	called in the loop, not inside this call, when the file is closed. May be NULL
 *
 * As slow as the file. A FIFO without a reader may delay @done for ever: then just exit.
 */
void pcap_destroy(struct pcap *pcap, void (*done)(void *ctx), void *ctx);

#endif /* USBDEV_PCAP_PCAP_H */
