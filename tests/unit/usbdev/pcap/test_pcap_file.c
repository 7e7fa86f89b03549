/* SPDX-License-Identifier: MIT
 * test_pcap_file.c - captures: their files, lost records, failures
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording.h"

/* --- start and stop --- */

/* A quiet capture is a complete file. */
static void test_written_when_idle(void **state)
{
	(void)state;
	/* the file's header; the record; each a job and its end */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(loop_turn(t.host.loop, false), 0);
		assert_int_equal(loop_turn(t.host.loop, true), 0);
		assert_int_equal(capture_read(&t.capture, t.path), 0);
		assert_int_equal(t.capture.count, 2 * i);
		capture_finish(&t.capture);
		run_type(USBDEV_TYPE_BULK, 0x02, 9, USBDEV_STATUS_OK, 9);
	}
	assert_int_equal(pcap_stats(t.pcap).records, 4);
	assert_int_equal(pcap_stats(t.pcap).dropped, 0);
	assert_int_equal(pcap_stats(t.pcap).error, 0);
}

/* Who was submitted before the capture is not in it, nor who completes after it. */
static void test_starts_and_stops_between(void **state)
{
	struct urb urbs[2];
	uint64_t first_id;

	(void)state;
	urb_init(&urbs[0], &t.host, 0x81, 8);
	urb_init(&urbs[1], &t.host, 0x82, 8);
	urb_submit(&urbs[0]);
	recording_finish(1);
	check_record(0, 'S', TYPE_BULK, 0x81, -EINPROGRESS);
	first_id = t.capture.records[0].id;
	capture_finish(&t.capture);
	urb_submit(&urbs[1]);

	/* into the same file */
	recording_start(t.path);
	usbdev_complete(&t.fake, &urbs[0].transfer, USBDEV_STATUS_OK, 8);
	usbdev_complete(&t.fake, &urbs[1].transfer, USBDEV_STATUS_OK, 8);
	run_transfer(&urbs[0], USBDEV_STATUS_OK, 8);
	recording_finish(2);
	check_record(0, 'S', TYPE_BULK, 0x81, -EINPROGRESS);
	check_record(1, 'C', TYPE_BULK, 0x81, 0);
	assert_true(t.capture.records[0].id > first_id);
	urb_finish(&urbs[0]);
	urb_finish(&urbs[1]);
}

static void test_two_devices_one_stops(void **state)
{
	struct usbdev other = {0};
	struct host other_host;
	struct urb urb;

	(void)state;
	assert_int_equal(
		usbdev_init(&other, &fake_ops, t.host.loop, USBDEV_SPEED_SUPER, "other"),
		0);
	other.address = 6;
	usbdev_set_tap(&other, pcap_tap(t.pcap));
	other_host = (struct host){.loop = t.host.loop, .dev = &other};
	urb_init(&urb, &other_host, 0x81, 4);
	urb_submit(&urb);
	run_type(USBDEV_TYPE_BULK, 0x81, 4, USBDEV_STATUS_OK, 4);
	usbdev_complete(&other, &urb.transfer, USBDEV_STATUS_GONE, 0);
	urb_finish(&urb);
	usbdev_destroy(&other, NULL, NULL);
	recording_finish(4);
	assert_int_equal(t.capture.records[0].device, 6);
	assert_int_equal(t.capture.records[1].device, 5);
	assert_int_equal(t.capture.records[3].device, 6);
	assert_int_equal(t.capture.records[3].id, t.capture.records[0].id);
}

static void test_file_and_directories(void **state)
{
	struct stat st;
	char deep[256];

	(void)state;
	recording_stop();
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* an old file is overwritten */
	assert_int_equal(truncate(t.path, 100000), 0);
	recording_start(t.path);
	recording_stop();
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_size, 24);

	(void)snprintf(deep, sizeof(deep), "%s/a//b/c.d/usb.pcap", t.dir);
	recording_start(deep);
	recording_stop();
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_size, 24);
}

static void refuse(const char *to, int fd, int code, const char *why)
{
	recording_begin(to, fd);
	recording_await_opened();
	assert_int_equal(t.err.code, code);
	if (!strstr(t.err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", t.err.text, why);
	assert_int_equal(pcap_stats(t.pcap).error, -code);
	recording_stop();
}

/* What keeps a file from being one is in test_pcap_target.c. */
static void test_files_that_cannot_be(void **state)
{
	int pipe_fds[2];

	(void)state;
	refuse("", -1, EINVAL, "name of a file");
	refuse(t.dir, -1, EISDIR, t.dir);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	refuse("it", pipe_fds[0], EBADF, "for writing");
	assert_int_equal(fcntl(pipe_fds[0], F_GETFL), -1);
	assert_int_equal(close(pipe_fds[1]), 0);
	/* not even a capture that has done nothing is needed for that */
	pcap_destroy(NULL, NULL, NULL);
}

/* The file has the records from before it was open. */
static void test_records_wait_for_the_file(void **state)
{
	(void)state;
	recording_start(t.path);
	run_type(USBDEV_TYPE_BULK, 0x02, 9, USBDEV_STATUS_OK, 9);
	assert_int_equal(access(t.path, F_OK), -1);
	recording_await_opened();
	assert_int_equal(t.err.code, 0);
	recording_finish(2);
}

/* Ended before it has begun: whoever ended it does not want to hear that it has. */
static void test_ended_while_it_is_opened(void **state)
{
	(void)state;
	recording_start(t.path);
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	recording_stop();
	assert_false(t.opened);
	assert_int_equal(capture_read(&t.capture, t.path), 0);
	assert_int_equal(t.capture.count, 0);
}

/* A file that is open already: written from its start, waited for if need be. */
static void test_files_handed_over(void **state)
{
	uint8_t header[64];
	int pipe_fds[2];
	struct stat st;
	int fd;

	(void)state;
	fd = open(t.path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0600);
	recording_begin("it", fd);
	recording_await_opened();
	assert_int_equal(t.err.code, 0);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
	recording_stop();
	assert_int_equal(fcntl(fd, F_GETFL), -1); /* closed */
	assert_int_equal(stat(t.path, &st), 0);
	assert_int_equal(st.st_size, 24);

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	recording_begin("it", pipe_fds[1]);
	recording_stop();
	assert_int_equal(read(pipe_fds[0], header, sizeof(header)), 24);
	assert_int_equal(close(pipe_fds[0]), 0);
}

/* --- slow files, and failures --- */

/* A FIFO for the file: the worker waits for a reader. */
static void start_fifo(void)
{
	assert_int_equal(mkfifo(t.path, 0600), 0);
	t.fifo_fd = open(t.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(t.fifo_fd >= 0);
	assert_int_equal(fcntl(t.fifo_fd, F_SETFL, 0), 0);
	recording_start(t.path);
}

struct drain {
	uint8_t *bytes;
	size_t len;
	size_t max;
};

/* Reads until @max bytes are there or the writer has closed. */
static void *drain(void *arg)
{
	struct drain *all = arg;
	ssize_t n = 1;

	while (n > 0 && all->len < all->max) {
		n = read(t.fifo_fd, all->bytes + all->len, all->max - all->len);
		if (n > 0)
			all->len += (size_t)n;
	}
	return NULL;
}

#define DRAIN_MAX (32u << 20)

/* Reads to the end, and ends the capture meanwhile. */
static void finish_fifo(struct drain *all)
{
	pthread_t thread;

	all->max = DRAIN_MAX;
	assert_int_equal(pthread_create(&thread, NULL, drain, all), 0);
	recording_stop();
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(all->len < DRAIN_MAX);
	assert_int_equal(capture_parse(&t.capture, all->bytes, all->len), 0);
}

#define SLOW_BYTES 60000u

static void test_too_slow(void **state)
{
	struct drain all = {.bytes = malloc(DRAIN_MAX)};
	struct pcap_stats stats;
	unsigned s = 0, c = 0;

	(void)state;
	assert_non_null(all.bytes);
	start_fifo();
	/* or who reads meets its end: there is no writer yet */
	recording_await_opened();
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	for (unsigned i = 0; i < 200; i++) {
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
		assert_int_equal(loop_turn(t.host.loop, false), 0);
	}
	stats = pcap_stats(t.pcap);
	assert_int_equal(stats.records + stats.dropped, 400);
	assert_int_equal(stats.error, 0);
	/* not more than fits into the buffer; the short ones may go on fitting */
	assert_in_range(stats.dropped, 40, 261);
	finish_fifo(&all);
	assert_int_equal(t.capture.count, stats.records);
	for (unsigned i = 0; i < t.capture.count; i++) {
		const struct capture_record *record = &t.capture.records[i];

		if (record->type == 'S') {
			check_bytes(check_record(i, 'S', TYPE_BULK, 0x02, -EINPROGRESS),
				    0, SLOW_BYTES, SLOW_BYTES);
			s++;
		} else {
			check_bytes(check_record(i, 'C', TYPE_BULK, 0x02, 0), '>',
				    SLOW_BYTES, 0);
			c++;
		}
		assert_true(i == 0 || record->id >= record[-1].id);
	}
	assert_in_range(s, 130, 160); /* what a pipe holds differs */
	assert_true(c > s);
}

/* Records on both sides of the ring's end, and one across it. */
static void test_ring_wraps(void **state)
{
	struct drain all = {.bytes = malloc(DRAIN_MAX)};
	unsigned count = 0;

	(void)state;
	assert_non_null(all.bytes);
	start_fifo();
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	all.max = 24;
	drain(&all);
	assert_int_equal(loop_turn(t.host.loop, true), 0);
	/* 3 MiB given to the worker, 4.8 MiB waiting */
	for (; count < 50; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	for (; count < 130; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	/* nothing stays deferred: the next turn waits for the worker */
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	/* once the first piece is read there is room for more, on both sides */
	all.max = 24 + 50 * (16 + HEADER + SLOW_BYTES + 16 + HEADER);
	drain(&all);
	assert_int_equal(loop_turn(t.host.loop, true), 0);
	for (; count < 170; count++)
		run_type(USBDEV_TYPE_BULK, 0x02, SLOW_BYTES, USBDEV_STATUS_OK,
			 SLOW_BYTES);
	assert_int_equal(pcap_stats(t.pcap).dropped, 0);
	finish_fifo(&all);
	assert_int_equal(t.capture.count, 2 * count);
	for (unsigned i = 0; i < t.capture.count; i += 2) {
		check_bytes(check_record(i, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0,
			    SLOW_BYTES, SLOW_BYTES);
		check_bytes(check_record(i + 1, 'C', TYPE_BULK, 0x02, 0), '>', SLOW_BYTES,
			    0);
	}
}

/* Turns until the worker has met the error. */
static void await_error(int code)
{
	while (pcap_stats(t.pcap).error == 0)
		assert_int_equal(loop_turn(t.host.loop, true), 0);
	assert_int_equal(pcap_stats(t.pcap).error, code);
}

static void test_disk_full(void **state)
{
	uint64_t records;

	(void)state;
	recording_start("/dev/full");
	run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	await_error(-ENOSPC);
	/* transfers go on, the capture does not */
	records = pcap_stats(t.pcap).records;
	run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	assert_int_equal(pcap_stats(t.pcap).records, records);
	assert_int_equal(pcap_stats(t.pcap).dropped, 0);
	recording_stop();
}

/* The file grows no further in the middle of a record: that is taken back. */
static void test_file_full(void **state)
{
	const struct rlimit limit = {.rlim_cur = 24 + 180 + 80 + 180 + 79,
				     .rlim_max = RLIM_INFINITY};
	struct rlimit before;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 5; i++)
		run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	await_error(-EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	recording_finish(3);
	check_bytes(check_record(2, 'S', TYPE_BULK, 0x02, -EINPROGRESS), 0, 100, 100);
}

/* The same when the piece is not the file's first. */
static void test_file_full_later(void **state)
{
	const struct rlimit limit = {.rlim_cur = 24 + 180 + 80 + 100,
				     .rlim_max = RLIM_INFINITY};
	struct rlimit before;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(loop_turn(t.host.loop, false), 0);
	assert_int_equal(loop_turn(t.host.loop, true), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 5; i++)
		run_type(USBDEV_TYPE_BULK, 0x02, 100, USBDEV_STATUS_OK, 100);
	/* met while it is being ended */
	recording_stop();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(capture_read(&t.capture, t.path), 0);
	assert_int_equal(t.capture.count, 2);
}

static void test_reader_goes(void **state)
{
	(void)state;
	start_fifo();
	recording_await_opened();
	assert_int_equal(close(t.fifo_fd), 0);
	t.fifo_fd = -1;
	run_type(USBDEV_TYPE_BULK, 0x02, 9, USBDEV_STATUS_OK, 9);
	await_error(-EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written_when_idle),
		T(starts_and_stops_between),
		T(two_devices_one_stops),
		T(file_and_directories),
		BARE(files_that_cannot_be),
		BARE(records_wait_for_the_file),
		BARE(ended_while_it_is_opened),
		BARE(files_handed_over),
		BARE(too_slow),
		BARE(ring_wraps),
		BARE(disk_full),
		T(file_full),
		T(file_full_later),
		BARE(reader_goes),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
