# SPDX-License-Identifier: MIT
"""Devices that lie, a host that refuses devices to the daemon, and a daemon without privileges."""

import re

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture
from harness import images
from harness.nested import BAD_LINES
from harness.nested_control import Two, nobody  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

# The host's kernel rejects these, so no program can pass them through.
NO_DEVICES = {"zero-ep0", "no-configurations"}
SUPER = ["zero-packets", "big-packets", "conflicts", "odd-numbers", "many-alternates", "garbage", "changing",
         "long-answers", "strange-classes", "changed-after-reset"]
# One of each kind of lie: packet sizes, lengths, endless descriptors, endpoints, answers, resets.
FEW = ["zero-packets", "short-total", "length-over", "endless", "no-alternate-zero", "long-answers", "changed-after-reset",
       "gone-after-reset"]
FEW_SUPER = ["zero-packets", "long-answers"]
SERIALS = ["GOOD1", "GOOD2"]
# The daemon's messages about a device that it refuses, or that is gone by then.
REFUSED = re.compile(r"is a hub|has gone|the device is gone|cannot be had")

JOB = r"""
# work SERIAL: uses the healthy device with this serial number until /tmp/stop exists.
work() {
	rounds=0
	until [ -e /tmp/stop ]; do
		usb-poke "1209:100b:$1" --wait 300 claim 0 , loop 1 0x81 4096 4 25 >"/tmp/work.$1" || die "$(cat "/tmp/work.$1")"
		rounds=$((rounds + 1))
		: >"/tmp/works.$1"
		# Leave the only processor to the others.
		usleep 500000
	done
	say ROUNDS $rounds
}

hostile() { grep -lsi '^bad' /sys/bus/usb/devices/*/idProduct; }

# poke FILE: runs usb-poke for each line of commands, because it stops at the first command that fails.
poke() {
	dev=$(dirname "$1")
	read -r bus <"$dev/busnum" && read -r number <"$dev/devnum" || return
	node=$(printf '/dev/bus/usb/%03d/%03d' $bus $number)
	while read -r commands; do
		usb-poke "$node" $commands </dev/null
	done <<-END
		descriptors , string 2 , string 3 , string 200
		claim 0 , in 0x81 512 500 , in 0x81 70001 500 , clear-halt 0x81
		claim 0 , out 1 512 500 , out 1 70001 500 , clear-halt 1
		claim 0 , in 0x82 64 300
		claim 0 , interface 0 1 , in 0x81 64 300
		claim 0 , interface 0 2 , in 0x82 64 300 , interface 0 0
		claim 0 , interface 0 1 , iso-in 0x83 1 2 4 64
		claim 1 , in 0x82 512 300
		claim 0 , unlink 0x81 5 512 4
		control 0xc0 1 0 0 64
		control 0xc0 1 0 0 4096
		configuration 0 , configuration 1
		reset
		descriptors
	END
}

# Poke eight devices at a time: most commands run into their timeouts.
poke_all() {
	liars=$(hostile)
	for turn in 0 1 2 3 4 5 6 7; do
		nth=0
		for file in $liars; do
			[ $((nth % 8)) != $turn ] || poke "$file"
			nth=$((nth + 1))
		done >/tmp/poked.$turn 2>&1 &
		pokers="$pokers $!"
	done
	wait $pokers
	cat /tmp/poked.* >/tmp/poked
}

for serial in SERIALS; do
	work $serial &
done
# Linux enumerates ports in order, and the keyboards are in the last ones.
until [ "$(ls -d /sys/bus/usb/drivers/usbhid/*:* 2>/dev/null | wc -l)" = 2 ]; do usleep 100000; done
for serial in SERIALS; do
	wait_for "[ -e /tmp/works.$serial ]"
done
say FOUND $(hostile | wc -l)
poke_all
say POKED $(grep -c ^OK /tmp/poked) $(grep -c ^FAIL /tmp/poked)
hear pulled
until [ -z "$(hostile)" ]; do usleep 100000; done
for serial in SERIALS; do
	rm /tmp/works.$serial
	wait_for "[ -e /tmp/works.$serial ]"
done
: >/tmp/stop
wait
"""


def variants(host):
    return [name for name in host.run("vhci-device --kind hostile --option variant=list", check=False).split("\n")
            if re.fullmatch(r"[a-z0-9-]+", name) and name not in NO_DEVICES]


@pytest.mark.parametrize("how_many", [pytest.param("few", marks=pytest.mark.long),
                                      pytest.param("all", marks=[pytest.mark.soak, pytest.mark.sanitized])])
def test_devices_that_lie_break_nothing(host, synthetic, how_many):
    names = variants(host)
    assert len(names) > 25 and set(FEW) <= set(names)
    at_high, at_super = (FEW, FEW_SUPER) if how_many == "few" else (names[:28], names[28:] + SUPER)
    high = [synthetic.plug("hostile", "high", f"variant={name}") for name in at_high]
    rest = [synthetic.plug("hostile", "super", f"variant={name}") for name in at_super]
    healthy = [synthetic.plug("loopback", "super", serial=serial) for serial in SERIALS]
    controllers = []
    for half, one in enumerate(healthy):
        devices = [device.device for device in [one] + high[half::2] + rest[half::2]]
        controllers.append(host.controller(*devices, "keyboard", options=["--ports", "15"],
                                           qemu_properties={"id": f"usb{half}"}))
        plugged = re.findall(r"port \d+: ", controllers[-1].log_text())
        refused = REFUSED.findall(controllers[-1].log_text())
        assert len(plugged) + len(refused) == len(devices) + 1, controllers[-1].log_text()
        assert len(refused) <= 1, controllers[-1].log_text()
    guest = host.boot(Two(*controllers), JOB.replace("SERIALS", " ".join(SERIALS)),
                      programs=[synthetic.poke_program])
    # No guest finds a device that has no sensible configuration or disappears when it is reset.
    total = len(high + rest)
    assert int(guest.expect_word("FOUND")[0]) > total * 0.6
    good, bad = map(int, guest.expect_word("POKED"))
    assert good > 2 * total and bad > total
    for device in high + rest:
        device.kill()
    guest.say("pulled")
    guest.finish()
    assert [int(words[0]) > 1 for words in guest.told("ROUNDS")] == [True, True]
    # usb-poke uses some interfaces without claiming them.
    assert [line for line in guest.complaints() if BAD_LINES.search(line) and "(usb-poke) did not claim" not in line] == []
    for one, controller in zip(healthy, controllers):
        controller.stop()
        stats = one.stop()
        assert stats["waiting"] == stats["wrong_endpoint"] == 0


READ_STICK = """
wait_disk sda
say SUM $(sha256 /dev/sda)
dd if=/dev/urandom of=/tmp/random bs=64k count=8 2>/dev/null
dd if=/tmp/random of=/dev/sda bs=64k conv=fsync 2>/dev/null || die write
drop_caches
dd if=/dev/sda bs=64k count=8 2>/dev/null | cmp - /tmp/random || die compare
say WRITTEN $(sha256 /tmp/random)
"""


def test_nobody_with_an_open_node(host, nobody, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    total = images.sha256(image)
    stick = host.plug_stick(image, "ehci")
    host.disk(stick)
    usb = nobody("host:fd=5", node=stick.node)
    # The daemon's user cannot open the node by its path.
    assert host.run(f"stat -c %u:%a {stick.node}").strip() in ("0:664", "0:600")
    guest = host.boot(usb, READ_STICK).finish()
    assert guest.told_once("SUM") == total
    assert guest.complaints() == []
    usb.stop()
    # The host's driver has the stick back, with the guest's data.
    written = host.run(f"dd if={host.disk(stick)} bs=64k count=8 2>/dev/null | sha256sum").split()[0]
    assert written == guest.told_once("WRITTEN")


def serves(usb):
    """Demand that the daemon runs and has plugged in the emulated keyboard that these tests add; returns its log."""
    assert usb.task.status is None
    assert re.search(r"port \d+: .*keyboard.*full speed", usb.log_text()), usb.log_text()
    return usb.log_text()


def test_nobody_without_a_node_is_told_what_to_do(host, nobody, synthetic):
    device = synthetic.plug("loopback", "high").device
    host.run(f"chown 0:0 {device.node}; chmod 664 {device.node}")
    usb = nobody(device, "keyboard")
    log = serves(usb)
    assert f"{device.node} may not be opened for writing" in log
    assert 'ATTR{idVendor}=="1209", ATTR{idProduct}=="100b", GROUP=' in log
    assert "--device host:fd=N" in log
    usb.stop()
    synthetic.poke(device, "claim 0", "loop 1 0x81 512 2 5")


def test_a_device_that_another_program_uses_stays_there(host, synthetic):
    device = synthetic.plug("alternate", "high").device
    # The program claims the second of three interfaces: the daemon has to release the first one again.
    host.run(f"usb-poke {device.node} claim 1 , sleep 600000 >/tmp/claimed 2>&1 & echo $! >/tmp/claimer")
    host.run("wait_for 'grep -q ^OK /tmp/claimed'")
    usb = host.controller(device, "keyboard")
    assert "a program on the host has it (usbfs)" in serves(usb)
    usb.stop()
    # With force the daemon tries, and fails.
    usb = host.controller(f"host:path={device.node},force", "keyboard")
    assert "another program uses interface 1 through usbfs" in serves(usb)
    assert [device.driver(f"1.{number}") for number in range(3)] == ["", "usbfs", ""]
    host.run("kill $(cat /tmp/claimer)")
    usb.stop()
    # After the program has ended, the daemon gets the device.
    usb = host.controller(device, "keyboard")
    assert device.driver("1.1") == "usbfs"
    assert len(re.findall(r"port \d+: ", serves(usb))) == 2
    usb.stop()
    assert device.driver("1.1") == ""


def test_a_device_that_is_not_there_is_said_to_be_missing(host, synthetic):
    device = synthetic.plug("loopback", "high").device
    host.run("ln -sf /nowhere /tmp/dangling; : >/tmp/file")
    usb = host.controller("/dev/bus/usb/001/126", "/tmp/dangling", "/tmp/file", "/dev/null", "/dev/bus/usb/001", device,
                          "keyboard")
    log = serves(usb)
    assert "there is no /dev/bus/usb/001/126" in log
    assert "there is no /tmp/dangling" in log
    assert log.count("lsusb shows") >= 2
    for path in ("/tmp/file", "/dev/null", "/dev/bus/usb/001"):
        assert re.search(rf"{path} is .*not the node of a USB device", log), log
    # The device that follows the bad ones on the command line is plugged in.
    assert len(re.findall(r"port \d+: ", log)) == 2
    assert device.driver() == "usbfs"
    usb.stop()
