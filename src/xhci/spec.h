/* SPDX-License-Identifier: MIT
 * spec.h - names and numbers of the xHCI specification (revision 1.2)
 *
 * Registers are 32 bits unless said; offsets are from the start of the
 * register's own space. Section numbers are the specification's.
 */
#ifndef XHCI_SPEC_H
#define XHCI_SPEC_H

#include <stdint.h>

#define BIT(n) (UINT32_C(1) << (n))

/* Where this controller puts things in BAR0 */
#define XHCI_OFF_OPER      0x0040u /* CAPLENGTH */
#define XHCI_OFF_PORTS     (XHCI_OFF_OPER + 0x400u)
#define XHCI_OFF_XCAPS     0x0800u
#define XHCI_OFF_RUNTIME   0x2fe0u /* MFINDEX ends a page ... */
#define XHCI_OFF_INTR      0x3000u /* ... and the interrupters start the next */
#define XHCI_OFF_DOORBELLS 0x4000u
#define XHCI_SLOTS         64u
#define XHCI_ERST_MAX_LOG2 5u
#define XHCI_MAX_PSA_SIZE  4u /* primary stream arrays of up to 32 entries */

/* 5.3 capability registers */
#define XHCI_CAP_CAPLENGTH  0x00u
#define XHCI_CAP_HCSPARAMS1 0x04u
#define XHCI_CAP_HCSPARAMS2 0x08u
#define XHCI_CAP_HCSPARAMS3 0x0cu
#define XHCI_CAP_HCCPARAMS1 0x10u
#define XHCI_CAP_DBOFF      0x14u
#define XHCI_CAP_RTSOFF     0x18u
#define XHCI_CAP_HCCPARAMS2 0x1cu
#define XHCI_HCIVERSION     0x0100u
#define XHCI_HCC1_AC64      BIT(0)
#define XHCI_HCC1_MAX_PSA   12 /* shift of MaxPSASize */

/* 5.4 operational registers */
#define XHCI_OP_USBCMD      0x00u
#define XHCI_OP_USBSTS      0x04u
#define XHCI_OP_PAGESIZE    0x08u
#define XHCI_OP_DNCTRL      0x14u
#define XHCI_OP_CRCR_LO     0x18u
#define XHCI_OP_CRCR_HI     0x1cu
#define XHCI_OP_DCBAAP_LO   0x30u
#define XHCI_OP_DCBAAP_HI   0x34u
#define XHCI_OP_CONFIG      0x38u
#define XHCI_PORT_STRIDE    0x10u
#define XHCI_PORT_PORTSC    0x0u
#define XHCI_PORT_PORTPMSC  0x4u
#define XHCI_PORT_PORTLI    0x8u
#define XHCI_PORT_PORTHLPMC 0xcu

#define XHCI_USBCMD_RS    BIT(0)
#define XHCI_USBCMD_HCRST BIT(1)
#define XHCI_USBCMD_INTE  BIT(2)
#define XHCI_USBCMD_HSEE  BIT(3)
#define XHCI_USBCMD_CSS   BIT(8)
#define XHCI_USBCMD_CRS   BIT(9)
#define XHCI_USBCMD_EWE   BIT(10)

#define XHCI_USBSTS_HCH  BIT(0)
#define XHCI_USBSTS_HSE  BIT(2)
#define XHCI_USBSTS_EINT BIT(3)
#define XHCI_USBSTS_PCD  BIT(4)
#define XHCI_USBSTS_SSS  BIT(8)
#define XHCI_USBSTS_RSS  BIT(9)
#define XHCI_USBSTS_SRE  BIT(10)
#define XHCI_USBSTS_CNR  BIT(11)
#define XHCI_USBSTS_HCE  BIT(12)

#define XHCI_CRCR_RCS BIT(0)
#define XHCI_CRCR_CS  BIT(1)
#define XHCI_CRCR_CA  BIT(2)
#define XHCI_CRCR_CRR BIT(3)

/* 5.4.8 PORTSC */
#define XHCI_PORTSC_CCS         BIT(0)
#define XHCI_PORTSC_PED         BIT(1)
#define XHCI_PORTSC_OCA         BIT(3)
#define XHCI_PORTSC_PR          BIT(4)
#define XHCI_PORTSC_PLS_SHIFT   5
#define XHCI_PORTSC_PLS         (0xfu << XHCI_PORTSC_PLS_SHIFT)
#define XHCI_PORTSC_PP          BIT(9)
#define XHCI_PORTSC_SPEED_SHIFT 10
#define XHCI_PORTSC_SPEED       (0xfu << XHCI_PORTSC_SPEED_SHIFT)
#define XHCI_PORTSC_PIC         (3u << 14)
#define XHCI_PORTSC_LWS         BIT(16)
#define XHCI_PORTSC_CSC         BIT(17)
#define XHCI_PORTSC_PEC         BIT(18)
#define XHCI_PORTSC_WRC         BIT(19)
#define XHCI_PORTSC_OCC         BIT(20)
#define XHCI_PORTSC_PRC         BIT(21)
#define XHCI_PORTSC_PLC         BIT(22)
#define XHCI_PORTSC_CEC         BIT(23)
#define XHCI_PORTSC_CHANGES     (0x7fu << 17)
#define XHCI_PORTSC_WAKES       (7u << 25) /* WCE WDE WOE */
#define XHCI_PORTSC_WPR         BIT(31)

/* 5.4.10 PORTLI: lanes received and sent over, less one */
#define XHCI_PORTLI_LANES(n) (((n)-1u) << 16 | ((n)-1u) << 20)

enum xhci_pls {
	XHCI_PLS_U0 = 0,
	XHCI_PLS_U1 = 1,
	XHCI_PLS_U2 = 2,
	XHCI_PLS_U3 = 3,
	XHCI_PLS_DISABLED = 4,
	XHCI_PLS_RX_DETECT = 5,
	XHCI_PLS_INACTIVE = 6,
	XHCI_PLS_POLLING = 7,
	XHCI_PLS_RECOVERY = 8,
	XHCI_PLS_HOT_RESET = 9,
	XHCI_PLS_COMPLIANCE = 10,
	XHCI_PLS_TEST = 11,
	XHCI_PLS_RESUME = 15,
};

/* 5.5 runtime registers; an interrupter set is 32 bytes */
#define XHCI_INTR_STRIDE    0x20u
#define XHCI_INTR_IMAN      0x00u
#define XHCI_INTR_IMOD      0x04u
#define XHCI_INTR_ERSTSZ    0x08u
#define XHCI_INTR_ERSTBA_LO 0x10u
#define XHCI_INTR_ERSTBA_HI 0x14u
#define XHCI_INTR_ERDP_LO   0x18u
#define XHCI_INTR_ERDP_HI   0x1cu
#define XHCI_IMAN_IP        BIT(0)
#define XHCI_IMAN_IE        BIT(1)
#define XHCI_IMOD_DEFAULT   4000u /* IMODI, 250 ns units */
#define XHCI_ERDP_EHB       BIT(3)

/* 5.5.1 MFINDEX */
#define XHCI_UFRAME_NS       125000u
#define XHCI_MFINDEX_UFRAMES 16384u /* then it wraps */

/* 6.4 TRBs */
#define XHCI_TRB_SIZE 16u

enum xhci_trb_type {
	XHCI_TRB_TYPE_NORMAL = 1,
	XHCI_TRB_TYPE_SETUP = 2,
	XHCI_TRB_TYPE_DATA = 3,
	XHCI_TRB_TYPE_STATUS = 4,
	XHCI_TRB_TYPE_ISOCH = 5,
	XHCI_TRB_TYPE_LINK = 6,
	XHCI_TRB_TYPE_EVENT_DATA = 7,
	XHCI_TRB_TYPE_NOOP = 8,
	XHCI_TRB_TYPE_ENABLE_SLOT = 9,
	XHCI_TRB_TYPE_DISABLE_SLOT = 10,
	XHCI_TRB_TYPE_ADDRESS_DEVICE = 11,
	XHCI_TRB_TYPE_CONFIGURE_ENDPOINT = 12,
	XHCI_TRB_TYPE_EVALUATE_CONTEXT = 13,
	XHCI_TRB_TYPE_RESET_ENDPOINT = 14,
	XHCI_TRB_TYPE_STOP_ENDPOINT = 15,
	XHCI_TRB_TYPE_SET_TR_DEQUEUE = 16,
	XHCI_TRB_TYPE_RESET_DEVICE = 17,
	XHCI_TRB_TYPE_FORCE_EVENT = 18,
	XHCI_TRB_TYPE_NEGOTIATE_BANDWIDTH = 19,
	XHCI_TRB_TYPE_SET_LATENCY_TOLERANCE = 20,
	XHCI_TRB_TYPE_GET_PORT_BANDWIDTH = 21,
	XHCI_TRB_TYPE_FORCE_HEADER = 22,
	XHCI_TRB_TYPE_NOOP_COMMAND = 23,
	XHCI_TRB_TYPE_TRANSFER_EVENT = 32,
	XHCI_TRB_TYPE_COMMAND_COMPLETION_EVENT = 33,
	XHCI_TRB_TYPE_PORT_STATUS_CHANGE_EVENT = 34,
	XHCI_TRB_TYPE_BANDWIDTH_REQUEST_EVENT = 35,
	XHCI_TRB_TYPE_DOORBELL_EVENT = 36,
	XHCI_TRB_TYPE_HOST_CONTROLLER_EVENT = 37,
	XHCI_TRB_TYPE_DEVICE_NOTIFICATION_EVENT = 38,
	XHCI_TRB_TYPE_MFINDEX_WRAP_EVENT = 39,
};

/* control word bits */
#define XHCI_TRB_C          BIT(0)
#define XHCI_TRB_TC         BIT(1) /* Link: toggle cycle; others: ENT */
#define XHCI_TRB_ISP        BIT(2)
#define XHCI_TRB_EVENT_ED   BIT(2) /* Transfer Event: parameter is from an Event Data TRB */
#define XHCI_TRB_CH         BIT(4)
#define XHCI_TRB_IOC        BIT(5)
#define XHCI_TRB_IDT        BIT(6)
#define XHCI_TRB_BEI        BIT(9) /* transfer TRBs */
#define XHCI_TRB_BSR        BIT(9) /* Address Device */
#define XHCI_TRB_DC         BIT(9) /* Configure Endpoint */
#define XHCI_TRB_TSP        BIT(9) /* Reset Endpoint */
#define XHCI_TRB_TYPE_SHIFT 10
#define XHCI_TRB_DIR_IN     BIT(16) /* Data, Status */
#define XHCI_TRB_EP_SHIFT   16
#define XHCI_TRB_SLOT_SHIFT 24
#define XHCI_TRB_SIA        BIT(31) /* Isoch: start as soon as possible */

/* 6.4.5 completion codes */
enum xhci_cc {
	XHCI_CC_INVALID = 0,
	XHCI_CC_SUCCESS = 1,
	XHCI_CC_DATA_BUFFER_ERROR = 2,
	XHCI_CC_BABBLE_DETECTED = 3,
	XHCI_CC_USB_TRANSACTION_ERROR = 4,
	XHCI_CC_TRB_ERROR = 5,
	XHCI_CC_STALL_ERROR = 6,
	XHCI_CC_RESOURCE_ERROR = 7,
	XHCI_CC_BANDWIDTH_ERROR = 8,
	XHCI_CC_NO_SLOTS_AVAILABLE = 9,
	XHCI_CC_INVALID_STREAM_TYPE = 10,
	XHCI_CC_SLOT_NOT_ENABLED = 11,
	XHCI_CC_ENDPOINT_NOT_ENABLED = 12,
	XHCI_CC_SHORT_PACKET = 13,
	XHCI_CC_RING_UNDERRUN = 14,
	XHCI_CC_RING_OVERRUN = 15,
	XHCI_CC_PARAMETER_ERROR = 17,
	XHCI_CC_CONTEXT_STATE_ERROR = 19,
	XHCI_CC_EVENT_RING_FULL = 21,
	XHCI_CC_MISSED_SERVICE_ERROR = 23,
	XHCI_CC_COMMAND_RING_STOPPED = 24,
	XHCI_CC_COMMAND_ABORTED = 25,
	XHCI_CC_STOPPED = 26,
	XHCI_CC_STOPPED_LENGTH_INVALID = 27,
	XHCI_CC_STOPPED_SHORT_PACKET = 28,
	XHCI_CC_INVALID_STREAM_ID = 34,
	/* not of the specification: the result is not known yet, call again in a later run */
	XHCI_CC_PENDING = 0x100,
};

/* 6.2 contexts, 32 bytes each (CSZ = 0) */
#define XHCI_CONTEXT_SIZE        UINT64_C(32) /* wide: it multiplies to guest addresses */
#define XHCI_DCI_MAX             31u
#define XHCI_DEVICE_CONTEXT_SIZE (32u * XHCI_CONTEXT_SIZE)
#define XHCI_INPUT_CONTEXT_SIZE  (33u * XHCI_CONTEXT_SIZE)

enum xhci_slot_state {
	XHCI_SLOT_STATE_DISABLED = 0, /* or enabled, not yet addressed */
	XHCI_SLOT_STATE_DEFAULT = 1,
	XHCI_SLOT_STATE_ADDRESSED = 2,
	XHCI_SLOT_STATE_CONFIGURED = 3,
};

enum xhci_ep_state {
	XHCI_EP_STATE_DISABLED = 0,
	XHCI_EP_STATE_RUNNING = 1,
	XHCI_EP_STATE_HALTED = 2,
	XHCI_EP_STATE_STOPPED = 3,
	XHCI_EP_STATE_ERROR = 4,
};

enum xhci_ep_type {
	XHCI_EP_TYPE_INVALID = 0,
	XHCI_EP_TYPE_ISOCH_OUT = 1,
	XHCI_EP_TYPE_BULK_OUT = 2,
	XHCI_EP_TYPE_INTERRUPT_OUT = 3,
	XHCI_EP_TYPE_CONTROL = 4,
	XHCI_EP_TYPE_ISOCH_IN = 5,
	XHCI_EP_TYPE_BULK_IN = 6,
	XHCI_EP_TYPE_INTERRUPT_IN = 7,
};

/* 4.12, 6.2.4 streams */
#define XHCI_STREAM_ID_MAX 65533u /* 65534 and 65535 are Prime and No Stream */

enum xhci_sct {
	XHCI_SCT_SECONDARY_RING = 0,
	XHCI_SCT_PRIMARY_RING = 1,
	XHCI_SCT_SSA_8 = 2, /* up to 7: a secondary array of 256 */
	XHCI_SCT_SSA_256 = 7,
};

#endif /* XHCI_SPEC_H */
