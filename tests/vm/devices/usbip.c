/* SPDX-License-Identifier: MIT
 * usbip.c - the messages of USB/IP in the form of Linux's vhci_hcd
 */
#include "tests/vm/devices/usbip.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/vm/devices/device.h"
#include "util/bytes.h"
#include "util/compiler.h"

#define HEADER_BYTES 48u
#define PACKET_BYTES 16u
#define INBOX_BYTES  (256u << 10)
#define LEN_MAX      (64u << 20)
#define PACKETS_MAX  1024u

enum usbip_command {
	USBIP_SUBMIT = 1,
	USBIP_UNLINK = 2,
	USBIP_RET_SUBMIT = 3,
	USBIP_RET_UNLINK = 4,
};

static void send_all(struct device *dev, struct iovec *iov, size_t count)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};

	while (!dev->gone && msg.msg_iovlen > 0) {
		ssize_t n = sendmsg(dev->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = dev->fd, .events = POLLOUT};

			(void)poll(&wait, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			dev->gone = true;
			return;
		}
		while (msg.msg_iovlen > 0 && (size_t)n >= msg.msg_iov->iov_len) {
			n -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen > 0) {
			msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
}

/* Moves the packets' bytes together: the kernel expects isochronous data without gaps. */
static uint32_t pack(const struct urb *urb)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < urb->packet_count; i++) {
		const struct iso_packet *packet = &urb->packets[i];

		memmove(urb->data + at, urb->data + packet->offset, packet->actual);
		at += packet->actual;
	}
	return at;
}

void usbip_reply(struct device *dev, const struct urb *urb, int status, uint32_t actual)
{
	uint8_t head[HEADER_BYTES] = {0};
	_cleanup_free_ uint8_t *packets = NULL;
	struct iovec iov[3] = {{.iov_base = head, .iov_len = sizeof(head)}};
	size_t count = 1;
	uint32_t errors = 0;

	if (urb->packet_count > 0) {
		packets = calloc(urb->packet_count, PACKET_BYTES);
		if (!packets)
			abort();
		for (uint32_t i = 0; i < urb->packet_count; i++) {
			uint8_t *p = packets + (size_t)i * PACKET_BYTES;

			put_be32(p, urb->packets[i].offset);
			put_be32(p + 4, urb->packets[i].length);
			put_be32(p + 8, urb->packets[i].actual);
			put_be32(p + 12, (uint32_t)urb->packets[i].status);
			errors += urb->packets[i].status != 0;
		}
	}
	put_be32(head, USBIP_RET_SUBMIT);
	put_be32(head + 4, urb->seqnum);
	put_be32(head + 20, (uint32_t)status);
	put_be32(head + 24, actual);
	put_be32(head + 28, urb->start_frame);
	put_be32(head + 32, urb->packet_count ? urb->packet_count : UINT32_MAX);
	put_be32(head + 36, errors);
	if ((urb->ep_addr & 0x80) && actual > 0) {
		if (urb->packet_count > 0)
			actual = pack(urb);
		iov[count++] = (struct iovec){.iov_base = urb->data, .iov_len = actual};
	}
	if (packets)
		iov[count++] = (struct iovec){
			.iov_base = packets,
			.iov_len = (size_t)urb->packet_count * PACKET_BYTES,
		};
	send_all(dev, iov, count);
}

void usbip_reply_unlink(struct device *dev, uint32_t seqnum, int status)
{
	uint8_t head[HEADER_BYTES] = {0};
	struct iovec iov = {.iov_base = head, .iov_len = sizeof(head)};

	put_be32(head, USBIP_RET_UNLINK);
	put_be32(head + 4, seqnum);
	put_be32(head + 20, (uint32_t)status);
	send_all(dev, &iov, 1);
}

static uint8_t ep_addr_of(const uint8_t *msg)
{
	return (uint8_t)((get_be32(msg + 16) & 0xf) |
			 (get_be32(msg + 12) == 1 ? 0x80 : 0));
}

static struct urb *parse_urb(const uint8_t *msg, uint32_t len, uint32_t packet_count,
			     bool in)
{
	struct urb *urb = calloc(1, sizeof(*urb));
	const uint8_t *p = msg + HEADER_BYTES + (in ? 0 : len);

	if (!urb)
		abort();
	list_init(&urb->node);
	urb->seqnum = get_be32(msg + 4);
	urb->ep_addr = ep_addr_of(msg);
	urb->flags = get_be32(msg + 20);
	urb->len = len;
	urb->start_frame = get_be32(msg + 28);
	urb->packet_count = packet_count;
	urb->interval = get_be32(msg + 36);
	memcpy(urb->setup, msg + 40, sizeof(urb->setup));
	urb->data = in ? calloc(1, len + 1u) : malloc(len + 1u);
	urb->packets = calloc(packet_count + 1u, sizeof(*urb->packets));
	if (!urb->data || !urb->packets)
		abort();
	if (!in)
		memcpy(urb->data, msg + HEADER_BYTES, len);
	for (uint32_t i = 0; i < packet_count; i++, p += PACKET_BYTES) {
		struct iso_packet *packet = &urb->packets[i];

		packet->offset = get_be32(p);
		packet->length = get_be32(p + 4);
		if (packet->offset > len || packet->length > len - packet->offset)
			abort();
	}
	return urb;
}

static void unlink_urb(struct device *dev, struct usbip_inbox *inbox, const uint8_t *msg)
{
	uint32_t seqnum = get_be32(msg + 4);
	uint32_t urb_seqnum = get_be32(msg + 20);

	if (urb_seqnum <= inbox->last_seqnum) {
		device_unlink(dev, seqnum, urb_seqnum);
		return;
	}
	/* The transfer has not arrived yet. If we answered the unlink now, the kernel would forget
	 * the transfer, and drop the connection when we answer that later. */
	if (inbox->early_count == USBIP_EARLY_MAX)
		abort();
	inbox->early[inbox->early_count].seqnum = seqnum;
	inbox->early[inbox->early_count++].urb_seqnum = urb_seqnum;
}

/* Whether the kernel unlinked this message's transfer before it arrived. If so, answers the
 * unlink. */
static bool was_unlinked(struct device *dev, struct usbip_inbox *inbox,
			 const uint8_t *msg)
{
	uint32_t urb_seqnum = get_be32(msg + 4);

	inbox->last_seqnum = urb_seqnum;
	for (unsigned i = 0; i < inbox->early_count; i++) {
		if (inbox->early[i].urb_seqnum != urb_seqnum)
			continue;
		dev->counts.unlinks++;
		if (get_be32(msg + 16) != 0)
			device_endpoint(dev, ep_addr_of(msg))->count_unlinked++;
		usbip_reply_unlink(dev, inbox->early[i].seqnum, -ECONNRESET);
		inbox->early[i] = inbox->early[--inbox->early_count];
		return true;
	}
	return false;
}

/* Return: bytes of the message at @msg, 0 if it is incomplete, -EPROTO if it is not a message */
static ssize_t take_message(struct device *dev, struct usbip_inbox *inbox,
			    const uint8_t *msg, size_t have)
{
	uint32_t len, packet_count;
	size_t size = HEADER_BYTES;
	bool in;

	if (have < size)
		return 0;
	if (get_be32(msg) == USBIP_UNLINK) {
		unlink_urb(dev, inbox, msg);
		return HEADER_BYTES;
	}
	if (get_be32(msg) != USBIP_SUBMIT)
		return -EPROTO;
	in = get_be32(msg + 12) == 1;
	len = get_be32(msg + 24);
	packet_count = get_be32(msg + 32);
	if (packet_count == UINT32_MAX)
		packet_count = 0;
	if (len > LEN_MAX || packet_count > PACKETS_MAX)
		return -EPROTO;
	size += (in ? 0 : len) + (size_t)packet_count * PACKET_BYTES;
	if (have < size)
		return 0;
	if (!was_unlinked(dev, inbox, msg))
		device_submit(dev, parse_urb(msg, len, packet_count, in));
	return (ssize_t)size;
}

/* Makes room for another read. */
static void make_room(struct usbip_inbox *inbox)
{
	size_t wanted = inbox->len + INBOX_BYTES;
	uint8_t *bytes;

	if (wanted <= inbox->room)
		return;
	wanted = MAX_OF(wanted, 2 * inbox->room);
	bytes = realloc(inbox->bytes, wanted);
	if (!bytes)
		abort();
	inbox->bytes = bytes;
	inbox->room = wanted;
}

int usbip_receive(struct device *dev, struct usbip_inbox *inbox)
{
	size_t at = 0;
	ssize_t n;

	make_room(inbox);
	n = recv(dev->fd, inbox->bytes + inbox->len, inbox->room - inbox->len,
		 MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	inbox->len += (size_t)n;
	while (!dev->gone) {
		n = take_message(dev, inbox, inbox->bytes + at, inbox->len - at);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	inbox->len -= at;
	memmove(inbox->bytes, inbox->bytes + at, inbox->len);
	return 0;
}
