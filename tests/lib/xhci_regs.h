/* SPDX-License-Identifier: MIT
 * xhci_regs.h - numbers of the xHCI specification, as a driver knows them
 *
 * Deliberately not shared with src/xhci, so that a test finds a wrong number there.
 * Section numbers are of xHCI 1.2.
 */
#ifndef TESTS_LIB_XHCI_REGS_H
#define TESTS_LIB_XHCI_REGS_H

#include <stdint.h>

/* Capability registers (5.3), from BAR0 + 0 */
#define XCAP_CAPLENGTH  0x00u
#define XCAP_HCIVERSION 0x02u
#define XCAP_HCSPARAMS1 0x04u
#define XCAP_HCSPARAMS2 0x08u
#define XCAP_HCSPARAMS3 0x0cu
#define XCAP_HCCPARAMS1 0x10u
#define XCAP_DBOFF      0x14u
#define XCAP_RTSOFF     0x18u
#define XCAP_HCCPARAMS2 0x1cu

/* Operational registers (5.4), from CAPLENGTH */
#define XOP_USBCMD   0x00u
#define XOP_USBSTS   0x04u
#define XOP_PAGESIZE 0x08u
#define XOP_DNCTRL   0x14u
#define XOP_CRCR     0x18u
#define XOP_DCBAAP   0x30u
#define XOP_CONFIG   0x38u
#define XOP_PORTS    0x400u /* + 0x10 per port: PORTSC, PORTPMSC, PORTLI, PORTHLPMC */

#define XCMD_RS    (1u << 0)
#define XCMD_HCRST (1u << 1)
#define XCMD_INTE  (1u << 2)
#define XCMD_HSEE  (1u << 3)

#define XSTS_HCH  (1u << 0)
#define XSTS_HSE  (1u << 2)
#define XSTS_EINT (1u << 3)
#define XSTS_PCD  (1u << 4)
#define XSTS_CNR  (1u << 11)
#define XSTS_HCE  (1u << 12)

#define XCRCR_RCS (1u << 0)
#define XCRCR_CS  (1u << 1)
#define XCRCR_CA  (1u << 2)
#define XCRCR_CRR (1u << 3)

/* PORTSC (5.4.8) */
#define XPORT_CCS       (1u << 0)
#define XPORT_PED       (1u << 1)
#define XPORT_OCA       (1u << 3)
#define XPORT_PR        (1u << 4)
#define XPORT_PLS(sc)   (((sc) >> 5) & 0xfu)
#define XPORT_PLS_SHIFT 5
#define XPORT_PLS_MASK  (0xfu << 5)
#define XPORT_PP        (1u << 9)
#define XPORT_SPEED(sc) (((sc) >> 10) & 0xfu)
#define XPORT_LWS       (1u << 16)
#define XPORT_CSC       (1u << 17)
#define XPORT_PEC       (1u << 18)
#define XPORT_WRC       (1u << 19)
#define XPORT_OCC       (1u << 20)
#define XPORT_PRC       (1u << 21)
#define XPORT_PLC       (1u << 22)
#define XPORT_CEC       (1u << 23)
#define XPORT_WCE       (1u << 25)
#define XPORT_WDE       (1u << 26)
#define XPORT_WOE       (1u << 27)
#define XPORT_WPR       (1u << 31)
#define XPORT_CHANGES                                                            \
	(XPORT_CSC | XPORT_PEC | XPORT_WRC | XPORT_OCC | XPORT_PRC | XPORT_PLC | \
	 XPORT_CEC)
/* bits to write back as read; the others act when written as 1 */
#define XPORT_KEEP (XPORT_PP | XPORT_WCE | XPORT_WDE | XPORT_WOE | (3u << 14))

enum xport_link {
	XPORT_LINK_U0 = 0,
	XPORT_LINK_U1 = 1,
	XPORT_LINK_U2 = 2,
	XPORT_LINK_U3 = 3,
	XPORT_LINK_DISABLED = 4,
	XPORT_LINK_RXDETECT = 5,
	XPORT_LINK_INACTIVE = 6,
	XPORT_LINK_POLLING = 7,
	XPORT_LINK_RECOVERY = 8,
	XPORT_LINK_RESUME = 15,
};

/* Default Port Speed IDs (7.2.2.1.1) */
enum xspeed {
	XSPEED_FULL = 1,
	XSPEED_LOW = 2,
	XSPEED_HIGH = 3,
	XSPEED_SUPER = 4,
};

/* Runtime registers (5.5), from RTSOFF; interrupter n at 0x20 + 0x20 * n */
#define XRT_MFINDEX 0x00u
#define XRT_IR(n)   (0x20u + 0x20u * (n))
#define XIR_IMAN    0x00u
#define XIR_IMOD    0x04u
#define XIR_ERSTSZ  0x08u
#define XIR_ERSTBA  0x10u
#define XIR_ERDP    0x18u
#define XIMAN_IP    (1u << 0)
#define XIMAN_IE    (1u << 1)
#define XERDP_EHB   (1u << 3)

/* TRB types (6.4.6) */
enum xtrb {
	XTRB_NORMAL = 1,
	XTRB_SETUP = 2,
	XTRB_DATA = 3,
	XTRB_STATUS = 4,
	XTRB_ISOCH = 5,
	XTRB_LINK = 6,
	XTRB_EVENT_DATA = 7,
	XTRB_NOOP = 8,
	XTRB_ENABLE_SLOT = 9,
	XTRB_DISABLE_SLOT = 10,
	XTRB_ADDRESS_DEVICE = 11,
	XTRB_CONFIGURE_ENDPOINT = 12,
	XTRB_EVALUATE_CONTEXT = 13,
	XTRB_RESET_ENDPOINT = 14,
	XTRB_STOP_ENDPOINT = 15,
	XTRB_SET_TR_DEQUEUE = 16,
	XTRB_RESET_DEVICE = 17,
	XTRB_FORCE_EVENT = 18,
	XTRB_NEGOTIATE_BANDWIDTH = 19,
	XTRB_SET_LTV = 20,
	XTRB_GET_PORT_BANDWIDTH = 21,
	XTRB_FORCE_HEADER = 22,
	XTRB_NOOP_COMMAND = 23,
	XTRB_GET_EXTENDED_PROPERTY = 24,
	XTRB_SET_EXTENDED_PROPERTY = 25,
	XTRB_TRANSFER_EVENT = 32,
	XTRB_COMMAND_COMPLETION = 33,
	XTRB_PORT_STATUS_CHANGE = 34,
	XTRB_BANDWIDTH_REQUEST = 35,
	XTRB_DOORBELL_EVENT = 36,
	XTRB_HOST_CONTROLLER = 37,
	XTRB_DEVICE_NOTIFICATION = 38,
	XTRB_MFINDEX_WRAP = 39,
};

/* Fields of TRB control and status words (6.4) */
#define XTRB_C       (1u << 0)
#define XTRB_TC      (1u << 1) /* Link: toggle cycle */
#define XTRB_ENT     (1u << 1)
#define XTRB_ISP     (1u << 2)
#define XTRB_NS      (1u << 3)
#define XTRB_CH      (1u << 4)
#define XTRB_IOC     (1u << 5)
#define XTRB_IDT     (1u << 6)
#define XTRB_BEI     (1u << 9)
#define XTRB_BSR     (1u << 9)  /* Address Device */
#define XTRB_DC      (1u << 9)  /* Configure Endpoint */
#define XTRB_TSP     (1u << 9)  /* Reset Endpoint */
#define XTRB_SP      (1u << 23) /* Stop Endpoint */
#define XTRB_DIR_IN  (1u << 16)
#define XTRB_TRT_OUT (2u << 16)
#define XTRB_TRT_IN  (3u << 16)
#define XTRB_TYPE(t) ((uint32_t)(t) << 10)
#define XTRB_SLOT(s) ((uint32_t)(s) << 24)
#define XTRB_EP(dci) ((uint32_t)(dci) << 16)
#define XTRB_INTR(n) ((uint32_t)(n) << 22) /* status word: interrupter target */
#define XTRB_LEN_MAX 0x10000u
#define XTRB_BYTES   16u

/* Completion codes (6.4.5) */
enum xcc {
	XCC_INVALID = 0,
	XCC_SUCCESS = 1,
	XCC_DATA_BUFFER = 2,
	XCC_BABBLE = 3,
	XCC_TRANSACTION = 4,
	XCC_TRB = 5,
	XCC_STALL = 6,
	XCC_RESOURCE = 7,
	XCC_BANDWIDTH = 8,
	XCC_NO_SLOTS = 9,
	XCC_INVALID_STREAM_TYPE = 10,
	XCC_SLOT_NOT_ENABLED = 11,
	XCC_ENDPOINT_NOT_ENABLED = 12,
	XCC_SHORT_PACKET = 13,
	XCC_RING_UNDERRUN = 14,
	XCC_RING_OVERRUN = 15,
	XCC_PARAMETER = 17,
	XCC_BANDWIDTH_OVERRUN = 18,
	XCC_CONTEXT_STATE = 19,
	XCC_EVENT_RING_FULL = 21,
	XCC_INCOMPATIBLE_DEVICE = 22,
	XCC_MISSED_SERVICE = 23,
	XCC_COMMAND_RING_STOPPED = 24,
	XCC_COMMAND_ABORTED = 25,
	XCC_STOPPED = 26,
	XCC_STOPPED_LENGTH_INVALID = 27,
	XCC_STOPPED_SHORT_PACKET = 28,
	XCC_UNDEFINED = 33,
};

/* Contexts (6.2) */
enum xslot_state {
	XSLOT_STATE_ENABLED = 0, /* or disabled */
	XSLOT_STATE_DEFAULT = 1,
	XSLOT_STATE_ADDRESSED = 2,
	XSLOT_STATE_CONFIGURED = 3,
};

enum xep_state {
	XEP_STATE_DISABLED = 0,
	XEP_STATE_RUNNING = 1,
	XEP_STATE_HALTED = 2,
	XEP_STATE_STOPPED = 3,
	XEP_STATE_ERROR = 4,
};

enum xep_type {
	XEP_TYPE_ISOCH_OUT = 1,
	XEP_TYPE_BULK_OUT = 2,
	XEP_TYPE_INTERRUPT_OUT = 3,
	XEP_TYPE_CONTROL = 4,
	XEP_TYPE_ISOCH_IN = 5,
	XEP_TYPE_BULK_IN = 6,
	XEP_TYPE_INTERRUPT_IN = 7,
};

#endif /* TESTS_LIB_XHCI_REGS_H */
