# SPDX-License-Identifier: MIT
"""Rules that hold devices of the host: after replugging, at other places, among identical devices, refused."""

import re

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture
from harness import images
from harness.nested_control import Log, control  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

TABLET = "usb:vid=0627,pid=0001"


def test_held_whenever_it_is_there(host):
    usb = host.controller("keyboard", TABLET)
    log = Log(usb)
    assert log.port() == 1  # the keyboard; no device matches the rule yet
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
    # the daemon reports ready only after it has plugged the device in, so that firmware sees it
    assert re.search(r"port 1: .*devices: 1", usb.log_text(), re.DOTALL)
    assert tablet.driver() == "usbfs"
    usb.stop()


def test_told_apart_by_serial_number(host):
    tablets = [host.plug("usb-tablet", bus="ehci") for _ in range(3)]
    for tablet in tablets:
        tablet.await_driver("usbhid")
    usb = host.controller(f"{TABLET},serial={tablets[1].serial}")
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
    # another device at the same place, as a firmware loader does it
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


# Waits for the number of tablets that the test names; reports their places and serial numbers.
LOOK = """
tablets() { grep -l '^0627$' /sys/bus/usb/devices/*/idVendor 2>/dev/null; }
bound() {
	for file in $(tablets); do
		ls -d "${file%/*}"/*:1.0/driver
	done 2>/dev/null
}
ready() { [ "$(tablets | wc -l)" = "$number" ] && [ "$(bound | wc -l)" = "$number" ]; }
say READY
while hear number && [ "$number" != end ]; do
	wait_for ready
	say SEEN $(for file in $(tablets); do
		dev=${file%/*}
		echo "${dev##*/}=$(cat "$dev/serial")"
	done)
done
"""


class Alike:
    """Devices that differ only in their serial numbers, and the places where a guest sees them."""

    def __init__(self, host, guest, serials):
        self.host = host
        self.guest = guest
        self.serials = serials
        self.tablets = {}

    def plug(self, ports):
        """ports: {serial number: port of the host}"""
        for serial, port in ports.items():
            self.tablets[serial] = self.host.plug("usb-tablet", bus="ehci", port=port, serial=serial)

    def unplug(self):
        for tablet in self.tablets.values():
            self.host.unplug(tablet)
            self.host.run(f"wait_for '[ ! -e /sys/bus/usb/devices/{tablet.path} ]'")
        self.tablets = {}
        assert self.look(0) == {}

    def look(self, count):
        """{serial number: place in the guest}, when the guest has this many."""
        self.guest.say(str(count))
        return {serial: place for place, serial in
                (word.split("=") for word in self.guest.expect_word("SEEN"))}


@pytest.mark.long
def test_five_alike_told_apart_by_serial_number_and_by_place(host, control):
    serials = ["T1", "T2", "T3", "T4", "T5"]
    ctl = control("keyboard", *[f"{TABLET},serial={serial},id={serial}" for serial in serials])
    guest = host.boot(ctl.usb, LOOK)
    guest.expect_word("READY")
    alike = Alike(host, guest, serials)

    alike.plug(dict(zip(serials, "12345")))
    by_serial = alike.look(5)
    assert sorted(by_serial) == serials
    for ports in ({"T3": "1", "T5": "4", "T1": "5", "T4": "3", "T2": "2"}, {"T5": "1", "T2": "3"}):
        alike.unplug()
        alike.plug(ports)
        assert alike.look(len(ports)) == {serial: by_serial[serial] for serial in ports}
    alike.unplug()

    # Rules for sockets, whatever is plugged in. The third socket is empty at first.
    for serial in serials:
        ctl.run("rules remove", serial)
    alike.plug({"T1": "1", "T2": "2", "T4": "4", "T5": "5"})
    paths = {port: alike.tablets[serial].path for port, serial in zip("1245", ("T1", "T2", "T4", "T5"))}
    paths["3"] = paths["2"][:-1] + "3"
    for port in "12345":
        ctl.run("rules add", f"usb:port={paths[port]}", f"socket-{port}")
    first = alike.look(4)
    by_place = {"1": first["T1"], "2": first["T2"], "4": first["T4"], "5": first["T5"]}
    alike.unplug()
    ports = {"T5": "2", "T1": "4", "T4": "1", "T2": "3", "T3": "5"}
    alike.plug(ports)
    seen = alike.look(5)
    by_place["3"] = seen["T2"]
    assert seen == {serial: by_place[port] for serial, port in ports.items()}
    assert len(set(seen.values())) == 5
    assert {rule["state"] for rule in ctl.rules().values()} == {"attached"}
    guest.say("end")
    guest.finish()
    ctl.usb.stop()


# Pokes the device with these ids and reports its place; retries, because a device that is about to go may fail.
POKE = """
place() { basename $(dirname $(grep -l "^${1#*:}$" /sys/bus/usb/devices/*/idProduct)); }
work() {
	wait_for "usb-poke $1 --wait 60 claim 0 , loop 1 0x81 4096 4 25 >/tmp/work"
	say WORKS $(place $1) $(cat /sys/bus/usb/devices/$(place $1)/speed)
}
say READY
while hear what ids id; do
	case $what in
	work) work $ids ;;
	become) usb-poke $ids control 0x40 0xf1 0x$id 0 0 >/tmp/become || die "$(cat /tmp/become)"; work ${ids%:*}:$id ;;
	end) break ;;
	esac
done
"""


def test_one_socket_whatever_its_device_does(host, synthetic, control):
    device = synthetic.plug("loopback", "high")
    power = f"/sys/bus/usb/devices/{device.path}/power"
    # The host suspends the device.
    sleeps = f"echo 0 >{power}/autosuspend_delay_ms; echo auto >{power}/control\n"
    host.run(f"{sleeps}wait_for '[ $(cat {power}/runtime_status) = suspended ]'")
    ctl = control("keyboard", f"usb:port={device.path},id=socket")
    guest = host.boot(ctl.usb, POKE, programs=[synthetic.poke_program])
    guest.expect_word("READY")

    def work(words):
        guest.say(words)
        return guest.expect_word("WORKS")

    place, speed = work("work 1209:100b")
    assert speed == "480"
    # The host may suspend the device when it is idle, but usbvfiod keeps it busy.
    host.run(sleeps)
    assert work("work 1209:100b") == [place, "480"]
    assert host.run(f"cat {power}/runtime_status").strip() == "active"

    # The device leaves and comes back with another address, then with other ids, as with a firmware loader.
    number = host.find_path(device.path).devnum
    device.unplug()
    device.replug()
    assert work("work 1209:100b") == [place, "480"]
    assert work("become 1209:100b 2001") == [place, "480"]
    assert work("become 1209:2001 2002") == [place, "480"]
    assert host.find_path(device.path).ids == "1209:2002"

    # The USB 3 half of the socket is a port of another bus, in the host and in the guest.
    device.kill()
    fast = synthetic.plug("loopback", "super")
    assert host.run(f"basename $(readlink /sys/bus/usb/devices/{fast.path}/port/peer)").strip() == \
        "usb{}-port{}".format(*device.path.split("-"))
    fast_place, speed = work("work 1209:100b")
    assert speed == "5000"
    assert fast_place != place
    fast.kill()
    slow = synthetic.plug("loopback", "high")
    assert slow.path == device.path
    assert work("work 1209:100b") == [place, "480"]
    slow.kill()
    fast = synthetic.plug("loopback", "super")
    assert work("work 1209:100b") == [fast_place, "5000"]
    assert ctl.rules()["socket"]["state"] == "attached"
    guest.say("end")
    guest.finish()
    ctl.usb.stop()
