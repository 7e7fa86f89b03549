# SPDX-License-Identifier: MIT
"""Requests, faults and cancellations, with synthetic devices of the host that report what reached them.

All tests of this module use the same host and the same guest; after a failure the next test begins with new ones. The
tests make the guest run usb-poke, which uses the devices through the guest's usbfs.
"""

import re
import zlib
from contextlib import contextmanager

import pytest

from devices.synthetic import Synthetic, parse
from harness.scene import scene, scene_keeper  # noqa: F401 fixtures

pytestmark = pytest.mark.usbvfiod_only

JOB = r"""
poke() {
	usb-poke "$@" >/tmp/poked
	status=$?
	while read -r line; do
		say POKED "$line"
	done </tmp/poked
	return $status
}

# poke_load POKE LOAD...: pokes a device while others are busy. Each argument is one word of arguments for usb-poke.
poke_load() {
	first=$1
	shift
	pids=
	for load in "$@"; do
		usb-poke $load >>/tmp/load 2>&1 &
		pids="$pids $!"
	done
	poke $first || return 1
	for pid in $pids; do
		wait "$pid" || die "$(cat /tmp/load)"
	done
}

# disk SERIAL: writes to the disk and reads it back; reports its driver.
disk() {
	wait_for "grep -qsx '$1' /sys/bus/usb/devices/*/serial"
	dev=$(dirname "$(grep -lsx "$1" /sys/bus/usb/devices/*/serial)")
	wait_for "ls -d $dev/*:*/host*/target*/*/block/* >/dev/null 2>&1"
	disk=$(basename "$dev"/*:*/host*/target*/*/block/*)
	wait_disk "$disk"
	say DRIVER "$(basename "$(readlink "$dev"/*:1.0/driver)")"
	say FIRST "$(dd if=/dev/$disk bs=512 skip=1000 count=1 2>/dev/null | hexdump -n 4 -v -e '1/4 "%u"')"
	dd if=/dev/urandom of=/tmp/random bs=64k count=32 2>/dev/null
	say WRITTEN "$(sha256 /tmp/random)"
	dd if=/tmp/random of=/dev/$disk bs=64k seek=3 conv=fsync 2>/dev/null || die write
	drop_caches
	say READ "$(dd if=/dev/$disk bs=64k skip=3 count=32 2>/dev/null | sha256sum | cut -d' ' -f1)"
}

# same_configuration SERIAL: sets the current configuration again, through sysfs.
same_configuration() {
	dev=$(dirname "$(grep -lsx "$1" /sys/bus/usb/devices/*/serial)")
	configuration=$(cat "$dev/bConfigurationValue")
	echo "$configuration" >"$dev/bConfigurationValue"
}

say UP
while hear line; do
	[ "$line" != end ] || break
	(eval "$line")
	say DONE $?
done
"""

SPEEDS = ["full", "high", "super"]
# Keys in usb-poke's answers: counters that only grow, and values that differ each time.
COUNTERS = {"set_configuration", "set_interface", "clear_halt", "set_halt", "resets", "controls", "stalls",
            "wrong_endpoint", "unlinks"}
TIMES = {"us", "ms", "busiest_queue"}


def pattern_checksum(length, start=0):
    """The checksum of the bytes that the kind big-control sends, in usb-poke's form."""
    return f"{zlib.adler32(bytes((start + i * 7 + i // 256) & 0xff for i in range(length))):08x}"


class Scene:
    """Host, daemon and guest with all devices."""

    def __init__(self, host, _folder, build):
        self.host = host
        self.synthetic = Synthetic(host, build / "devices")
        kinds = {
            "big": ("big-control", "high"),
            "big-super": ("big-control", "super"),
            "slow": ("slow", "high", "bulk-ms=100"),
            "alternate": ("alternate", "high"),
            "alternate-full": ("alternate", "full"),
            "alternate-super": ("alternate", "super"),
            "disk": ("storage", "super", "mib=4"),
            **{f"stall-{speed}": ("stall", speed) for speed in SPEEDS},
            **{f"loop-{speed}": ("loopback", speed) for speed in SPEEDS},
        }
        self.devices = {name: self.synthetic.plug(*words, serial=name) for name, words in kinds.items()}
        # What the device answers when usb-poke uses it without usbvfiod in between.
        self.bare_answers = changes(self.synthetic.poke(self.devices["alternate"], *ALTERNATE))
        specs = [one.device for name, one in self.devices.items() if name != "big-super"]
        self.usb = host.controller(*specs, f"host:path={self.devices['big-super'].device.node},reset=never")
        self.guest = host.boot(self.usb, JOB, programs=[self.synthetic.poke_program])
        self.guest.expect_word("UP")

    def name(self, device):
        """The device's name for usb-poke in the guest."""
        one = self.devices[device]
        return f"{one.device.ids}:{device}"

    def ask(self, line):
        """Ask the guest to run this line; returns usb-poke's answer to each command."""
        start = self.guest.position
        assert len(line) < 4096, "the console takes no longer lines"
        self.guest.say(line)
        status = self.guest.expect_word("DONE")
        said = re.findall(r"^GUEST POKED (.*)$", self.guest.text[start:self.guest.position], re.MULTILINE)
        assert status == ["0"], f"{line}:\n" + "\n".join(said)
        return [parse(one) for one in said]

    def poke(self, device, *commands):
        return self.ask(f"poke {self.name(device)} --wait 60 {' , '.join(commands)}")

    def stats(self, device):
        return self.devices[device].stats()

    def addresses(self):
        """How often the host has set the address of a synthetic device."""
        return self.host.kernel_log().count("SetAddress Request")


# Control requests

SIZES = [1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 12288, 32767, 65472, 65535]


@pytest.mark.parametrize("device", ["big", "big-super"])
def test_control_requests_of_all_sizes(scene, device):
    # Wait until the guest has finished its own requests to a new device.
    scene.poke(device, "pattern-out 0")
    before = scene.stats(device)
    scene.poke(device, *(f"pattern-in {size} {size % 251}" for size in SIZES))
    scene.poke(device, "pattern-out 0", *(f"pattern-out {size} {size % 251}" for size in SIZES))
    stats = scene.stats(device)
    assert stats["bytes_in"] - before["bytes_in"] == sum(SIZES)
    assert stats["bytes_out"] - before["bytes_out"] == sum(SIZES)
    assert stats["wrong"] == 0
    # Each request reaches the device once and whole.
    assert stats["controls"] - before["controls"] == 2 * len(SIZES) + 1


def test_short_answers_are_told_exactly(scene):
    short = [(65535, 1), (65535, 100), (65535, 4096), (65535, 65534), (4096, 512), (4096, 511), (64, 63), (2, 1)]
    # usb-poke checks the bytes themselves.
    results = scene.poke("big", *(f"pattern-in {length} 9 {limit}" for length, limit in short))
    assert [result["actual"] for result in results] == [limit for _length, limit in short]


def test_requests_to_any_recipient(scene):
    recipients = [0, 1, 2, 3, 4, 31]
    before = scene.stats("big")
    results = scene.poke("big", *(f"control {0xc0 | recipient} 1 {recipient} 0 300" for recipient in recipients))
    checksums = [str(result["checksum"]).zfill(8) for result in results]
    assert checksums == [pattern_checksum(300, recipient) for recipient in recipients]
    scene.poke("big", *(f"control {0x40 | recipient} 1 0 {recipient << 8} 700" for recipient in recipients))
    stats = scene.stats("big")
    assert stats["bytes_out"] - before["bytes_out"] == len(recipients) * 700
    assert stats["wrong"] == 0


def test_refused_requests_are_told_and_forgotten(scene):
    scene.poke("big", "expect EPIPE control 0xc0 0x77 0 0 8", "pattern-in 64", "expect EPIPE control 0x40 0x77 0 0 8",
               "pattern-in 64", "expect EPIPE control 0x40 0x77 0 0 0", "pattern-out 64", "expect EPIPE string 200",
               "expect EPIPE control 0xa0 1 0 0 16", "pattern-in 65535")


def test_slow_and_silent_requests(scene):
    before = scene.stats("slow")["unlinks"]
    results = scene.poke("slow", "control 0xc0 1 5500 0 8 60000", "control 0x40 1 5500 0 64 60000",
                         "control-cancel 0xc0 2 0 0 8 500", "control 0xc0 1 10 0 8",
                         "expect ETIMEDOUT control 0x40 2 0 0 8 500", "control 0xc0 1 10 0 8",
                         "control-cancel 0x40 2 0 0 65535 100", "control 0xc0 1 10 0 8", "claim 0", "in 0x81 512")
    assert results[0]["ms"] >= 5500
    assert results[1]["ms"] >= 5500
    assert results[2]["early"] == results[6]["early"] == 0
    assert [str(results[at]["bytes"]).zfill(16) for at in (0, 3, 5, 7)] == ["0001020304050607"] * 4
    assert scene.stats("slow")["unlinks"] - before == 3


LOOP = ["claim 0", "loop 1 0x81 4096 4 3"]


@contextmanager
def stopped(scene, device):
    """The program that plays the device is stopped in this context."""
    pid = f"$(cat {scene.devices[device].name}.pid)"
    scene.host.run(f"kill -STOP {pid}")
    try:
        yield
    finally:
        scene.host.run(f"kill -CONT {pid}")


def test_a_stuck_device_keeps_nobody(scene):
    """If a controller fails to stop an endpoint within 5 seconds, Linux declares it dead, with all its devices."""
    scene.poke("loop-high", *LOOP)
    with stopped(scene, "loop-high"):
        scene.poke("loop-high", "claim 0", "expect ETIMEDOUT in 0x81 512 500")
        scene.poke("loop-super", *LOOP)
    scene.poke("loop-high", *LOOP)
    assert "the guest no longer waits for them" in scene.usb.log_text()


@pytest.mark.long
def test_a_device_that_is_slow_to_reset_comes_back(scene):
    """Linux gives the device up, and ignores the port until a device is plugged in."""
    scene.poke("loop-high", *LOOP)
    scene.host.pardoned.append("device descriptor read")
    # On a busy machine the guest needs so long to give up that the host's kernel would report a hung task.
    hung = scene.host.run("cat /proc/sys/kernel/hung_task_timeout_secs").strip()
    scene.host.run("echo 0 >/proc/sys/kernel/hung_task_timeout_secs")
    with stopped(scene, "loop-high"):
        scene.poke("loop-high", "expect ENODEV reset")
        scene.ask("until dmesg | grep -q 'unable to enumerate'; do usleep 100000; done")
    scene.poke("loop-high", *LOOP)
    scene.host.run(f"echo {hung} >/proc/sys/kernel/hung_task_timeout_secs")


def test_addresses_are_for_the_host_to_give(scene):
    # With reset=never, the guest's resets during enumeration do not reach the device.
    assert scene.stats("big-super")["resets"] == 0
    addresses = scene.addresses()
    scene.poke("big", "control 0x00 5 77 0 0", "pattern-in 64", "control 0x00 5 0 0 0", "pattern-in 64")
    scene.poke("big-super", "control 0x00 5 1 0 0", "pattern-in 64")
    assert scene.addresses() == addresses
    resets = scene.stats("big")["resets"]
    scene.poke("big", "reset", "pattern-in 64")
    assert scene.stats("big")["resets"] == resets + 1
    assert scene.addresses() == addresses + 1
    assert scene.stats("big-super")["resets"] == 0


# State that the kernel keeps about a device. Each IN transfer returns configuration, alternate setting, endpoint and a
# counter that a data toggle reset sets to 0. The command counts returns what has reached the device.
ALTERNATE = [
    # Bring the device into a known state.
    "claim 0", "interface 0 1", "clear-halt 0x81", "release 0", "counts",
    "claim 0", "claim 1", "claim 2",
    "expect ENOENT in 0x81 64",
    "interface 0 1", "in 0x81 4", "in 0x81 64", "out 1 100", "counts",
    "interface 0 2", "in 0x81 4", "in 0x81 4", "clear-halt 0x81", "in 0x81 4", "out 1 8", "counts",
    "interface 1 1", "in 0x82 4", "out 2 512", "in 0x81 4", "in 0x83 4", "counts",
    "expect EINVAL interface 1 2", "interface 0 0", "expect ENOENT in 0x81 64", "in 0x82 4", "counts",
    *["interface 0 1", "in 0x81 4", "in 0x81 4", "interface 0 0"] * 5, "counts",
    "interface 0 1",
    # Here a request halts the endpoint, not the device itself.
    "control 0x82 0 0 0x81 2", "control 0x02 3 0 0x81 0", "control 0x82 0 0 0x81 2", "expect EPIPE in 0x81 4",
    "clear-halt 0x81", "control 0x82 0 0 0x81 2", "in 0x81 4", "counts",
    "control 0x80 0 0 0 2", "control 0x80 8 0 0 1", "control 0x81 10 0 0 1", "control 0x81 10 0 1 1",
    "release 0", "release 1", "release 2", "counts",
    "configuration 2", "claim 0", "in 0x84 4", "in 0x84 4", "out 4 64", "control 0x80 8 0 0 1", "counts",
    "release 0", "configuration 2", "counts", "claim 0", "in 0x84 4", "release 0",
    "configuration 1", "claim 2", "in 0x83 4", "in 0x83 4", "release 2", "configuration 1", "counts",
    "claim 2", "in 0x83 4", "release 2",
]


def changes(results):
    """The answers without their times, and with counters relative to the first answer to counts."""
    first = next(result for result in results if "controls" in result)
    return [{key: value - first[key] if key in COUNTERS else value for key, value in result.items()
             if key not in TIMES and result is not first} for result in results]


def test_what_a_guest_sets_is_set_in_the_device(scene):
    # The answers are the same, word for word, as without usbvfiod in between.
    for command, bare, ours in zip(ALTERNATE, scene.bare_answers, changes(scene.poke("alternate", *ALTERNATE)),
                                   strict=True):
        assert ours == bare, command
    assert scene.stats("alternate")["wrong_endpoint"] == 0


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_same_configuration_again(scene, speed):
    """Set by the guest's sysfs and by its usbfs: each time the request reaches the device, which resets its endpoints."""
    device = f"loop-{speed}"
    used = ["claim 0", "loop 1 0x81 1000 4 10", "release 0"]
    # Bytes sent to the loopback before the request come back after it.
    left, taken = ["claim 0", "out 1 500", "release 0"], ["claim 0", "in 0x81 500", "release 0"]
    scene.poke(device, *used)
    before = scene.stats(device)
    for _ in range(2):
        scene.poke(device, *left)
        scene.ask(f"same_configuration {device}")
        scene.poke(device, *taken, *used, *left, "configuration 1", *taken, *used)
    stats = scene.stats(device)
    assert stats["set_configuration"] - before["set_configuration"] == 4
    assert stats["looped"] - before["looped"] == 4 * (500 + 10 * 1000)
    assert stats["waiting"] == stats["wrong_endpoint"] == 0

    device = "alternate" if speed == "high" else f"alternate-{speed}"
    # The request also resets the data toggles.
    reads = ["claim 2", "in 0x83 4", "in 0x83 4", "release 2"]

    def told(*commands):
        return [str(result["bytes"]).zfill(8) for result in scene.poke(device, *commands) if "bytes" in result]

    fresh = ["01008300", "01008301"]
    assert told("configuration 1", *reads) == fresh
    scene.ask(f"same_configuration {device}")
    assert told(*reads, "configuration 1", *reads, "configuration 1", *reads) == fresh * 3


# Bulk transfers that fail

STALL, ERROR, SHORT, BABBLE, SILENT, ZERO, MIDDLE = range(1, 8)


class Stream:
    """Commands for a device of the kind stall, and the answers that its byte pattern predicts."""

    def __init__(self, place):
        self.commands = ["claim 0"]
        self.expected = [None]
        self.place = place

    def add(self, *commands):
        for command in commands:
            self.commands.append(command)
            self.expected.append(None)

    def fault(self, what, endpoint=0x81, after=0):
        self.add(f"control 0x40 1 {after << 8 | what} {endpoint} 0")

    def read(self, length, actual=None, error=None):
        """An IN transfer that returns `actual` bytes, by default all that it asks for."""
        actual = length if actual is None else actual
        self.commands.append(f"{'expect ' + error + ' ' if error else ''}in 0x81 {length}")
        data = bytes((self.place + i) * 7 & 0xff for i in range(actual))
        self.expected.append((actual, None if error else zlib.adler32(data)))
        self.place += actual

    def lose(self, length):
        """The device sends this many bytes, and no transfer receives them."""
        self.place += length

    def check(self, results):
        for command, expected, result in zip(self.commands, self.expected, results, strict=True):
            if expected:
                assert result["actual"] == expected[0], command
                if expected[1] is not None:
                    assert int(str(result["checksum"]), 16) == expected[1], command


@pytest.mark.parametrize("speed", SPEEDS)
def test_faults_and_recovery(scene, speed):
    device = f"stall-{speed}"
    before = scene.stats(device)
    place = before["place_in"]
    for _ in range(3):
        stream = Stream(place)
        stream.read(512)
        stream.fault(STALL)
        stream.read(512, actual=0, error="EPIPE")
        stream.read(512, actual=0, error="EPIPE")
        stream.add("clear-halt 0x81")
        stream.read(512)
        # The guest's xHCI driver retries without an error for usb-poke.
        stream.fault(ERROR)
        stream.read(512)
        stream.fault(SHORT)
        stream.read(3000, actual=1500)
        stream.fault(ZERO)
        stream.read(512, actual=0)
        stream.fault(MIDDLE)
        stream.read(2048, actual=1024, error="EPIPE")
        stream.add("clear-halt 0x81")
        stream.read(512)
        stream.fault(SILENT)
        stream.add("expect ETIMEDOUT in 0x81 512 200")
        stream.fault(0)
        stream.read(512)
        # Lengths that are no multiples of a packet: the device sees the requested length.
        for length in (1, 7, 63, 65, 511, 513, 1000, 1025, 5000, 70001):
            stream.read(length)
        stream.fault(STALL, 1, after=2)
        stream.add("out 1 512", "out 1 512", "expect EPIPE out 1 512", "expect EPIPE out 1 512", "clear-halt 1",
                   "out 1 512")
        stream.fault(ERROR, 1)
        stream.add("out 1 1024")
        stream.check(scene.poke(device, *stream.commands))
        place = stream.place
    stats = scene.stats(device)
    assert stats["place_in"] == place
    assert stats["taken_out"] - before["taken_out"] == 3 * (3 * 512 + 1024)
    assert stats["wrong_out"] == before["wrong_out"]
    assert stats["clear_halt"] - before["clear_halt"] == 9
    assert stats["unlinks"] - before["unlinks"] == 3
    assert stats["faults"] - before["faults"] == 3 * 7


@pytest.mark.parametrize("speed", SPEEDS)
def test_babble_is_an_error(scene, speed):
    stream = Stream(scene.stats(f"stall-{speed}")["place_in"])
    for _ in range(3):
        stream.fault(BABBLE)
        stream.add("expect EOVERFLOW in 0x81 512")
        stream.lose(512)
        stream.read(512)
    stream.check(scene.poke(f"stall-{speed}", *stream.commands))
    assert scene.stats(f"stall-{speed}")["place_in"] == stream.place


@pytest.mark.parametrize("speed, packet", [("full", 64), ("high", 512), ("super", 1024)])
def test_short_and_empty_packets(scene, speed, packet):
    before = scene.stats(f"loop-{speed}").get("ep01_zero_packets", 0)
    sizes = [1, packet - 1, packet, packet + 1, 3 * packet, 3 * packet + 5, 16 * packet, 40 * packet - 1]
    commands = ["claim 0", "out 1 0", f"in 0x81 {packet}"]
    for size in sizes:
        # The 1 asks for a zero-length packet if the transfer does not end with a short one.
        commands += [f"out 1 {size} 20000 1", f"in 0x81 {64 * packet}"]
    # Two IN transfers read the bytes before a zero-length packet.
    commands += [f"out 1 {2 * packet} 20000 1", f"in 0x81 {packet}", f"in 0x81 {2 * packet}", "out 1 0", "in 0x81 13"]
    results = scene.poke(f"loop-{speed}", *commands)
    told = [result["actual"] for command, result in zip(commands, results) if command.startswith("in")]
    assert told == [0, *sizes, packet, packet, 0]
    # Two that stand alone, and one after each OUT transfer of whole packets.
    ended = sum(size % packet == 0 for size in sizes) + 1
    assert scene.stats(f"loop-{speed}")["ep01_zero_packets"] - before == 2 + ended


# Unlinked transfers, and many at once

@pytest.mark.long
def test_a_thousand_transfers_taken_back_under_load(scene):
    before = scene.stats("loop-super")
    load = " ".join(f"'{scene.name(one)} --wait 60 claim 0 , loop 1 0x81 4096 4 {count}'"
                    for one, count in (("loop-high", 400), ("loop-full", 100)))
    results = scene.ask(f"poke_load '{scene.name('loop-super')} --wait 60 claim 0 , loop 1 0x81 16384 4 20 , "
                        f"unlink 0x81 1000 512 1 , loop 1 0x81 16384 4 20 , unlink 0x81 50 70000 20 , "
                        f"loop 1 0x81 1000 4 50 , unlink 0x82 100 8 1 , out 1 500 , in 0x81 512' {load}")
    taken = [result for result in results if "taken_back" in result]
    assert [one["taken_back"] + one["done_before"] for one in taken] == [1000, 1000, 100]
    assert [one["taken_back"] for one in taken[:2]] == [1000, 1000]
    stats = scene.stats("loop-super")
    # usbvfiod takes back a transfer that has not reached the device without involving the device.
    assert stats["unlinks"] - before["unlinks"] >= 1000
    assert stats["looped"] - before["looped"] == 40 * 16384 + 50 * 1000 + 500
    assert stats["waiting"] == 0


def test_transfers_taken_back_while_they_complete(scene):
    # The device answers at once: each transfer is unlinked or completes before that. The endpoint works in either case.
    result = scene.poke("stall-high", "claim 0", "unlink 0x81 300 512 4", "in 0x81 512", "unlink 1 300 512 4",
                        "out 1 0")
    assert result[1]["taken_back"] + result[1]["done_before"] == 1200
    assert result[3]["taken_back"] + result[3]["done_before"] == 1200
    assert result[2]["actual"] == 512


def test_both_directions_at_depth_under_load(scene):
    before = {speed: scene.stats(f"loop-{speed}") for speed in SPEEDS}
    counts = {"full": (512, 8, 200), "high": (1000, 16, 1500), "super": (3001, 16, 1500)}
    words = [f"'{scene.name('loop-' + speed)} --wait 60 claim 0 , loop 1 0x81 {' '.join(map(str, counts[speed]))}'"
             for speed in SPEEDS]
    results = scene.ask(f"poke_load {' '.join(words)}; poke {scene.name('loop-full')} claim 0 , in 0x82 8")
    assert results[1]["wrong"] == 0
    for speed, (size, _depth, count) in counts.items():
        stats = scene.stats(f"loop-{speed}")
        assert stats["looped"] - before[speed]["looped"] == size * count
        assert stats["waiting"] == 0
    # The device's other endpoint reports how many bytes the device has received, and their checksum.
    said = bytes.fromhex(str(results[-1]["bytes"]).zfill(16))
    stats = scene.stats("loop-full")
    assert int.from_bytes(said[:4], "little") == stats["looped"]
    assert f"{int.from_bytes(said[4:], 'little'):08x}" == str(stats["checksum"]).zfill(8)


def test_uas_is_hidden_where_the_host_has_no_streams(scene):
    assert "has no streams for UAS" in scene.usb.log_text()
    scene.ask("disk disk")
    guest = scene.guest
    assert guest.told_once("DRIVER") == "usb-storage"
    assert guest.told_once("FIRST") == "1000"
    assert guest.told_once("READ") == guest.told_once("WRITTEN")
    stats = scene.stats("disk")
    assert stats["uas_transfers"] == 0
    assert stats["last_interface"] in (0, "0.0")
