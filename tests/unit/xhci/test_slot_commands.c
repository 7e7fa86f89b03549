/* SPDX-License-Identifier: MIT
 * test_slot_commands.c - slots through their commands: states, checks of each command
 */
#include <string.h>

#include "driver.h"
#include "util/bytes.h"

#define OUT DRIVER_BULK_OUT_DCI

static void slots_run_out_and_come_back(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	write32(d.f, OPER(CONFIG), 3);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(
			driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id, i);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0),
			 XHCI_CC_NO_SLOTS_AVAILABLE);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 2),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id, 2);
	driver_end(&d);
}

static void slot_numbers_are_checked(void **state)
{
	static const enum xhci_trb_type types[] = {
		XHCI_TRB_TYPE_DISABLE_SLOT,       XHCI_TRB_TYPE_ADDRESS_DEVICE,
		XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, XHCI_TRB_TYPE_EVALUATE_CONTEXT,
		XHCI_TRB_TYPE_RESET_ENDPOINT,     XHCI_TRB_TYPE_STOP_ENDPOINT,
		XHCI_TRB_TYPE_SET_TR_DEQUEUE,     XHCI_TRB_TYPE_RESET_DEVICE,
	};
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(driver_on_slot(&d, types[i], 0), XHCI_CC_TRB_ERROR);
		assert_int_equal(driver_on_slot(&d, types[i], XHCI_SLOTS + 1),
				 XHCI_CC_TRB_ERROR);
		assert_int_equal(driver_on_slot(&d, types[i], 255), XHCI_CC_TRB_ERROR);
		assert_int_equal(driver_on_slot(&d, types[i], 5),
				 XHCI_CC_SLOT_NOT_ENABLED);
	}
	driver_end(&d);
}

static void address_device_states(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	d.slot_id = driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id;
	driver_input(&d, 0, 3);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 64);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE,
					DRIVER_INPUT_IOVA, XHCI_TRB_BSR)
				 .cc,
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_DEFAULT);
	assert_int_equal(driver_context(&d, 0, 3) & 0xff, 0);
	assert_int_equal(driver_ep_state(&d, 1), XHCI_EP_STATE_RUNNING);
	/* control transfers reach the device before it has an address */
	driver_control_in(&d, 8, 0);
	driver_ring(&d, 1);
	driver_complete(&d, 1, USBDEV_STATUS_OK, 8);
	expect_event(d.f, XHCI_TRB_TYPE_TRANSFER_EVENT);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE,
					DRIVER_INPUT_IOVA, XHCI_TRB_BSR)
				 .cc,
			 XHCI_CC_CONTEXT_STATE_ERROR);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, 1),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_ADDRESSED);
	assert_int_equal(driver_context(&d, 0, 3) & 0xff, 1);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	driver_end(&d);
}

static void address_device_checks_its_input(void **state)
{
	struct driver d;
	uint8_t *input = guest(*state, DRIVER_INPUT_IOVA);

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	d.slot_id = driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id;
#define REFUSED(expected, ...)                                                        \
	do {                                                                          \
		driver_input(&d, 0, 3);                                               \
		driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 64);               \
		__VA_ARGS__;                                                          \
		assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1), \
				 expected);                                           \
	} while (0)
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input + 4, 1));
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input + 4, 2));
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input, 4));
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input + 0x24, 0));
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input + 0x24, 200u << 16));
	REFUSED(XHCI_CC_PARAMETER_ERROR, put_le32(input + 0x20, 0));
	REFUSED(XHCI_CC_PARAMETER_ERROR,
		driver_input_endpoint(&d, 1, XHCI_EP_TYPE_BULK_IN, 64));
	REFUSED(XHCI_CC_PARAMETER_ERROR,
		driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 0));
	/* an empty port, and a missing hub */
	REFUSED(XHCI_CC_USB_TRANSACTION_ERROR, put_le32(input + 0x24, 2u << 16));
	REFUSED(XHCI_CC_USB_TRANSACTION_ERROR, put_le32(input + 0x20, 1u << 27 | 3));
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_DISABLED);
	REFUSED(XHCI_CC_SUCCESS, (void)0);
	driver_end(&d);
}

static void configure_checks_its_input(void **state)
{
	struct driver d;
	uint8_t *input = guest(*state, DRIVER_INPUT_IOVA);

	driver_start(&d, *state, USBDEV_SPEED_SUPER);
	driver_address(&d);
#undef REFUSED
#define REFUSED(expected, add, ...)                                              \
	do {                                                                     \
		driver_input(&d, 0, add);                                        \
		driver_input_endpoint(&d, OUT, XHCI_EP_TYPE_BULK_OUT, 1024);     \
		__VA_ARGS__;                                                     \
		assert_int_equal(                                                \
			driver_on_slot(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, 1), \
			expected);                                               \
	} while (0)
	REFUSED(XHCI_CC_PARAMETER_ERROR, BIT(OUT), (void)0);
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | 2 | BIT(OUT), (void)0);
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT), put_le32(input, 1));
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT), put_le32(input, 2));
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT), put_le32(input + 0x20, 1u << 27));
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT) | BIT(3), (void)0); /* type 0 */
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT),
		driver_input_endpoint(&d, OUT, XHCI_EP_TYPE_BULK_IN, 1024));
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT),
		put_le32(input + 3 * 32, (XHCI_MAX_PSA_SIZE + 1) << 10));
	REFUSED(XHCI_CC_PARAMETER_ERROR, 1 | BIT(OUT),
		driver_input_endpoint(&d, OUT, XHCI_EP_TYPE_ISOCH_IN, 1024));
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_ADDRESSED);
	REFUSED(XHCI_CC_SUCCESS, 1 | BIT(OUT), (void)0);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_CONFIGURED);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_RUNNING);
	/* drop and add at once, as Linux does */
	REFUSED(XHCI_CC_SUCCESS, 1 | BIT(OUT), put_le32(input, BIT(OUT)));
	driver_input(&d, BIT(OUT), 1);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_ADDRESSED);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_DISABLED);
	driver_end(&d);
}

static void deconfigure_drops_all(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DRIVER_DATA_IOVA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(
		driver_command(&d, XHCI_TRB_TYPE_CONFIGURE_ENDPOINT, 0, XHCI_TRB_DC).cc,
		XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_ADDRESSED);
	assert_int_equal(driver_ep_state(&d, OUT), XHCI_EP_STATE_DISABLED);
	assert_int_equal(driver_stop(&d, OUT), XHCI_CC_CONTEXT_STATE_ERROR);
	run_until_idle(d.f);
	assert_true(xhci_idle(d.f->xhci));
	driver_end(&d);
}

static void device_knows_its_address(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	d.slot_id = driver_command(&d, XHCI_TRB_TYPE_ENABLE_SLOT, 0, 0).slot_id;
	driver_input(&d, 0, 3);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 64);
	assert_int_equal(driver_command(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE,
					DRIVER_INPUT_IOVA, XHCI_TRB_BSR)
				 .cc,
			 XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.dev.address, 0);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.dev.address, 1);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_RESET_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.dev.address, 0);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.dev.address, 1);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(d.fake.dev.address, 0);
	driver_end(&d);
}

static void evaluate_changes_packet_size(void **state)
{
	struct driver d;

	driver_start(&d, *state, USBDEV_SPEED_HIGH);
	driver_address(&d);
	driver_input(&d, 0, 2);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 64);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_EVALUATE_CONTEXT, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_context(&d, 1, 1) >> 16, 64);
	assert_int_equal(driver_ep_state(&d, 1), XHCI_EP_STATE_RUNNING);
	driver_input(&d, 0, 2);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 0);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_EVALUATE_CONTEXT, 1),
			 XHCI_CC_PARAMETER_ERROR);
	assert_int_equal(driver_context(&d, 1, 1) >> 16, 64);
	driver_input(&d, 0, 0);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_EVALUATE_CONTEXT, 1),
			 XHCI_CC_PARAMETER_ERROR);
	driver_end(&d);
}

static void disable_slot_tells_the_context(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	driver_normal(&d, OUT, DRIVER_DATA_IOVA, 8, XHCI_TRB_IOC);
	driver_ring(&d, OUT);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_DISABLED);
	write32(d.f, DOORBELL(1), OUT); /* no endpoint: nothing happens */
	expect_no_event(d.f);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_DISABLE_SLOT, 1),
			 XHCI_CC_SLOT_NOT_ENABLED);
	driver_end(&d);
}

static void reset_device_states(void **state)
{
	struct driver d;

	driver_configure(&d, *state, USBDEV_SPEED_SUPER);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_RESET_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	assert_int_equal(driver_slot_state(&d), XHCI_SLOT_STATE_DEFAULT);
	assert_int_equal(driver_context(&d, 0, 3) & 0xff, 0);
	assert_int_equal(driver_context(&d, 0, 0) >> 27, 1);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_RESET_DEVICE, 1),
			 XHCI_CC_CONTEXT_STATE_ERROR);
	driver_input(&d, 0, 3);
	driver_input_endpoint(&d, 1, XHCI_EP_TYPE_CONTROL, 512);
	assert_int_equal(driver_on_slot(&d, XHCI_TRB_TYPE_ADDRESS_DEVICE, 1),
			 XHCI_CC_SUCCESS);
	driver_end(&d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(slots_run_out_and_come_back),    T(slot_numbers_are_checked),
		T(address_device_states),          T(address_device_checks_its_input),
		T(configure_checks_its_input),     T(deconfigure_drops_all),
		T(device_knows_its_address),       T(evaluate_changes_packet_size),
		T(disable_slot_tells_the_context), T(reset_device_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
