# SPDX-License-Identifier: MIT
"""Attach and detach while the guest runs, by usbvfioctl: again and again, at each speed, in both dialects."""

import json
from pathlib import Path

import pytest

from harness import images

pytestmark = pytest.mark.usbvfiod_only

ROUNDS = 20
COUNTS = "disks() { ls /sys/block | grep -c '^sd'; }\n"


class Control:
    """usbvfioctl and the daemon it speaks to."""

    def __init__(self, host, daemon, *devices):
        self.host = host
        folder = f"/run/control-{next(host.numbers)}"
        host.run(f"mkdir {folder}")
        self.path = f"{folder}/control.sock"
        self.usb = host.controller(*devices, options=["--hotplug-socket-path", self.path])
        self.command = f"{host.install(Path(daemon).with_name('usbvfioctl'))} --socket {self.path}"

    def run(self, *words):
        return self.host.run(f"{self.command} {' '.join(words)}")

    def refuses(self, *words):
        """Demands exit status 1; returns what is said."""
        return self.host.run(f"{self.command} {' '.join(words)} 2>&1; [ $? = 1 ]")

    def devices(self):
        return json.loads(self.run("--json list"))["devices"]

    def legacy(self):
        """BUS:DEV of all that the old dialect lists."""
        lines = [line.split() for line in self.run("--legacy list").splitlines()]
        return [":".join(words) for words in lines if words[0].isdigit()]


@pytest.fixture
def control(host, request):
    return lambda *devices: Control(host, request.config.getoption("--daemon"), *devices)


def fresh(device):
    """Its node now: a reset may have changed the number."""
    return device.host.find_path(device.path)


def test_attach_and_detach_again_and_again(host, control, tmp_path):
    sticks = [host.plug_stick(images.filled(tmp_path / f"{bus}.img", 4), bus) for bus in ("uhci", "ehci", "xhci")]
    for stick in sticks:
        stick.await_driver("usb-storage")
    ctl = control()
    guest = host.boot(ctl.usb, COUNTS + """
say READY
while hear what; do
	case $what in
	there) wait_for '[ $(disks) = 1 ]'; say THERE ;;
	away) wait_for '[ $(disks) = 0 ]'; say AWAY ;;
	sum)
		wait_for '[ $(disks) = 1 ]'
		disk=$(ls /sys/block | grep '^sd')
		wait_disk $disk
		say SUM $(sha256 /dev/$disk) ;;
	end) break ;;
	esac
done
""")
    guest.expect_word("READY")
    warm = None
    for number in range(ROUNDS):
        for stick in sticks:
            assert ctl.devices() == []
            ctl.run("attach", fresh(stick).node)
            found = ctl.devices()
            assert [one["state"] for one in found] == ["attached"]
            assert found[0]["place"] == stick.path
            # else it is pulled while the guest is looking at it
            if number % 4 == 3:
                guest.say("there")
                guest.expect_word("THERE")
            ctl.run("detach", found[0]["id"])
            stick.await_driver("usb-storage")
        if number == 1:
            warm = ctl.usb.fds(), ctl.usb.status("Threads")
    assert (ctl.usb.fds(), ctl.usb.status("Threads")) == warm
    guest.say("away")
    guest.expect_word("AWAY")
    # and it works as on the first day
    ctl.run("attach", fresh(sticks[2]).node)
    guest.say("sum")
    assert guest.expect_word("SUM")[0] == images.sha256(tmp_path / "xhci.img")
    guest.say("end")
    guest.finish()
    ctl.usb.stop()


def test_attached_twice_is_moved(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control("keyboard")
    first = json.loads(ctl.run("--json attach", tablet.node))["device"]
    second = json.loads(ctl.run("--json attach", fresh(tablet).node))["device"]
    assert second["port"] == first["port"] == 2
    assert [one["id"] for one in ctl.devices()] == ["1", second["id"]]
    ctl.usb.stop()
    tablet.await_driver("usbhid")


def test_the_old_dialect(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control()
    assert ctl.legacy() == []
    ctl.run("--legacy attach", tablet.node)
    tablet.await_driver("usbfs")
    now = fresh(tablet)
    assert [int(number) for number in ctl.legacy()[0].split(":")] == [now.busnum, now.devnum]
    # attached once more: the old one goes first
    ctl.run("--legacy attach", now.node)
    assert len(ctl.legacy()) == 1
    now = fresh(tablet)
    ctl.run("--legacy detach", f"{now.busnum}:{now.devnum}")
    assert ctl.legacy() == []
    ctl.refuses("--legacy detach", f"{now.busnum}:{now.devnum}")
    tablet.await_driver("usbhid")
    ctl.usb.stop()


def test_disk_that_the_host_has_mounted(host, control, tmp_path):
    stick = host.plug_stick(images.filled(tmp_path / "stick.img", 8), bus="ehci")
    stick.await_driver("usb-storage")
    disk = host.disk(stick)
    # before the mount, which would be copied into the root of usbvfioctl
    ctl = control()
    host.run(f"mke2fs -q -F {disk} && mkdir -p /run/mounted && mount -t ext4 {disk} /run/mounted")
    try:
        assert "mounted" in ctl.refuses("attach", stick.node)
        assert stick.driver() == "usb-storage"
    finally:
        host.run("umount /run/mounted")
    ctl.run("attach", stick.node)
    assert len(ctl.devices()) == 1
    ctl.usb.stop()
