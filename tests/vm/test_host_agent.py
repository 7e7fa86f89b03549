# SPDX-License-Identifier: MIT
"""usbvfioctl agent: rules for a daemon that may not open devices."""

import pytest

from harness import images
from harness.nested_control import control, nobody  # noqa: F401 fixtures

pytestmark = pytest.mark.usbvfiod_only

# Reports each time the disk appears, with its port and the hash of its content, and each time it disappears.
WATCH_DISK = """
disks() { ls /sys/block | grep '^sd'; }
while :; do
	wait_for '[ -n "$(disks)" ]'
	disk=$(disks)
	wait_disk $disk
	say PLUGGED $(basename $(dirname $(grep -l 46f4 /sys/bus/usb/devices/*/idVendor))) $(sha256 /dev/$disk)
	until [ -z "$(disks)" ]; do usleep 20000; done
	say GONE
done &
hear end
kill $!
"""


def test_agent_of_a_daemon_that_may_nothing(host, control, nobody, tmp_path):
    image = images.filled(tmp_path / "stick.img", 1)
    ctl = control("keyboard", start=nobody)
    agent = ctl.agent("usb:class=storage,id=disk")
    guest = host.boot(ctl.usb, WATCH_DISK)
    drive = host.add_drive(image)
    places = []

    def plug(bus, port):
        stick = host.plug("usb-storage", bus=bus, port=port, drive=drive)
        place, total = guest.expect_word("PLUGGED")
        assert total == images.sha256(image)
        places.append(place)
        return stick

    def demand_held(by):
        """The agent knows that the daemon has the stick. Returns the device."""
        by.log.expect("is attached at port 2")
        device, = [one for one in ctl.devices() if one["kind"] == "host"]
        assert (device["state"], device["rule"], device["port"]) == ("attached", "disk", 2)
        return device

    for bus, port in (("ehci", "2"), ("ehci", "2"), ("uhci", "1"), ("ehci", "4")):
        stick = plug(bus, port)
        assert stick.driver() == "usbfs"
        held = demand_held(agent)
        assert (held["place"], held["bus"]) == (stick.path, stick.busnum)
        if port != "4":
            host.unplug(stick)
            guest.expect_word("GONE")

    # The agent dies, and the next one continues: the attached device stays attached.
    agent.kill()
    assert ctl.devices()[1]["id"] == held["id"]
    agent = ctl.agent("usb:class=storage,id=disk")
    assert demand_held(agent)["id"] == held["id"]
    assert guest.told("GONE") == [[]] * 3
    host.unplug(stick)
    guest.expect_word("GONE")
    stick = plug("ehci", "4")
    demand_held(agent)
    assert len(set(places)) == 1, places
    guest.say("end")
    guest.finish()

    # The daemon dies and starts again.
    ctl.kill()
    agent.log.expect("has gone")
    ctl.restart()
    agent.log.expect("connected to the daemon")
    demand_held(agent)
    assert stick.driver() == "usbfs"
    ctl.usb.stop()
    stick.await_driver("usb-storage")
