/* SPDX-License-Identifier: MIT
 * test_list.c - intrusive doubly linked list
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/list.h"

struct item {
	int number;
	struct list node;
};

/* The numbers on @head as one decimal number, read in both directions. */
static long digits(const struct list *head)
{
	long forward = 0, backward = 0, place = 1;
	struct list *pos;

	LIST_FOREACH(pos, head)
		forward = forward * 10 + LIST_ENTRY(pos, struct item, node)->number;
	for (pos = head->prev; pos != head; pos = pos->prev) {
		backward += place * LIST_ENTRY(pos, struct item, node)->number;
		place *= 10;
	}
	assert_int_equal(forward, backward);
	return forward;
}

static void fill(struct list *head, struct item *items, int count)
{
	list_init(head);
	for (int i = 0; i < count; i++) {
		items[i].number = i + 1;
		list_init(&items[i].node);
		list_append(head, &items[i].node);
	}
}

static void test_empty(void **state)
{
	struct list head;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_first(&head));
	assert_int_equal(digits(&head), 0);
	list_remove(&head); /* a node on no list */
	assert_true(list_empty(&head));
}

static void test_append_remove(void **state)
{
	struct item items[4];
	struct list head;

	(void)state;
	fill(&head, items, 4);
	assert_int_equal(digits(&head), 1234);
	assert_ptr_equal(list_first(&head), &items[0].node);
	list_remove(&items[1].node);
	assert_int_equal(digits(&head), 134);
	assert_true(list_empty(&items[1].node));
	list_remove(&items[1].node);
	assert_int_equal(digits(&head), 134);
	list_remove(&items[0].node);
	list_remove(&items[3].node);
	assert_int_equal(digits(&head), 3);
	list_append(&head, &items[1].node);
	assert_int_equal(digits(&head), 32);
	list_remove(&items[2].node);
	list_remove(&items[1].node);
	assert_true(list_empty(&head));
}

static void test_remove_while_walking(void **state)
{
	struct item items[5];
	struct list head, *pos, *tmp;

	(void)state;
	fill(&head, items, 5);
	LIST_FOREACH_SAFE(pos, tmp, &head) {
		if (LIST_ENTRY(pos, struct item, node)->number % 2)
			list_remove(pos);
	}
	assert_int_equal(digits(&head), 24);
	LIST_FOREACH_SAFE(pos, tmp, &head)
		list_remove(pos);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_append_remove),
		cmocka_unit_test(test_remove_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
