/* SPDX-License-Identifier: MIT
 * test_context.c - contexts in guest memory, and their fields
 */
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "util/bytes.h"
#include "xhci/context.h"

#define AT FIXTURE_FREE_IOVA

static void input_is_read_whole(void **state)
{
	struct fixture *f = *state;
	uint8_t *raw = guest(f, AT);
	struct xhci_input input;

	put_le32(raw, 0x80000004u);
	put_le32(raw + 4, 0x11);
	for (unsigned i = 0; i <= XHCI_DCI_MAX; i++)
		put_le32(raw + 32 + 32 * i + 28, 1000 + i);
	assert_int_equal(xhci_input_read(f->mem, AT, &input), 0);
	assert_int_equal(input.drop, 0x80000004u);
	assert_int_equal(input.add, 0x11);
	for (unsigned i = 0; i <= XHCI_DCI_MAX; i++)
		assert_int_equal(input.contexts[i].dw[7], 1000 + i);
	/* the last byte outside is outside */
	assert_int_equal(xhci_input_read(f->mem,
					 FIXTURE_LOW_IOVA + FIXTURE_MEM_BYTES -
						 XHCI_INPUT_CONTEXT_SIZE + 1,
					 &input),
			 -EFAULT);
}

static void write_is_what_read_gives(void **state)
{
	/* memory without a controller: of one with, nothing may be written by the way */
	struct guest_mem *mem = guest_mem_create();
	struct xhci_context out = {{1, 2, 3, 4, 5, 6, 7, 0xfffffff8u}};
	struct xhci_context in;
	uint8_t raw[XHCI_CONTEXT_SIZE];

	(void)state;
	assert_non_null(mem);
	assert_int_equal(guest_mem_map_bytes(mem, AT, raw, sizeof(raw),
					     GUEST_MEM_READ | GUEST_MEM_WRITE),
			 0);
	assert_int_equal(xhci_context_write(mem, AT, &out), 0);
	assert_int_equal(get_le32(raw + 28), 0xfffffff8u);
	assert_int_equal(xhci_context_read(mem, AT, &in), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(xhci_context_write(mem, FIXTURE_NO_IOVA, &out), -EFAULT);
	assert_int_equal(xhci_context_read(mem, FIXTURE_NO_IOVA, &in), -EFAULT);
	guest_mem_destroy(mem);
}

static void fields_are_where_the_tables_say(void **state)
{
	/* 6.2.2: Context Entries 31, route 0x54321; root hub port 200 */
	struct xhci_context slot = {{31u << 27 | 0x54321, 200u << 16, 0, 0xffffffffu}};
	/* 6.2.3: MaxPStreams 9; max packet 1024, Interrupt IN; dequeue with DCS */
	struct xhci_context ep = {{9u << 10, 1024u << 16 | 7u << 3, 0x12345671u, 0x89u}};

	(void)state;
	assert_int_equal(xhci_slot_context_entries(&slot), 31);
	assert_int_equal(xhci_slot_context_route(&slot), 0x54321);
	assert_int_equal(xhci_slot_context_port(&slot), 200);
	xhci_slot_context_set_entries(&slot, 1);
	assert_int_equal(xhci_slot_context_entries(&slot), 1);
	assert_int_equal(xhci_slot_context_route(&slot), 0x54321);
	xhci_slot_context_set_state(&slot, XHCI_SLOT_STATE_CONFIGURED, 64);
	assert_int_equal(slot.dw[3], 3u << 27 | 64);
	assert_int_equal(xhci_ep_context_type(&ep), XHCI_EP_TYPE_INTERRUPT_IN);
	assert_int_equal(xhci_ep_context_max_packet(&ep), 1024);
	assert_int_equal(xhci_ep_context_max_pstreams(&ep), 9);
	assert_int_equal(xhci_ep_context_dequeue(&ep), UINT64_C(0x8912345671));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(input_is_read_whole),
		T(write_is_what_read_gives),
		T(fields_are_where_the_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
