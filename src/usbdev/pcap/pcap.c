/* SPDX-License-Identifier: MIT
 * pcap.c - a capture of USB transfers in a file
 *
 * Records go into a ring of bytes. The loop thread appends at its end; one job at a time
 * writes the piece from its start to the end at the time of submission. Until done() the
 * worker owns the piece and the job's fields, and the start does not move; the loop owns the
 * rest. So records that come while the disk is busy make the next piece, and the file of a
 * quiet capture is complete.
 *
 * step() drives everything: it submits a job if there is something to write, or the file to
 * close; else, after pcap_destroy(), it frees everything. It runs deferred, so that the records
 * of a turn go into one write, and after each job. The first job opens the file before it
 * writes. The job that closes it is the last one, after an error or pcap_destroy().
 *
 *	OPENING -> OPEN -> CLOSED
 *	    '--- failed ------^
 */
#include "usbdev/pcap/pcap.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "usbdev/pcap/record.h"
#include "usbdev/pcap/ring.h"
#include "usbdev/pcap/target.h"
#include "usbdev/usbdev.h"
#include "util/apart.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/worker.h"

enum pcap_state {
	PCAP_STATE_OPENING, /* the first job has not ended */
	PCAP_STATE_OPEN,
	PCAP_STATE_CLOSED, /* for good; it may never have been open */
};

/**
 * struct pcap_write - the job that writes, which is the worker's while pcap.writing
 * @fd:		handed over, -1 = none or taken
 * @err:	why the file could not be opened
 * @target:	the file
 * @file_bytes:	written to the file
 * @bytes:	length of the piece from the start of the ring
 * @last:	close the file afterwards
 * @result:	0 or -errno
 */
struct pcap_write {
	struct worker_job job;
	int fd;
	struct err err;
	struct target target;
	uint64_t file_bytes;
	size_t bytes;
	bool last;
	int result;
};

/**
 * struct pcap
 * @opened:	of pcap_create(); NULL once called, and after pcap_destroy()
 * @ring:	waiting bytes, including the piece that the worker writes
 * @first_id:	transfers with a smaller id were submitted before this capture began
 * @full:	a record was dropped since the ring was last empty
 * @stopping:	pcap_destroy() was called
 * @writing:	the worker has @write
 */
struct pcap {
	struct usbdev_tap tap;
	struct loop *loop;
	struct worker *worker;
	struct loop_task task;
	enum pcap_state state;
	void (*opened)(void *ctx, const struct err *err);
	void *opened_ctx;
	char *path;
	struct pcap_ring ring;
	uint64_t first_id;
	struct pcap_stats stats;
	bool full;
	bool stopping;
	void (*done)(void *ctx);
	void *ctx;
	bool writing;
	struct pcap_write write;
};

/* Unique among all captures: a transfer may see several. */
static uint64_t next_id = 1;

/* --- the worker's part --- */

/* Return: bytes written, all or as many as went before the error in @ret_error. */
static size_t write_all(const struct target *target, uint64_t offset, struct iovec *iov,
			int n, int *ret_error)
{
	size_t total = 0;

	*ret_error = 0;
	while (n > 0) {
		/* only files have offsets */
		off_t at = target->claim ? (off_t)(offset + total) : -1;
		ssize_t written = pwritev2(target->fd, iov, n, at, 0);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			*ret_error = written < 0 ? -errno : -EIO;
			break;
		}
		total += (size_t)written;
		while (n > 0 && (size_t)written >= iov->iov_len) {
			written -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + written;
			iov->iov_len -= (size_t)written;
		}
	}
	return total;
}

/* The part of @written bytes of the piece that ends with a record. */
static size_t whole_records(const struct pcap *pcap, size_t written)
{
	uint8_t header[RECORD_PCAP_HEADER_BYTES];
	size_t whole = pcap->write.file_bytes == 0 ? RECORD_FILE_HEADER_BYTES : 0;

	if (written < whole)
		return 0;
	while (written - whole >= sizeof(header)) {
		size_t len;

		pcap_ring_get(&pcap->ring, whole, header, sizeof(header));
		len = record_bytes(header);
		if (len > written - whole)
			break;
		whole += len;
	}
	return whole;
}

static void open_target(void *arg)
{
	struct pcap *pcap = arg;
	int r;

	if (pcap->write.fd < 0)
		r = target_open(&pcap->write.target, pcap->path, &pcap->write.err);
	else
		r = target_adopt(&pcap->write.target, steal_fd(&pcap->write.fd),
				 pcap->path, &pcap->write.err);
	pcap->write.result = r;
}

static void run_job(struct worker_job *job)
{
	struct pcap *pcap = CONTAINER_OF(job, struct pcap, write.job);
	size_t written = 0;
	int error = 0;

	pcap->write.result = 0;
	if (pcap->state == PCAP_STATE_OPENING)
		run_apart(open_target, pcap);
	if (pcap->write.result < 0)
		return;
	if (pcap->write.bytes > 0) {
		struct iovec iov[2];
		int n = pcap_ring_pieces(&pcap->ring, 0, pcap->write.bytes, iov);

		written = write_all(&pcap->write.target, pcap->write.file_bytes, iov, n,
				    &error);
	}
	if (error < 0) {
		/* readers complain about half a record; only files can be cut */
		written = whole_records(pcap, written);
		if (ftruncate(pcap->write.target.fd,
			      (off_t)(pcap->write.file_bytes + written)) < 0)
			written = 0;
	}
	pcap->write.file_bytes += written;
	if (error < 0 || pcap->write.last) {
		/* the file system may report only now that it is full */
		int r = target_close(&pcap->write.target);

		if (error == 0)
			error = r;
	}
	pcap->write.result = error;
}

/* --- life --- */

static void free_pcap(struct pcap *pcap)
{
	loop_undefer(pcap->loop, &pcap->task);
	worker_destroy(pcap->worker);
	free(pcap->ring.buf);
	free(pcap->path);
	free(pcap);
}

static void finish(struct pcap *pcap)
{
	void (*done)(void *ctx) = pcap->done;
	void *ctx = pcap->ctx;

	if (pcap->stats.dropped > 0)
		log_warn("capture %s: %llu of %llu records are missing", pcap->path,
			 (unsigned long long)pcap->stats.dropped,
			 (unsigned long long)(pcap->stats.dropped + pcap->stats.records));
	free_pcap(pcap);
	if (done)
		done(ctx);
}

static void step(void *ctx)
{
	struct pcap *pcap = ctx;

	if (pcap->writing)
		return;
	if (pcap->state != PCAP_STATE_CLOSED && (pcap->ring.used > 0 || pcap->stopping)) {
		pcap->writing = true;
		pcap->write.bytes = pcap->ring.used;
		pcap->write.last = pcap->stopping;
		worker_submit(pcap->worker, &pcap->write.job);
	} else if (pcap->stopping) {
		finish(pcap);
	}
}

/* The first job has ended. */
static void report_opened(struct pcap *pcap)
{
	void (*opened)(void *ctx, const struct err *err) = pcap->opened;

	pcap->opened = NULL;
	if (opened)
		opened(pcap->opened_ctx, pcap->write.err.code ? &pcap->write.err : NULL);
}

static void give_up(struct pcap *pcap)
{
	pcap->stats.error = pcap->write.result;
	if (pcap->write.err.code == 0)
		log_warn("capture %s: cannot be written: %s; it ends here", pcap->path,
			 strerror(-pcap->write.result));
	free(pcap->ring.buf);
	pcap->ring.buf = NULL;
	pcap->ring.used = 0;
}

static void on_job_done(struct worker_job *job)
{
	struct pcap *pcap = CONTAINER_OF(job, struct pcap, write.job);

	pcap->writing = false;
	pcap->state = pcap->write.target.fd >= 0 ? PCAP_STATE_OPEN : PCAP_STATE_CLOSED;
	pcap_ring_release(&pcap->ring, pcap->write.bytes);
	if (pcap->ring.used == 0)
		pcap->full = false;
	if (pcap->write.result < 0)
		give_up(pcap);
	report_opened(pcap);
	step(pcap);
}

/* --- records --- */

static void drop_record(struct pcap *pcap)
{
	pcap->stats.dropped++;
	if (!pcap->full)
		log_limited(
			LOG_LEVEL_WARN,
			"capture %s: cannot be written fast enough, records are missing",
			pcap->path);
	pcap->full = true;
}

static void take_record(struct pcap *pcap, struct record *record,
			struct usbdev_transfer *transfer)
{
	uint8_t head[RECORD_HEAD_MAX_BYTES];
	size_t head_bytes = record_head_bytes(record);
	uint32_t data_bytes = record_data_bytes(record);

	if (head_bytes + data_bytes > PCAP_BUFFER_BYTES - pcap->ring.used) {
		drop_record(pcap);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &record->time);
	if (data_bytes > 0 &&
	    pcap_ring_put_data(&pcap->ring, pcap->ring.used + head_bytes, transfer,
			       data_bytes) < 0) {
		record->unreachable = true;
		data_bytes = 0;
	}
	record_put_head(record, head);
	pcap_ring_put(&pcap->ring, pcap->ring.used, head, head_bytes);
	pcap->ring.used += head_bytes + data_bytes;
	pcap->stats.records++;
	loop_defer(pcap->loop, &pcap->task);
}

static void on_submitted(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct pcap *pcap = CONTAINER_OF(tap, struct pcap, tap);
	struct record record = {.dev = dev, .transfer = transfer, .id = next_id};

	transfer->tap_id = next_id++;
	if (pcap->ring.buf)
		take_record(pcap, &record, transfer);
}

static void on_completed(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct pcap *pcap = CONTAINER_OF(tap, struct pcap, tap);
	struct record record = {
		.dev = dev,
		.transfer = transfer,
		.completed = true,
		.id = transfer->tap_id,
	};

	if (pcap->ring.buf && transfer->tap_id >= pcap->first_id)
		take_record(pcap, &record, transfer);
}

/* --- start and end --- */

struct pcap *pcap_create(struct loop *loop, const char *path, int fd,
			 void (*opened)(void *ctx, const struct err *err), void *ctx)
{
	struct pcap *pcap = calloc(1, sizeof(*pcap));
	uint8_t header[RECORD_FILE_HEADER_BYTES];

	if (!pcap)
		return NULL;
	pcap->tap.submitted = on_submitted;
	pcap->tap.completed = on_completed;
	pcap->loop = loop;
	pcap->opened = opened;
	pcap->opened_ctx = ctx;
	pcap->task = (struct loop_task){.cb = step, .ctx = pcap};
	pcap->write.job = (struct worker_job){.run = run_job, .done = on_job_done};
	pcap->first_id = next_id;
	pcap->write.target.fd = -1;
	pcap->path = strdup(path);
	pcap->ring.buf = malloc(PCAP_BUFFER_BYTES);
	pcap->ring.size = PCAP_BUFFER_BYTES;
	pcap->worker = worker_create(loop, "pcap");
	if (!pcap->path || !pcap->ring.buf || !pcap->worker) {
		free_pcap(pcap);
		return NULL;
	}
	pcap->write.fd = fd;
	record_put_file_header(header);
	pcap_ring_put(&pcap->ring, 0, header, sizeof(header));
	pcap->ring.used = sizeof(header);
	loop_defer(loop, &pcap->task);
	return pcap;
}

struct usbdev_tap *pcap_tap(struct pcap *pcap)
{
	return &pcap->tap;
}

struct pcap_stats pcap_stats(const struct pcap *pcap)
{
	return pcap->stats;
}

void pcap_destroy(struct pcap *pcap, void (*done)(void *ctx), void *ctx)
{
	if (!pcap)
		return;
	assert(!pcap->stopping);
	pcap->stopping = true;
	pcap->opened = NULL;
	pcap->done = done;
	pcap->ctx = ctx;
	loop_defer(pcap->loop, &pcap->task);
}
