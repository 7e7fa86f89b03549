# SPDX-License-Identifier: MIT
"""Linux's usbtest runs its cases on the emulated test device: every kind of transfer, unlinks, halts and timing."""

from pathlib import Path

import pytest

from harness.controller import Zero

pytestmark = pytest.mark.usbvfiod_only

# There are two devices, one for each pattern of data. use ALTERNATE PATTERN makes usbtest use the endpoints of that
# alternate setting, and chooses the device. After each case, run reports the kernel's log without usbtest's thousands
# of lines about unlinks that raced with a completion.
PREPARE = """
use() {
	say CASE "$@"
	rmmod usbtest 2>/dev/null
	modprobe usbtest alt=$1 pattern=$2 || die "no module usbtest"
	wait_for '[ $(ls -d /sys/bus/usb/drivers/usbtest/*:* 2>/dev/null | wc -l) = 2 ]'
	device=$(ls -d /sys/bus/usb/drivers/usbtest/*:* | sort | sed -n "$((1 + $2))p")
	device=/sys/bus/usb/devices/$(basename "${device%:*}")
	node=/dev/bus/usb/$(printf %03d/%03d "$(cat "$device/busnum")" "$(cat "$device/devnum")")
}
run() {
	say CASE "$@" "$(usbtest_run "$node" "$@" 2>&1)"
	dmesg -r -c | grep -v 'unlink retry' | sed -n 's/^<[0-4]>//p' | grep -iE 'usb|xhci|BUG|WARNING|Oops' |
		while read -r line; do
			say LOG "$line"
		done
}
"""

# Case, iterations, length, vary, entries of a scatter list or queue.
BASIC = [
    (0, 1, 0, 0, 0),
    (9, 5, 0, 0, 0),  # chapter 9
    (10, 20, 0, 0, 32),  # queued control requests, with stalls and short answers
    (14, 40, 4096, 509, 0),  # control OUT read back
    (21, 40, 1024, 253, 0),  # from an odd address
]
BULK = [
    (1, 50, 4096, 0, 0),  # write
    (2, 50, 4096, 0, 0),  # read
    (3, 50, 5000, 421, 0),  # write, lengths vary, zero packets
    (4, 50, 5000, 421, 0),
    (5, 20, 4096, 0, 32),  # scatter lists
    (6, 20, 4096, 0, 32),
    (7, 20, 5000, 521, 32),
    (8, 20, 5000, 521, 32),
    (11, 40, 65536, 0, 0),  # unlink reads
    (12, 40, 65536, 0, 0),  # unlink writes
    (13, 10, 0, 0, 0),  # halts
    (17, 20, 4095, 0, 0),  # odd addresses
    (18, 20, 4095, 0, 0),
    (19, 20, 4095, 0, 0),
    (20, 20, 4095, 0, 0),
    (24, 20, 4096, 0, 16),  # unlink from a queue
    (29, 10, 0, 0, 0),  # clear halt between writes
]
PERFORMANCE = [
    (27, 20, 65536, 0, 16),  # queued writes
    (28, 20, 65536, 0, 16),
]
INTERRUPT = [
    (25, 20, 1000, 0, 0),
    (26, 20, 1000, 0, 0),
]

MBITS = {"full": "12", "high": "480", "super": "5000"}

# An isochronous case submits each of its buffers this many times.
ISO_ROUNDS, ISO_BUFFERS, ISO_PACKETS = 4, 5, 32


def isochronous(payload, packets):
    """Cases with this many packets in a buffer, as drivers of cameras do; the last packet is not full."""
    length = packets * payload - 7
    return [(case, ISO_ROUNDS, length, 0, ISO_BUFFERS) for case in (15, 16, 22, 23)]


@pytest.mark.parametrize("speed, payload, most, most_packets",
                         [("full", 1023, 1023, 32), ("high", 1024, 3072, 64), ("super", 1024, 49152, 8)])
def test_usbtest(boot, controller, request, speed, payload, most, most_packets):
    parts = [  # alternate setting, pattern, cases
        (0, 0, BASIC + BULK + PERFORMANCE),
        (0, 1, BULK),
        (1, 0, isochronous(payload, ISO_PACKETS)),
        (2, 1, INTERRUPT),
        (3, 0, isochronous(most, most_packets)),
    ]
    job = PREPARE
    for alternate, pattern, cases in parts:
        job += f"use {alternate} {pattern}\n" + "".join("run " + " ".join(map(str, case)) + "\n" for case in cases)
    program = Path(request.config.getoption("--daemon")).parent / "tests/vm/guest/usbtest_run"
    usb = controller(Zero(speed=speed, pattern="zeros"), Zero(speed=speed, pattern="mod63"))
    guest = boot(usb, job + "report_usb\n", programs=[program]).finish()

    assert [words[2] for words in guest.told("USB")] == [MBITS[speed]] * 2
    told = guest.told("CASE")
    asked = [[str(word) for word in line] for part in parts for line in [part[:2], *part[2]]]
    assert [words[:5] for words in told] == asked
    assert [words for words in told if len(words) > 2 and words[5] != "ok"] == []
    assert guest.complaints() == []

    # Timing. Isochronous: one packet each millisecond, none early.
    took_us = {}
    setting = None
    for words in told:
        if len(words) == 2:
            setting = int(words[0])
        else:
            took_us[setting, int(words[0])] = int(words[6])
    for case in (15, 16, 22, 23):
        assert took_us[1, case] >= 1000 * (ISO_ROUNDS * ISO_BUFFERS * ISO_PACKETS - 1)
    # Interrupt: 1000 bytes take sixteen packets of 64 bytes at full speed, else one packet.
    for case in (25, 26):
        assert took_us[2, case] >= 1000 * (20 * 15 if speed == "full" else 19)
