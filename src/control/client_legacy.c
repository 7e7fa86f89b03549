/* SPDX-License-Identifier: MIT
 * client_legacy.c - the client of the original program's 3-byte commands
 */
#include <errno.h>
#include <string.h>

#include "control/client.h"
#include "control/stream.h"

#define LIST_MAX 255u

/* Receives exactly @len bytes. Return: 0 or -errno with @err filled. */
static int receive_all(int fd, uint8_t *bytes, size_t len, uint64_t deadline_ns,
		       struct err *err)
{
	while (len > 0) {
		ssize_t n = control_stream_receive(fd, bytes, len, deadline_ns, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(err, ECONNRESET,
				       "the daemon closed the connection without a whole "
				       "answer: look at its log");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_list(int fd, struct control_address *list, unsigned *ret_count,
			uint64_t deadline_ns, struct err *err)
{
	uint8_t bytes[2 * LIST_MAX];
	uint8_t count;
	int r = receive_all(fd, &count, 1, deadline_ns, err);

	if (r == 0)
		r = receive_all(fd, bytes, (size_t)2 * count, deadline_ns, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		list[i] = (struct control_address){bytes[2 * i], bytes[2 * i + 1]};
	*ret_count = count;
	return 0;
}

int control_legacy_call(const char *path, int timeout_ms, enum control_legacy_cmd command,
			struct control_address address, int fd,
			struct control_address *list, unsigned *ret_count,
			struct err *err)
{
	uint64_t deadline_ns =
		control_deadline(timeout_ms ? timeout_ms : CONTROL_CLIENT_TIMEOUT_MS);
	uint8_t request[CONTROL_LEGACY_REQUEST_BYTES] = {(uint8_t)command, address.bus,
							 address.address};
	_cleanup_close_ int sock = control_stream_connect(path, deadline_ns, err);
	uint8_t answer = 0;
	int r = sock;

	if (r >= 0)
		r = control_stream_send(sock, request, sizeof(request), fd, deadline_ns,
					err);
	/* a daemon that refuses without reading has answered all the same */
	if (r == 0 || r == -EPIPE)
		r = receive_all(sock, &answer, 1, deadline_ns, err);
	if (r < 0)
		return r;
	if (answer == '{')
		return err_set(
			err, EUSERS,
			"the daemon does not talk to you: it has too many clients, "
			"or you are not one it may have; usbvfioctl list says "
			"which");
	if (answer == CONTROL_LEGACY_LIST && command == CONTROL_LEGACY_CMD_LIST) {
		r = receive_list(sock, list, ret_count, deadline_ns, err);
		if (r < 0)
			return r;
	}
	return answer;
}

const char *control_legacy_text(int answer)
{
	switch (answer) {
	case CONTROL_LEGACY_SUCCESS:
		return "done";
	case CONTROL_LEGACY_LIST:
		return "the list follows";
	case CONTROL_LEGACY_NO_FREE_PORT:
		return "no virtual port is free: detach a device first";
	case CONTROL_LEGACY_SPEED_UNKNOWN:
		return "the speed of the device is unknown";
	case CONTROL_LEGACY_CANNOT_OPEN:
		return "the device cannot be opened or was refused: the daemon's log "
		       "says "
		       "why";
	case CONTROL_LEGACY_NO_SUCH_DEVICE:
		return "no such device is attached";
	default:
		return "an answer that is not known";
	}
}
