/* SPDX-License-Identifier: MIT
 * pcap.c - a capture of USB transfers in a file
 *
 * Records go into a ring of bytes. The loop thread appends at its end; one job at a time
 * writes the piece from its start to where the end was when the job was submitted. Until
 * done() the piece and the job's fields are the worker's, and the start stays where it is; all
 * the rest is the loop's. So records that come while the disk is busy make the next piece, and
 * the file of a quiet capture is complete.
 *
 * step() is all of its life: submit a job if there is something to write, or to close; free
 * everything if there is not and pcap_destroy() was called. It runs deferred, so that what a
 * turn records goes into one write, and after each job. The first job opens the file before it
 * writes. The job that closes is the last one, be it because of an error or of pcap_destroy().
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
#include "usbdev/pcap/target.h"
#include "usbdev/usbdev.h"
#include "util/apart.h"
#include "util/fds.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/worker.h"

enum pcap_state {
	PCAP_OPENING, /* the first job has not ended */
	PCAP_OPEN,
	PCAP_CLOSED, /* for good, or it never was open */
};

/**
 * struct pcap
 * @opened:	of pcap_create(); NULL when it has been called, or is not to be
 * @buf:	the ring; NULL after an error
 * @start, @used: the bytes in it, those of the job included
 * @first_id:	of this capture: what completes with a smaller one has been submitted before it
 * @full:	a record was dropped since the buffer was last empty
 * @stopping:	pcap_destroy() was called
 * @writing:	the job is the worker's, and so are the following fields:
 * @fd:		handed over, -1 = none or taken
 * @err:	why it could not be opened
 * @target:	the file
 * @file_bytes:	written to the file
 * @job_bytes:	length of the piece from @start
 * @job_last:	close the file afterwards
 * @job_result:	0 or -errno
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
	uint8_t *buf;
	size_t start, used;
	uint64_t first_id;
	struct pcap_stats stats;
	bool full;
	bool stopping;
	void (*done)(void *ctx);
	void *ctx;
	bool writing;
	struct worker_job job;
	int fd;
	struct err err;
	struct target target;
	uint64_t file_bytes;
	size_t job_bytes;
	bool job_last;
	int job_result;
};

/* Never the same twice, whatever captures there are: a transfer may see several. */
static uint64_t next_id = 1;

/* --- the ring --- */

/* The at most two pieces in which @len bytes at @offset from the start of the used ones lie.
 * Return: how many. */
static int ring_pieces(const struct pcap *pcap, size_t offset, size_t len,
		       struct iovec iov[2])
{
	size_t at = (pcap->start + offset) % PCAP_BUFFER_BYTES;
	size_t first = MIN_OF(len, PCAP_BUFFER_BYTES - at);

	iov[0] = (struct iovec){.iov_base = pcap->buf + at, .iov_len = first};
	iov[1] = (struct iovec){.iov_base = pcap->buf, .iov_len = len - first};
	return len > first ? 2 : 1;
}

static void ring_put(struct pcap *pcap, size_t offset, const uint8_t *buf, size_t len)
{
	struct iovec iov[2];
	int n = ring_pieces(pcap, offset, len, iov);

	for (int i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, buf, iov[i].iov_len);
		buf += iov[i].iov_len;
	}
}

static void ring_get(const struct pcap *pcap, size_t offset, uint8_t *buf, size_t len)
{
	struct iovec iov[2];
	int n = ring_pieces(pcap, offset, len, iov);

	for (int i = 0; i < n; i++) {
		memcpy(buf, iov[i].iov_base, iov[i].iov_len);
		buf += iov[i].iov_len;
	}
}

/* The first @len bytes of the transfer's data, straight to their place. */
static int ring_put_data(struct pcap *pcap, size_t offset,
			 struct usbdev_transfer *transfer, uint32_t len)
{
	struct iovec iov[2];
	uint32_t from = 0;
	int n = ring_pieces(pcap, offset, len, iov);
	int r = 0;

	for (int i = 0; i < n && r == 0; i++) {
		r = usbdev_transfer_read(transfer, from, iov[i].iov_base,
					 (uint32_t)iov[i].iov_len);
		from += (uint32_t)iov[i].iov_len;
	}
	return r;
}

/* --- the worker's part --- */

/* Return: bytes written, all or as many as went before the error in @ret_error. */
static size_t write_all(const struct target *target, uint64_t offset, struct iovec *iov,
			int n, int *ret_error)
{
	size_t total = 0;

	*ret_error = 0;
	while (n > 0) {
		/* what is no file has no offset */
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

/* Of @written bytes of the piece: those up to the end of a record. */
static size_t whole_records(const struct pcap *pcap, size_t written)
{
	uint8_t header[RECORD_PCAP_HEADER_BYTES];
	size_t whole = pcap->file_bytes == 0 ? RECORD_FILE_HEADER_BYTES : 0;

	if (written < whole)
		return 0;
	while (written - whole >= sizeof(header)) {
		size_t len;

		ring_get(pcap, whole, header, sizeof(header));
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

	if (pcap->fd < 0)
		r = target_open(&pcap->target, pcap->path, &pcap->err);
	else
		r = target_adopt(&pcap->target, steal_fd(&pcap->fd), pcap->path,
				 &pcap->err);
	pcap->job_result = r;
}

static void run_job(struct worker_job *job)
{
	struct pcap *pcap = CONTAINER_OF(job, struct pcap, job);
	size_t written = 0;
	int error = 0;

	pcap->job_result = 0;
	if (pcap->state == PCAP_OPENING)
		run_apart(open_target, pcap);
	if (pcap->job_result < 0)
		return;
	if (pcap->job_bytes > 0) {
		struct iovec iov[2];
		int n = ring_pieces(pcap, 0, pcap->job_bytes, iov);

		written = write_all(&pcap->target, pcap->file_bytes, iov, n, &error);
	}
	if (error < 0) {
		/* readers complain about half a record; what is no file cannot be cut */
		written = whole_records(pcap, written);
		if (ftruncate(pcap->target.fd, (off_t)(pcap->file_bytes + written)) < 0)
			written = 0;
	}
	pcap->file_bytes += written;
	if (error < 0 || pcap->job_last) {
		/* the file system may tell only now that it is full */
		int r = target_close(&pcap->target);

		if (error == 0)
			error = r;
	}
	pcap->job_result = error;
}

/* --- life --- */

static void free_pcap(struct pcap *pcap)
{
	loop_undefer(pcap->loop, &pcap->task);
	worker_destroy(pcap->worker);
	free(pcap->buf);
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
	if (pcap->state != PCAP_CLOSED && (pcap->used > 0 || pcap->stopping)) {
		pcap->writing = true;
		pcap->job_bytes = pcap->used;
		pcap->job_last = pcap->stopping;
		worker_submit(pcap->worker, &pcap->job);
	} else if (pcap->stopping) {
		finish(pcap);
	}
}

/* The first job has ended. */
static void tell_opened(struct pcap *pcap)
{
	void (*opened)(void *ctx, const struct err *err) = pcap->opened;

	pcap->opened = NULL;
	if (opened)
		opened(pcap->opened_ctx, pcap->err.code ? &pcap->err : NULL);
}

static void give_up(struct pcap *pcap)
{
	pcap->stats.error = pcap->job_result;
	if (pcap->err.code == 0)
		log_warn("capture %s: cannot be written: %s; it ends here", pcap->path,
			 strerror(-pcap->job_result));
	free(pcap->buf);
	pcap->buf = NULL;
	pcap->used = 0;
}

static void on_job_done(struct worker_job *job)
{
	struct pcap *pcap = CONTAINER_OF(job, struct pcap, job);

	pcap->writing = false;
	pcap->state = pcap->target.fd >= 0 ? PCAP_OPEN : PCAP_CLOSED;
	pcap->start = (pcap->start + pcap->job_bytes) % PCAP_BUFFER_BYTES;
	pcap->used -= pcap->job_bytes;
	/* a capture that keeps pace needs little memory */
	if (pcap->used == 0) {
		pcap->start = 0;
		pcap->full = false;
	}
	if (pcap->job_result < 0)
		give_up(pcap);
	tell_opened(pcap);
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

	if (head_bytes + data_bytes > PCAP_BUFFER_BYTES - pcap->used) {
		drop_record(pcap);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &record->time);
	if (data_bytes > 0 &&
	    ring_put_data(pcap, pcap->used + head_bytes, transfer, data_bytes) < 0) {
		record->unreachable = true;
		data_bytes = 0;
	}
	record_put_head(record, head);
	ring_put(pcap, pcap->used, head, head_bytes);
	pcap->used += head_bytes + data_bytes;
	pcap->stats.records++;
	loop_defer(pcap->loop, &pcap->task);
}

static void on_submitted(struct usbdev_tap *tap, struct usbdev *dev,
			 struct usbdev_transfer *transfer)
{
	struct pcap *pcap = CONTAINER_OF(tap, struct pcap, tap);
	struct record record = {.dev = dev, .transfer = transfer, .id = next_id};

	transfer->tap_id = next_id++;
	if (pcap->buf)
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

	if (pcap->buf && transfer->tap_id >= pcap->first_id)
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
	pcap->job = (struct worker_job){.run = run_job, .done = on_job_done};
	pcap->first_id = next_id;
	pcap->target.fd = -1;
	pcap->path = strdup(path);
	pcap->buf = malloc(PCAP_BUFFER_BYTES);
	pcap->worker = worker_create(loop, "pcap");
	if (!pcap->path || !pcap->buf || !pcap->worker) {
		free_pcap(pcap);
		return NULL;
	}
	pcap->fd = fd;
	record_put_file_header(header);
	ring_put(pcap, 0, header, sizeof(header));
	pcap->used = sizeof(header);
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
