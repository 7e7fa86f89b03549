/* SPDX-License-Identifier: MIT
 * faults.h - makes the Nth call of a kind fail in the daemon under test
 *
 * The test preloads a library into the daemon (faults_preload.c). It wraps libc's
 * allocations and system calls, also for libevent, json-c and libusb. Both sides share
 * one page: the test arms it, the library counts and fails calls. That needs no system
 * calls, so it works inside the sandbox.
 *
 * In builds with the address sanitizer, the sanitizer replaces the daemon's allocations.
 * The library then counts and fails only system calls.
 */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

/* The environment variable with the path of the page's file. */
#define FAULTS_PAGE_ENV "USBVFIOD_TEST_FAULTS"

/* Most errors that a kind has: see faults_errors(). */
#define FAULTS_ERRORS_MAX 4u
#define FAULTS_FOR_EVER   UINT32_MAX

/* Kinds of calls; each has its own counter. */
enum faults_kind {
	FAULTS_ALLOC, /* malloc, calloc, realloc, aligned ones; strdup, strndup */
	FAULTS_READ,
	FAULTS_WRITE,
	FAULTS_FILE_READ, /* pread, preadv2 */
	FAULTS_FILE_WRITE,
	FAULTS_SYNC,
	FAULTS_SPACE, /* ftruncate, fallocate */
	FAULTS_RECEIVE,
	FAULTS_SEND,
	FAULTS_ACCEPT,
	FAULTS_WAIT,  /* epoll_wait, poll */
	FAULTS_WATCH, /* epoll_ctl */
	FAULTS_MAP,   /* mmap */
	FAULTS_UNMAP, /* munmap */
	FAULTS_TIMER, /* timerfd_create */
	FAULTS_TIMER_SET,
	FAULTS_EVENTFD,
	FAULTS_OPEN, /* open, fopen, opendir */
	FAULTS_FCNTL,
	FAULTS_STAT, /* stat, lstat, fstat, fstatfs */
	FAULTS_IOCTL,
	FAULTS_THREAD,
	FAULTS_SOCKET,  /* socket, bind, listen, connect, getsockopt */
	FAULTS_SYSCALL, /* through syscall() */
	FAULTS_KINDS,
};

/**
 * struct faults_page - memory that both sides share
 * @armed: the library counts calls and makes them fail
 * @kind, @nth, @count: @count calls of this kind fail, starting with number @nth (from 0)
 *		since faults_arm(); count 0: none
 * @error:	index into the kind's errors, modulo their number
 * @seen:	calls since faults_arm(), by kind
 * @failed:	calls that the library made fail
 * @live:	allocations not freed yet
 * @where:	the first failed call: its function and its caller
 */
struct faults_page {
	atomic_bool armed;
	uint32_t kind;
	uint32_t nth;
	uint32_t count;
	uint32_t error;
	_Atomic uint32_t seen[FAULTS_KINDS];
	_Atomic uint32_t failed;
	_Atomic int64_t live;
	char where[160];
};

/* Creates the page in the file @path. Return: owned, or NULL with errno. */
struct faults_page *faults_create(const char *path);
void faults_destroy(struct faults_page *page);
/* Makes @count calls of @kind fail from the @nth on; see struct faults_page. Clears the
 * counters. */
void faults_arm(struct faults_page *page, enum faults_kind kind, uint32_t nth,
		uint32_t count, uint32_t error);
void faults_disarm(struct faults_page *page);

const char *faults_kind_name(enum faults_kind kind);
/* Number of different errors of a kind. */
unsigned faults_errors(enum faults_kind kind);

#endif /* TESTS_LIB_FAULTS_H */
