/* SPDX-License-Identifier: MIT
 * context.c - slot, endpoint and input contexts: copies in and out
 */
#include "xhci/context.h"

#include "mem/guest_mem.h"
#include "util/bytes.h"

static void unpack(struct xhci_context *ctx, const uint8_t raw[XHCI_CONTEXT_SIZE])
{
	for (size_t i = 0; i < XHCI_CONTEXT_DWORDS; i++)
		ctx->dw[i] = get_le32(raw + 4 * i);
}

int xhci_input_read(struct guest_mem *mem, uint64_t iova, struct xhci_input *input)
{
	uint8_t raw[XHCI_INPUT_CONTEXT_SIZE];
	int r = guest_mem_read(mem, iova, raw, sizeof(raw));

	if (r < 0)
		return r;
	input->drop = get_le32(raw);
	input->add = get_le32(raw + 4);
	for (unsigned i = 0; i <= XHCI_DCI_MAX; i++)
		unpack(&input->contexts[i], raw + (1 + i) * XHCI_CONTEXT_SIZE);
	return 0;
}

int xhci_context_read(struct guest_mem *mem, uint64_t iova, struct xhci_context *ctx)
{
	uint8_t raw[XHCI_CONTEXT_SIZE];
	int r = guest_mem_read(mem, iova, raw, sizeof(raw));

	if (r < 0)
		return r;
	unpack(ctx, raw);
	return 0;
}

int xhci_context_write(struct guest_mem *mem, uint64_t iova,
		       const struct xhci_context *ctx)
{
	uint8_t raw[XHCI_CONTEXT_SIZE];

	for (size_t i = 0; i < XHCI_CONTEXT_DWORDS; i++)
		put_le32(raw + 4 * i, ctx->dw[i]);
	return guest_mem_write(mem, iova, raw, sizeof(raw));
}

enum usbdev_type xhci_ep_type_usbdev(enum xhci_ep_type type)
{
	switch (type) {
	case XHCI_EP_TYPE_ISOCH_OUT:
	case XHCI_EP_TYPE_ISOCH_IN:
		return USBDEV_TYPE_ISOCHRONOUS;
	case XHCI_EP_TYPE_BULK_OUT:
	case XHCI_EP_TYPE_BULK_IN:
		return USBDEV_TYPE_BULK;
	case XHCI_EP_TYPE_INTERRUPT_OUT:
	case XHCI_EP_TYPE_INTERRUPT_IN:
		return USBDEV_TYPE_INTERRUPT;
	case XHCI_EP_TYPE_CONTROL:
	case XHCI_EP_TYPE_INVALID:
		break;
	}
	return USBDEV_TYPE_CONTROL;
}
