/* SPDX-License-Identifier: MIT
 * drv_device.h - slots, contexts, endpoints and transfers of the test driver
 *
 * Return values as in xhci_drv.h: completion code or -errno.
 */
#ifndef TESTS_LIB_DRV_DEVICE_H
#define TESTS_LIB_DRV_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/xhci_drv.h"

#define DRV_DCIS          32u
#define DRV_CONFIG_MAX    512u
#define DRV_ENDPOINTS_MAX 8u

/* bRequest and related values (USB 2.0 9.4) */
#define USB_DIR_IN            0x80u
#define USB_GET_STATUS        0u
#define USB_CLEAR_FEATURE     1u
#define USB_SET_ADDRESS       5u
#define USB_GET_DESCRIPTOR    6u
#define USB_GET_CONFIGURATION 8u
#define USB_SET_CONFIGURATION 9u
#define USB_DESC_DEVICE       1u
#define USB_DESC_CONFIG       2u
#define USB_DESC_STRING       3u
#define USB_DESC_INTERFACE    4u
#define USB_DESC_ENDPOINT     5u
#define USB_DESC_BOS          15u

struct drv_setup {
	uint8_t request_type;
	uint8_t request;
	uint16_t value;
	uint16_t index;
	uint16_t length;
};

struct drv_endpoint {
	bool present;
	uint8_t address;
	uint8_t type; /* enum xep_type */
	uint16_t max_packet;
	uint8_t interval;
	uint8_t burst;
	struct drv_ring ring;
};

/**
 * struct drv_slot - a device slot
 * @output:	device context, at DCBAA[id]; @input: input context
 * @endpoints:	by DCI, as the driver set them up; the controller may disagree
 */
struct drv_slot {
	struct drv *drv;
	unsigned id;
	unsigned port;
	unsigned speed;
	struct guest_buf output;
	struct guest_buf input;
	struct drv_endpoint endpoints[DRV_DCIS];
};

/* An enumerated device. */
struct drv_device {
	struct drv_slot *slot;
	uint8_t descriptor[18];
	uint8_t config[DRV_CONFIG_MAX];
	unsigned config_bytes;
	uint8_t interface_class, interface_subclass, interface_protocol;
	/* DCIs of the endpoints by type, 0 = none */
	unsigned bulk_in, bulk_out, interrupt_in;
};

/* Contexts. Index: output 0 = slot, DCI; input 0 = control, 1 = slot, 1 + DCI. */
uint8_t *drv_output_context(const struct drv_slot *slot, unsigned index);
uint8_t *drv_input_context(const struct drv_slot *slot, unsigned index);
unsigned drv_slot_state(const struct drv_slot *slot);
unsigned drv_slot_address(const struct drv_slot *slot);
unsigned drv_endpoint_state(const struct drv_slot *slot, unsigned dci);
/* TR Dequeue Pointer of the output context, with DCS. */
uint64_t drv_endpoint_dequeue(const struct drv_slot *slot, unsigned dci);
/* Zeros the input context and sets the add and drop flags. */
void drv_input_begin(struct drv_slot *slot, uint32_t add, uint32_t drop);
/* Fills the slot context of the input from @slot. @entries: last DCI. */
void drv_input_slot(struct drv_slot *slot, unsigned entries);
/* Fills an endpoint context of the input from slot->endpoints[dci]; the dequeue pointer
 * is the ring's current position. */
void drv_input_endpoint(struct drv_slot *slot, unsigned dci);

/* Enable Slot for the device in @port (0 = none); allocates contexts and the ring of
 * endpoint 0, puts the device context into the DCBAA. */
MUST_USE int drv_slot_enable(struct drv *drv, unsigned port, struct drv_slot **ret_slot);
/* Disable Slot; frees @slot on success. */
MUST_USE int drv_slot_disable(struct drv_slot *slot);
MUST_USE int drv_address_device(struct drv_slot *slot, bool block_set_address);
/* Adds an endpoint to @slot with an empty ring. Return: its DCI. */
unsigned drv_endpoint_add(struct drv_slot *slot, uint8_t address, enum xep_type type,
			  uint16_t max_packet, uint8_t interval, uint8_t burst);
/* Configure Endpoint with the input built from the flags. */
MUST_USE int drv_configure(struct drv_slot *slot, uint32_t add, uint32_t drop);
MUST_USE int drv_deconfigure(struct drv_slot *slot);
MUST_USE int drv_stop_endpoint(struct drv_slot *slot, unsigned dci);
MUST_USE int drv_reset_endpoint(struct drv_slot *slot, unsigned dci, bool preserve);
/* @dequeue: address with DCS; 0 = the ring's current position. */
MUST_USE int drv_set_dequeue(struct drv_slot *slot, unsigned dci, uint64_t dequeue);
MUST_USE int drv_reset_device(struct drv_slot *slot);

/* Transfers: pushed TRBs wait for drv_endpoint_doorbell(). */

void drv_endpoint_doorbell(struct drv_slot *slot, unsigned dci);
/* One Normal TRB. */
uint64_t drv_push_normal(struct drv_slot *slot, unsigned dci, uint64_t iova,
			 uint32_t length, uint32_t flags);
/* A TD of Normal TRBs cut at 64 KiB boundaries (6.4.1), ISP on all, IOC on the last.
 * The controller sees the whole TD at once. Return: address of the last TRB; @ret_trbs:
 * their number. */
uint64_t drv_push_td(struct drv_slot *slot, unsigned dci, uint64_t iova, uint32_t length,
		     unsigned *ret_trbs);
/* Setup, Data (ISP), Status (IOC) as Linux builds them. Return: address of the Status
 * TRB; @ret_data: of the Data TRB or 0 (may be NULL). */
uint64_t drv_push_control(struct drv_slot *slot, const struct drv_setup *setup,
			  uint64_t iova, uint64_t *ret_data);
/* Queues one TD and waits for it. @ret_actual: bytes moved, as a driver computes them.
 * Does not recover from a stall or error. */
MUST_USE int drv_transfer(struct drv_slot *slot, unsigned dci, uint64_t iova,
			  uint32_t length, uint32_t *ret_actual);
MUST_USE int drv_control(struct drv_slot *slot, const struct drv_setup *setup,
			 uint64_t iova, uint32_t *ret_actual);
/* Reset Endpoint and Set TR Dequeue past everything queued. */
MUST_USE int drv_recover(struct drv_slot *slot, unsigned dci);

/* Enumeration. */

/* GET_DESCRIPTOR into @iova; @ret_actual: length of the descriptor received. */
MUST_USE int drv_get_descriptor(struct drv_slot *slot, unsigned type, unsigned index,
				uint64_t iova, uint16_t length, uint32_t *ret_actual);
/**
 * drv_enumerate() - from a connected port to a configured device
 *
 * Resets the port if it is not enabled, Enable Slot, Address Device (for USB 2
 * first with BSR, 8 bytes of descriptor, Evaluate Context for the packet
 * size), descriptors, Configure Endpoint, SET_CONFIGURATION.
 * Return: 0, -errno, or -EIO after a completion code other than Success (printed).
 */
MUST_USE int drv_enumerate(struct drv *drv, unsigned port, struct drv_device *ret_device);
/* Parses the configuration in device->config: fills the rest of @device and adds the
 * endpoints to the slot. Return: bit mask of their DCIs. */
uint32_t drv_parse_config(struct drv_device *device);

#endif /* TESTS_LIB_DRV_DEVICE_H */
