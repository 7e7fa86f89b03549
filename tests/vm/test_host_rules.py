# SPDX-License-Identifier: MIT
"""Rules that hold devices of the host: through replugging, at other places, told apart from their like, refused."""

import re

import pytest

from harness import images

pytestmark = pytest.mark.usbvfiod_only

TABLET = "usb:vid=0627,pid=0001"


class Log:
    """What a daemon logs, read on."""

    def __init__(self, usb):
        self.usb = usb
        self.file = f"/share/tasks/{usb.task.number}.out"
        self.seen = 0

    def expect(self, words):
        """Wait for a line that is newer than the last one waited for; returns it."""
        host = self.usb.host
        host.run(f"wait_for \"tail -n +{self.seen + 1} {self.file} | grep -q '{words}'\"")
        found = host.run(f"tail -n +{self.seen + 1} {self.file} | grep -n -m 1 '{words}'").strip()
        number, line = found.split(":", 1)
        self.seen += int(number)
        return line

    def port(self):
        """Wait until a device has been plugged in; returns where."""
        return int(re.search(r" port (\d+): ", self.expect("INFO port [0-9]*: ")).group(1))


def test_held_whenever_it_is_there(host):
    usb = host.controller("keyboard", TABLET)
    log = Log(usb)
    assert log.port() == 1  # the keyboard; nothing that matches is there yet
    log.expect("devices: 1")
    tablet = host.plug("usb-tablet", bus="ehci", port="2")
    assert log.port() == 2
    tablet.await_driver("usbfs")
    for bus, port in (("ehci", "2"), ("ehci", "3"), ("uhci", "1")):
        host.unplug(tablet)
        log.expect("unplugged")
        tablet = host.plug("usb-tablet", bus=bus, port=port)
        assert log.port() == 2, f"another port after {bus} {port}"
        tablet.await_driver("usbfs")
    usb.stop()
    assert tablet.driver() == "usbhid"


def test_there_before_the_start(host):
    tablet = host.plug("usb-tablet", bus="ehci")
    usb = host.controller(TABLET)
    # ready only when it is plugged in, so that firmware sees it
    assert re.search(r"port 1: .*devices: 1", usb.log_text(), re.DOTALL)
    assert tablet.driver() == "usbfs"
    usb.stop()


def test_told_apart_by_serial_number(host):
    tablets = [host.plug("usb-tablet", bus="ehci") for _ in range(3)]
    for tablet in tablets:
        tablet.await_driver("usbhid")
    usb = host.controller(f"{TABLET},serial={tablets[1].qemu_id.upper()}")
    assert [tablet.driver() for tablet in tablets] == ["usbhid", "usbfs", "usbhid"]
    usb.stop()


def test_whatever_is_in_the_socket(host, tmp_path):
    tablet = host.plug("usb-tablet", bus="ehci", port="4")
    usb = host.controller("keyboard", f"usb:port={tablet.path}")
    log = Log(usb)
    log.port()
    assert log.port() == 2
    host.unplug(tablet)
    log.expect("unplugged")
    # what a firmware loader does: other ids at the same place
    drive = host.add_drive(images.filled(tmp_path / "stick.img", 1))
    stick = host.plug("usb-storage", bus="ehci", port="4", drive=drive)
    assert stick.ids != tablet.ids
    assert log.port() == 2
    stick.await_driver("usbfs")
    usb.stop()


def test_disk_that_the_host_has_mounted(host, tmp_path):
    stick = host.plug_stick(images.filled(tmp_path / "stick.img", 8), bus="ehci")
    stick.await_driver("usb-storage")
    disk = host.disk(stick)
    host.run(f"mke2fs -q -F {disk} && mkdir -p /run/mounted && mount -t ext4 {disk} /run/mounted")
    try:
        usb = host.controller("usb:class=storage")
        Log(usb).expect("mounted")
        assert stick.driver() == "usb-storage"
        usb.stop()
    finally:
        host.run("umount /run/mounted")
    usb = host.controller("usb:class=storage")
    assert "port 1: " in usb.log_text()
    usb.stop()


def test_guest_finds_it_on_the_same_port(host):
    usb = host.controller("usb:vid=0627,pid=0001,id=pointer")
    guest = host.boot(usb, """
tablets() { grep -l 0627 /sys/bus/usb/devices/*/idVendor 2>/dev/null | wc -l; }
for round in 1 2 3; do
	wait_for '[ $(tablets) = 1 ]'
	say PLUGGED $(basename $(dirname $(grep -l 0627 /sys/bus/usb/devices/*/idVendor)))
	wait_for '[ $(tablets) = 0 ]'
	say GONE
done
""")
    places = set()
    for bus in ("ehci", "uhci", "ehci"):
        tablet = host.plug("usb-tablet", bus=bus)
        places.add(guest.expect_word("PLUGGED")[0])
        host.unplug(tablet)
        guest.expect_word("GONE")
    guest.finish()
    assert len(places) == 1
    usb.stop()
