# SPDX-License-Identifier: MIT
"""Linux's usbtest runs its cases in a guest on devices of the host, and the guest's resets reach them as they should.

Each case first runs in the host itself, without usbvfiod, so that a failure in the guest is usbvfiod's. The gadget
cannot do some cases: reads and scatter lists whose lengths are no multiple of a packet (gadget zero sends full packets,
dummy_hcd takes no odd lists), interrupt and isochronous transfers (gadget zero has no interrupt endpoints, dummy_hcd
has no isochronous transfers). vhci-device's source-sink does them all.
"""

from pathlib import Path

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture
from harness.console import NESTED_TIMEOUT_S

pytestmark = pytest.mark.usbvfiod_only

# use ALTERNATE: makes usbtest use the endpoints of that alternate setting on all devices that have it (not the gadget).
# run SERIAL CASE...: runs a case. The guest also reports the kernel's log, without usbtest's many lines about unlinks
# that came too late, and about the gadget, which lacks that alternate setting.
RUN = """
use() {
	rmmod usbtest 2>/dev/null
	modprobe usbtest alt=$1 || die "no module usbtest"
}
run() {
	serial=$1
	shift
	wait_for "grep -qsx $serial /sys/bus/usb/drivers/usbtest/*/../serial"
	dev=$(dirname "$(grep -lsx $serial /sys/bus/usb/drivers/usbtest/*/../serial)")
	node=/dev/bus/usb/$(printf %03d/%03d "$(cat "$dev/busnum")" "$(cat "$dev/devnum")")
	told $serial "$@" "$(usbtest_run "$node" "$@" 2>&1)"
}
"""
IN_HOST = RUN + 'told() { echo "$*"; }\n'
IN_GUEST = RUN + """
told() {
	say CASE "$@"
	dmesg -r -c | sed -n 's/^<[0-4]>//p' | grep -iE 'usb|xhci|BUG|WARNING|Oops' |
		grep -vE "unlink retry|couldn't get endpoints, -22|probe with driver usbtest failed with error -22" |
		while read -r line; do
			say LOG "$line"
		done
}
"""

# Case, iterations, length, vary, entries of a scatter list or queue.
CONTROL = [
    (9, 3, 0, 0, 0),  # chapter 9
    (10, 2, 0, 0, 32),  # queued, with stalls and short answers
    (14, 10, 4096, 509, 0),  # OUT read back
    (21, 10, 1024, 253, 0),  # from an odd address
]
# Cases whose lengths a gadget can do: whole packets.
WHOLE = [
    (1, 10, 4096, 0, 0),  # write
    (2, 10, 4096, 0, 0),  # read
    (3, 10, 5000, 421, 0),  # write, lengths vary
    (4, 10, 5120, 1024, 0),
    (5, 5, 4096, 0, 32),  # scatter lists
    (6, 5, 4096, 0, 32),
    (7, 5, 5120, 1024, 32),
    (8, 5, 5120, 1024, 32),
    (11, 4, 65536, 0, 0),  # unlink reads
    (12, 4, 65536, 0, 0),  # unlink writes
    (13, 2, 0, 0, 0),  # halts
    (17, 10, 4095, 0, 0),  # odd addresses
    (18, 10, 4096, 0, 0),
    (19, 10, 4095, 0, 0),
    (20, 10, 4096, 0, 0),
    (24, 5, 4096, 0, 16),  # unlink from a queue
    (27, 2, 65536, 0, 16),  # queued writes
    (28, 2, 65536, 0, 16),
    (29, 5, 0, 0, 0),  # clear halt between writes
]
ODD = [
    (4, 10, 5000, 421, 0),
    (7, 3, 5000, 521, 16),
    (8, 3, 5000, 521, 16),
    (11, 2, 65536, 0, 0),
    (13, 2, 0, 0, 0),
    (18, 5, 4095, 0, 0),
    (20, 5, 4095, 0, 0),
    (29, 2, 0, 0, 0),
]
INTERRUPT = [
    (25, 5, 1000, 0, 0),
    (26, 5, 1000, 0, 0),
]
ISOCHRONOUS = [
    (15, 2, 16000, 0, 5),  # write
    (16, 2, 16000, 0, 5),  # read
    (22, 2, 16000, 0, 5),  # odd addresses
    (23, 2, 16000, 0, 5),
]
SPEEDS = ["full", "high", "super"]
# Alternate setting, serial number, cases.
PARTS = [(0, "gadget", CONTROL + WHOLE)] + [(1, speed, ODD + INTERRUPT + ISOCHRONOUS) for speed in SPEEDS]


def job(parts):
    lines, setting = [], None
    for alternate, serial, cases in parts:
        if alternate != setting:
            lines.append(f"use {alternate}")
        setting = alternate
        lines += [f"run {serial} {' '.join(map(str, case))}" for case in cases]
    return "\n".join(lines) + "\n"


def failed(told, parts):
    """The cases without the answer ok, and the answers to no case."""
    good = [words[:6] for words in told if words[6:7] == ["ok"]]
    asked = [[serial, *map(str, case)] for _alternate, serial, cases in parts for case in cases]
    return [words for words in asked if words not in good] + [words for words in told if words[:6] not in asked]


def test_usbtest(host, synthetic, request):
    program = Path(request.config.getoption("--daemon")).resolve().parent / "tests/vm/guest/usbtest_run"
    devices = [synthetic.gadget("gadget", "source-sink")]
    plugged = [synthetic.plug("source-sink", speed, serial=speed) for speed in SPEEDS]
    devices += [one.device for one in plugged]
    host.run(f"cp {host.put(program)} /bin/")
    without_us = [line.split() for line in host.run(IN_HOST + job(PARTS)).splitlines()]
    assert failed(without_us, PARTS) == []
    host.run("rmmod usbtest")

    usb = host.controller(*devices)
    guest = host.boot(usb, IN_GUEST + job(PARTS), programs=[program]).finish(4 * NESTED_TIMEOUT_S)
    assert failed(guest.told("CASE"), PARTS) == []
    assert guest.complaints() == []
    usb.stop()
    for device in plugged:
        stats = device.stop()
        assert stats["wrong_bytes"] == stats["wrong_endpoint"] == 0


# Uses a device, resets it, uses it, resets it twice, uses it. usb-poke needs no driver.
RESETS = """
for policy in always first never; do
	device=1209:100b:$policy
	used="claim 0 , loop 1 0x81 4096 4 10 , release 0"
	usb-poke $device --wait 60 $used >/tmp/log 2>&1
	say USED $policy
	hear go
	usb-poke $device reset , $used >>/tmp/log 2>&1
	say RESET $policy
	hear go
	usb-poke $device reset , reset , $used >>/tmp/log 2>&1
	say RESET $policy
	hear go
	while read -r line; do say POKE $policy "$line"; done </tmp/log
done
"""


def test_resets(host, synthetic):
    """The policy decides which of the guest's resets reach the device, and the device works under each policy."""
    devices = {policy: synthetic.plug("loopback", serial=policy) for policy in ("always", "first", "never")}
    usb = host.controller(*(f"host:path={one.device.node},reset={policy}" for policy, one in devices.items()))
    guest = host.boot(usb, RESETS, programs=[synthetic.poke_program])
    reached = {}
    for policy, device in devices.items():
        guest.expect_word("USED")
        counts = [device.stats()["resets"]]
        for _ in range(2):
            guest.say("go")
            guest.expect_word("RESET")
            counts.append(device.stats()["resets"])
        guest.say("go")
        reached[policy] = [counts[0], counts[1] - counts[0], counts[2] - counts[1]]
    guest.finish()
    said = guest.told("POKE")
    assert [words for words in said if words[1] != "OK"] == []
    assert [words[0] for words in said if words[2] == "loop"] == [policy for policy in devices for _ in range(3)]
    assert [words[0] for words in said if words[2] == "reset"] == [policy for policy in devices for _ in range(3)]
    assert guest.complaints() == []
    usb.stop()
    # Linux resets a port twice when it enumerates, and sets the configuration after a reset. usbvfiod does not pass on a
    # reset that has nothing to undo.
    assert reached == {"always": [1, 1, 2], "first": [1, 0, 0], "never": [0, 0, 0]}
