/* SPDX-License-Identifier: MIT
 * test_info.c - DEVICE_GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS, GET_IRQ_INFO
 */
#include "served.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct reply reply;

static void device_info_with(struct served *s, uint32_t argsz)
{
	struct vuser_device_info info = {.argsz = argsz};

	ask(s, VUSER_CMD_DEVICE_GET_INFO, &info, sizeof(info), 16, &reply);
	memcpy(&info, reply.payload, sizeof(info));
	assert_int_equal(info.argsz, 16);
	assert_int_equal(info.flags, VUSER_DEVICE_FLAG_RESET | VUSER_DEVICE_FLAG_PCI);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 3);
}

static void device_info(void **state)
{
	device_info_with(*state, 16);
	device_info_with(*state, 32); /* Cloud Hypervisor's */
}

/* Clients see ERR and REQ only if they have vectors. */
static void more_irqs(void **state)
{
	struct served *s = *state;
	struct vuser_device_info info = {.argsz = 16};
	int pair[2];

	vuser_server_destroy(s->server);
	close(s->client);
	s->device.irq_counts[IRQ_REQ] = 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->client = pair[0];
	s->server = vuser_server_create(s->loop, pair[1], &s->device, s->mem, NULL);
	assert_non_null(s->server);
	send_version(s->client, WHO_QEMU);
	served_run(s);
	take_reply(s->client, &reply);
	ask(s, VUSER_CMD_DEVICE_GET_INFO, &info, sizeof(info), 16, &reply);
	memcpy(&info, reply.payload, sizeof(info));
	assert_int_equal(info.num_irqs, 5);
}

static void device_info_errors(void **state)
{
	struct vuser_device_info info = {.argsz = 8};

	ask_error(*state, VUSER_CMD_DEVICE_GET_INFO, &info, sizeof(info), EINVAL);
	info.argsz = 16;
	ask_error(*state, VUSER_CMD_DEVICE_GET_INFO, &info, 15, EINVAL);
	ask_error(*state, VUSER_CMD_DEVICE_GET_INFO, NULL, 0, EINVAL);
}

static struct vuser_region_info ask_region(struct served *s, uint32_t index,
					   uint32_t argsz, size_t message_len)
{
	uint8_t payload[4080] = {0};
	struct vuser_region_info info = {.argsz = argsz,
					 .flags = 0xffffffff,
					 .index = index,
					 .cap_offset = 77,
					 .size = 99,
					 .offset = 99};

	memcpy(payload, &info, sizeof(info));
	ask(s, VUSER_CMD_DEVICE_GET_REGION_INFO, payload, message_len, 32, &reply);
	memcpy(&info, reply.payload, sizeof(info));
	assert_int_equal(info.argsz, 32);
	assert_int_equal(info.index, index);
	assert_int_equal(info.cap_offset, 0);
	assert_int_equal(info.offset, 0);
	return info;
}

static void region_info(void **state)
{
	struct served *s = *state;
	struct vuser_region_info info;

	for (uint32_t index = 0; index < VUSER_REGIONS; index++) {
		info = ask_region(s, index, 32, 32);
		assert_int_equal(info.size, s->device.regions[index].size);
		if (info.size == 0)
			assert_int_equal(info.flags, 0);
	}
	assert_int_equal(ask_region(s, REGION_BAR0, 32, 32).flags, 3);
	assert_int_equal(ask_region(s, REGION_READ_ONLY, 32, 32).flags, 1);
	assert_int_equal(ask_region(s, REGION_WRITE_ONLY, 32, 32).flags, 2);
	assert_int_equal(ask_region(s, REGION_CONFIG, 32, 32).flags, 3);
	/* more room asked for than there is to say; SPDK sends a message of 4080 bytes */
	ask_region(s, REGION_BAR0, 40, 32);
	ask_region(s, REGION_BAR0, 4064, 4064);
}

static void region_info_errors(void **state)
{
	struct vuser_region_info info = {.argsz = 8};

	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_INFO, &info, sizeof(info), EINVAL);
	info.argsz = 31;
	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_INFO, &info, sizeof(info), EINVAL);
	info.argsz = 32;
	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_INFO, &info, 31, EINVAL);
	info.index = 9;
	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_INFO, &info, sizeof(info), EINVAL);
	info.index = UINT32_MAX;
	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_INFO, &info, sizeof(info), EINVAL);
}

static void io_fds(void **state)
{
	struct vuser_region_io_fds ask_fds = {.argsz = 16, .index = REGION_BAR0};
	struct vuser_region_io_fds got;

	ask(*state, VUSER_CMD_DEVICE_GET_REGION_IO_FDS, &ask_fds, 16, 16, &reply);
	memcpy(&got, reply.payload, sizeof(got));
	assert_memory_equal(&got, &ask_fds, sizeof(got));
	ask_fds.argsz = 4096;
	ask(*state, VUSER_CMD_DEVICE_GET_REGION_IO_FDS, &ask_fds, 16, 16, &reply);
	memcpy(&got, reply.payload, sizeof(got));
	assert_int_equal(got.argsz, 16);
	assert_int_equal(got.count, 0);
}

static void io_fds_errors(void **state)
{
	static const struct vuser_region_io_fds bad[] = {
		{.argsz = 16, .flags = 1},
		{.argsz = 16, .count = 1},
		{.argsz = 15},
		{.argsz = (1 << 20) + 1},
		{.argsz = 16, .index = 5},
		{.argsz = 16, .index = 512},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_IO_FDS, &bad[i], 16,
			  EINVAL);
	ask_error(*state, VUSER_CMD_DEVICE_GET_REGION_IO_FDS, &bad[0], 12, EINVAL);
}

static void irq_info(void **state)
{
	static const uint32_t counts[] = {0, SERVED_MSI, SERVED_MSIX};

	for (uint32_t index = 0; index < 3; index++) {
		struct vuser_irq_info info = {
			.argsz = index ? 16 : 64, .index = index, .count = 5};

		ask(*state, VUSER_CMD_DEVICE_GET_IRQ_INFO, &info, sizeof(info), 16,
		    &reply);
		memcpy(&info, reply.payload, sizeof(info));
		assert_int_equal(info.argsz, 16);
		assert_int_equal(info.index, index);
		assert_int_equal(info.count, counts[index]);
		assert_int_equal(info.flags, counts[index] ? VUSER_IRQ_FLAG_EVENTFD : 0);
	}
}

static void irq_info_errors(void **state)
{
	struct vuser_irq_info info = {.argsz = 8};

	ask_error(*state, VUSER_CMD_DEVICE_GET_IRQ_INFO, &info, sizeof(info), EINVAL);
	info.argsz = 16;
	ask_error(*state, VUSER_CMD_DEVICE_GET_IRQ_INFO, &info, 15, EINVAL);
	/* QEMU asks for ERR and takes this as "has none", in silence */
	info.index = IRQ_ERR;
	ask_error(*state, VUSER_CMD_DEVICE_GET_IRQ_INFO, &info, sizeof(info), EINVAL);
	info.index = UINT32_MAX;
	ask_error(*state, VUSER_CMD_DEVICE_GET_IRQ_INFO, &info, sizeof(info), EINVAL);
}

/* Cloud Hypervisor waits for these sizes, whatever the outcome. */
static void padded_errors(void **state)
{
	struct served *s = *state;
	static const struct {
		unsigned cmd;
		size_t len;
	} asked[] = {
		{VUSER_CMD_DEVICE_GET_INFO, 16},
		{VUSER_CMD_DEVICE_GET_REGION_INFO, 32},
		{VUSER_CMD_DEVICE_GET_REGION_IO_FDS, 16},
		{VUSER_CMD_DEVICE_GET_IRQ_INFO, 16},
	};

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		uint8_t zeros[32] = {0}; /* argsz 0 */

		send_msg(s->client, asked[i].cmd, 0, zeros, asked[i].len);
		served_run(s);
		take_reply(s->client, &reply);
		assert_int_equal(reply.header.flags,
				 VUSER_FLAG_TYPE_REPLY | VUSER_FLAG_ERROR);
		assert_int_equal(reply.header.error, EINVAL);
		assert_int_equal(reply.len, asked[i].len);
		expect_silence(s->client);
		/* a payload that is too short must not make more of it */
		send_msg(s->client, asked[i].cmd, 0, zeros, 3);
		served_run(s);
		take_reply(s->client, &reply);
		assert_int_equal(reply.len, asked[i].len);
		expect_silence(s->client);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, served_setup_qemu, served_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(device_info),
		TEST(more_irqs),
		TEST(device_info_errors),
		TEST(region_info),
		TEST(region_info_errors),
		TEST(io_fds),
		TEST(io_fds_errors),
		TEST(irq_info),
		TEST(irq_info_errors),
		cmocka_unit_test_setup_teardown(padded_errors, served_setup_ch,
						served_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
