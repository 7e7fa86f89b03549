/* SPDX-License-Identifier: MIT
 * faults.h - makes a call of the daemon under test fail, the Nth of its kind
 *
 * A library that is preloaded into the daemon (faults_preload.c) stands before libc's
 * allocations and system calls, those of libevent, json-c and libusb included. Both sides
 * share one page: the test arms it, the library counts and fails. Nothing is asked of the
 * kernel for it, so a sandbox of the daemon does not matter.
 *
 * In builds with the address sanitizer the daemon's allocations are the sanitizer's and
 * are neither counted nor failed; system calls are.
 */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/compiler.h"

/* The environment variable that names the file of the page. */
#define FAULTS_PAGE_ENV "USBVFIOD_TEST_FAULTS"

/* Errors of a kind: see faults_errors(). */
#define FAULTS_ERRORS_MAX 4u
#define FAULTS_FOR_EVER   UINT32_MAX

/* What is counted together. */
enum faults_kind {
	FAULTS_ALLOC, /* malloc, calloc, realloc, aligned ones; strdup and the like by them */
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
	FAULTS_SYSCALL, /* by syscall() */
	FAULTS_KINDS,
};

/**
 * struct faults_page - what both sides share
 * @armed:	counting and failing
 * @kind, @nth, @count: @count calls of this kind fail, the first being number @nth (from 0)
 *		since it was armed; count 0: none
 * @error:	which of the kind's errors, modulo how many there are
 * @seen:	calls since armed, by kind
 * @failed:	calls that were made to fail
 * @live:	allocations that are not freed
 * @where:	the first failed call: which function, called from where
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

/* The page in the file @path, made. Return: NULL with errno. */
struct faults_page *faults_create(const char *path);
void faults_destroy(struct faults_page *page);
/* @count calls of @kind fail from the @nth on; see struct faults_page. Counters begin. */
void faults_arm(struct faults_page *page, enum faults_kind kind, uint32_t nth,
		uint32_t count, uint32_t error);
void faults_disarm(struct faults_page *page);

const char *faults_kind_name(enum faults_kind kind);
/* How many errors a kind has that are told apart. */
unsigned faults_errors(enum faults_kind kind);

#endif /* TESTS_LIB_FAULTS_H */
