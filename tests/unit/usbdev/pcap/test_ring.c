/* SPDX-License-Identifier: MIT
 * test_ring.c - bytes that go around the end of the ring
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usbdev/pcap/ring.h"

static uint8_t bytes[8];

static struct pcap_ring ring_at(size_t start)
{
	memset(bytes, 0, sizeof(bytes));
	return (struct pcap_ring){.buf = bytes, .size = sizeof(bytes), .start = start};
}

static void one_piece_up_to_the_end(void **state)
{
	struct pcap_ring ring = ring_at(5);
	struct iovec iov[2];

	(void)state;
	assert_int_equal(pcap_ring_pieces(&ring, 0, 3, iov), 1);
	assert_ptr_equal(iov[0].iov_base, bytes + 5);
	assert_int_equal(iov[0].iov_len, 3);
}

static void two_pieces_around_the_end(void **state)
{
	struct pcap_ring ring = ring_at(5);
	struct iovec iov[2];

	(void)state;
	assert_int_equal(pcap_ring_pieces(&ring, 1, 4, iov), 2);
	assert_ptr_equal(iov[0].iov_base, bytes + 6);
	assert_int_equal(iov[0].iov_len, 2);
	assert_ptr_equal(iov[1].iov_base, bytes);
	assert_int_equal(iov[1].iov_len, 2);
}

static void what_was_put_is_got(void **state)
{
	static const uint8_t text[] = "abcdef";
	uint8_t got[sizeof(text)] = {0};

	(void)state;
	for (size_t start = 0; start < sizeof(bytes); start++) {
		struct pcap_ring ring = ring_at(start);

		pcap_ring_put(&ring, 1, text, sizeof(text));
		pcap_ring_get(&ring, 1, got, sizeof(got));
		assert_memory_equal(got, text, sizeof(text));
		/* nothing beside them was written */
		assert_int_equal(bytes[start], 0);
	}
}

static void an_empty_ring_starts_again(void **state)
{
	struct pcap_ring ring = ring_at(6);

	(void)state;
	ring.used = 5;
	pcap_ring_release(&ring, 3);
	assert_int_equal(ring.start, 1);
	assert_int_equal(ring.used, 2);
	pcap_ring_release(&ring, 2);
	assert_int_equal(ring.start, 0);
	assert_int_equal(ring.used, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_piece_up_to_the_end),
		cmocka_unit_test(two_pieces_around_the_end),
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(an_empty_ring_starts_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
