/* SPDX-License-Identifier: MIT
 * test_td.c - fetching TDs: bounds, limits, and where data lies
 */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "xhci/td.h"

#define OUT  DRIVER_BULK_OUT_DCI
#define DATA DRIVER_DATA_IOVA

static void starts_behind_the_links_before_it(void **state)
{
	struct driver d;
	uint64_t trb;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_put(&d, OUT, d.rings[OUT].iova + 16, 0,
		   xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	trb = driver_normal(&d, OUT, DATA, 1000, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	/* where a stop leaves the ring shows where the TD began */
	driver_stop_put(&d, OUT);
	driver_expect(&d, OUT, trb, XHCI_CC_STOPPED, 1000);
	expect_event(d.f, XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT);
	assert_int_equal(driver_context(&d, OUT, 2), (uint32_t)trb | 1);
	driver_end(&d);
}

static void link_with_ioc_reports_in_its_turn(void **state)
{
	struct driver d;
	uint64_t link;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 10, XHCI_TRB_CH);
	link = driver_put(&d, OUT, d.rings[OUT].iova + 32, 0,
			  xhci_trb_type_bits(XHCI_TRB_TYPE_LINK) | XHCI_TRB_IOC |
				  XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA, 10, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	driver_complete(&d, OUT, USBDEV_STATUS_OK, 20);
	driver_expect(&d, OUT, link, XHCI_CC_SUCCESS, 0);
	driver_expect(&d, OUT, d.rings[OUT].iova + 32, XHCI_CC_SUCCESS, 0);
	driver_end(&d);
}

static void pieces_cover_what_is_asked_for(void **state)
{
	struct driver d;
	struct usbdev_transfer *transfer;
	struct iovec iov[4];

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DATA, 100, XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x1000, 0, XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x2000, 200, XHCI_TRB_CH);
	driver_normal(&d, OUT, DATA + 0x3000, 300, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	transfer = driver_held(&d, OUT);
	assert_int_equal(usbdev_transfer_iov(transfer, 0, 600, iov, 4), 3);
	assert_ptr_equal(iov[2].iov_base, guest(d.f, DATA + 0x3000));
	assert_int_equal(iov[2].iov_len, 300);
	assert_int_equal(usbdev_transfer_iov(transfer, 150, 100, iov, 4), 1);
	assert_ptr_equal(iov[0].iov_base, (uint8_t *)guest(d.f, DATA + 0x2000) + 50);
	assert_int_equal(iov[0].iov_len, 100);
	/* backwards again, and no room for all */
	assert_int_equal(usbdev_transfer_iov(transfer, 50, 550, iov, 2), 2);
	assert_int_equal(iov[0].iov_len, 50);
	assert_int_equal(iov[1].iov_len, 200);
	driver_end(&d);
}

/* More TDs than are fetched ahead: all are done, in the end. */
static void more_tds_than_an_endpoint_keeps(void **state)
{
	struct driver d;
	unsigned done = 0;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	for (int i = 0; i < 200; i++)
		driver_normal(&d, OUT, DATA, 1, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	while (fake_dev_first(&d.fake, OUT >> 1)) {
		driver_complete(&d, OUT, USBDEV_STATUS_OK, 1);
		events_skip(d.f);
		done++;
	}
	assert_int_equal(done, 200);
	driver_end(&d);
}

static void td_of_the_largest_size(void **state)
{
	struct driver d;
	uint64_t ring;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	ring = d.rings[OUT].iova;
	for (int i = 0; i < 255; i++)
		driver_normal(&d, OUT, DATA, 65536, XHCI_TRB_CH);
	driver_put(&d, OUT, ring + 0x1000, 0, xhci_trb_type_bits(XHCI_TRB_TYPE_LINK));
	for (int i = 0; i < 255; i++) {
		struct xhci_trb trb = {DATA, 65536,
				       xhci_trb_type_bits(XHCI_TRB_TYPE_NORMAL) |
					       XHCI_TRB_C | (i < 254 ? XHCI_TRB_CH : 0)};

		guest_put_trb(d.f, ring + 0x1000 + 16u * i, &trb);
	}
	driver_ring(&d, OUT);
	assert_int_equal(driver_held(&d, OUT)->length_bytes, 510u * 65536);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(starts_behind_the_links_before_it),
		T(link_with_ioc_reports_in_its_turn),
		T(pieces_cover_what_is_asked_for),
		T(more_tds_than_an_endpoint_keeps),
		T(td_of_the_largest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
