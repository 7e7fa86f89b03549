# SPDX-License-Identifier: MIT
"""Drivers, guests, VMMs and daemons come and go; the devices of the host stay."""

import hashlib
import re
import signal

import pytest

from harness import images

BUSES = {"full": "uhci", "high": "ehci", "super": "xhci"}

# stick MBITS: waits until the stick at that speed can be read; sets disk to its name.
STICK = """
find_stick() {
	disk=
	for block in /sys/block/sd*; do
		[ "$(cat "$block/device/../../../../speed" 2>/dev/null)" != "$1" ] || disk=${block##*/}
	done
	[ -n "$disk" ]
}
stick() {
	wait_for "find_stick $1"
	wait_disk $disk
}
"""

RESET_CONTROLLER = STICK + """
drop_caches_and_read() {
	drop_caches
	dd if=/dev/$disk bs=512 skip=2048 count=1 2>/dev/null | sha256sum | cut -d' ' -f1
}
speeds="12 480 5000"
for speed in $speeds; do
	stick $speed
	dd if=/dev/urandom of=/tmp/$speed bs=512 count=1 2>/dev/null
	dd if=/tmp/$speed of=/dev/$disk bs=512 seek=2048 conv=fsync 2>/dev/null || die write
	say WRITTEN $(sha256 /tmp/$speed)
done
# An open keyboard has a transfer waiting for a key.
exec 4<"$(keyboard_node)"
for round in 1 2 3; do
	rmmod xhci_pci && rmmod xhci_hcd || die cannot remove the driver
	! ls /sys/block | grep -q '^sd' || die the sticks are still there
	modprobe xhci_pci
	for speed in $speeds; do
		stick $speed
		say READ $(drop_caches_and_read)
	done
	keyboard_node >/dev/null
	say ROUND $round
done
"""


def test_controller_is_reset_three_times(host, tmp_path):
    sticks = [images.filled(tmp_path / f"{speed}.img", 4) for speed in BUSES]
    devices = [host.plug_stick(stick, bus) for stick, bus in zip(sticks, BUSES.values())]
    keyboard = host.plug("usb-kbd", bus="uhci2")
    usb = host.controller(*devices, keyboard)
    guest = host.boot(usb, RESET_CONTROLLER).finish()
    usb.stop()

    written = guest.told("WRITTEN")
    assert len(guest.told("ROUND")) == 3
    assert guest.told("READ") == written * 3
    assert guest.complaints() == []
    for stick, words in zip(sticks, written):
        assert hashlib.sha256(stick.read_bytes()[2048 * 512:2049 * 512]).hexdigest() == words[0]


# The first byte of the stick counts the boots.
REBOOT_WHILE_READING = STICK + """
stick 480
exec 4<"$(keyboard_node)"
boots=$(dd if=/dev/$disk bs=1 count=1 2>/dev/null)
say BOOTED $boots
say SUM $(dd if=/dev/$disk bs=1M skip=1 2>/dev/null | sha256sum | cut -d' ' -f1)
if [ "$boots" -lt 2 ]; then
	printf $((boots + 1)) | dd of=/dev/$disk bs=1 conv=notrunc 2>/dev/null
	sync
	while :; do dd if=/dev/$disk of=/dev/null bs=64k iflag=direct 2>/dev/null && say READ; done &
	hear go
	reboot -f
fi
"""


def test_guest_reboots_twice_while_it_reads(host, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    with open(image, "r+b") as file:
        file.write(b"0")
    stick = host.plug_stick(image, "ehci")
    usb = host.controller(stick, host.plug("usb-kbd", bus="uhci"))
    guest = host.boot(usb, REBOOT_WHILE_READING, reboots=True)
    counts = []
    for _ in range(2):
        # After the second READ, the reads are surely under way.
        guest.expect_word("READ")
        guest.expect_word("READ")
        if usb.name == "usbvfiod":
            counts.append((len(usb.fds()), usb.status("Threads")))
        guest.say("go")
    guest.finish()
    assert guest.told("BOOTED") == [["0"], ["1"], ["2"]]
    assert guest.told("SUM") == [[images.sha256(image, offset_mib=1)]] * 3
    assert guest.complaints() == []
    # The daemon has closed everything that it opened for the first guest.
    assert len(set(counts)) <= 1
    usb.stop()
    assert not hasattr(usb, "fds") or stick.driver() == "usb-storage"


# Copies the first 4 MiB over the second 4 MiB, again and again.
COPY_WITHOUT_END = STICK + """
stick 480
exec 4<"$(keyboard_node)"
say SUM $(dd if=/dev/$disk bs=1M count=4 2>/dev/null | sha256sum | cut -d' ' -f1)
dd if=/dev/$disk of=/tmp/first bs=1M count=4 2>/dev/null
while :; do dd if=/tmp/first of=/dev/$disk bs=256k seek=16 oflag=direct 2>/dev/null && say WROTE; done &
while :; do dd if=/dev/$disk of=/dev/null bs=64k iflag=direct 2>/dev/null; done &
hear end
"""


class Busy:
    """A guest that copies data on a stick while a transfer of its keyboard waits for a key."""

    def __init__(self, host, folder):
        self.host = host
        self.image = images.filled(folder / "stick.img", 8)
        self.first_half = images.sha256(self.image, mib=4)
        self.stick = host.plug_stick(self.image, "ehci")
        self.keyboard = host.plug("usb-kbd", bus="uhci")

    def controller(self):
        usb = self.host.controller(self.stick, self.keyboard)
        assert len(re.findall(r"port \d+: .* speed$", usb.log_text(), re.MULTILINE)) == 2
        assert [self.stick.driver(), self.keyboard.driver()] == ["usbfs", "usbfs"]
        return usb

    def boot(self, usb):
        guest = self.host.boot(usb, COPY_WITHOUT_END)
        assert guest.expect_word("SUM") == [self.first_half]
        guest.expect_word("WROTE")
        return guest

    def demand_drivers(self):
        """Demand that the host's own drivers have the devices, and that the disk's data is right."""
        assert [self.stick.driver(), self.keyboard.driver()] == ["usb-storage", "usbhid"]
        assert self.host.run(f"dd if={self.host.disk(self.stick)} bs=1M count=4 2>/dev/null | sha256 -").strip() == \
            self.first_half


def kill(usb):
    """Kill the daemon, as the OOM killer would."""
    usb.signal(signal.SIGKILL)
    usb.task.wait()
    usb.stopped = True


@pytest.mark.long
@pytest.mark.usbvfiod_only
def test_vmm_and_daemon_are_killed_while_busy(host, tmp_path):
    busy = Busy(host, tmp_path)
    usb = busy.controller()
    guest = busy.boot(usb)
    guest.kill()
    guest.close()
    # The same daemon serves the next VMM.
    guest = busy.boot(usb)
    kill(usb)
    # The next daemon takes the devices without delay.
    usb = busy.controller()
    guest.kill()
    guest.close()
    busy.boot(usb)
    # An operator stops the daemon while the guest continues.
    usb.stop()
    busy.demand_drivers()


def memory_kib(host):
    """The unreclaimable slab memory of the host's kernel."""
    return int(host.run("sed -n 's/^SUnreclaim: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))


@pytest.mark.usbvfiod_only
def test_devices_come_and_go_with_the_daemon(host, tmp_path):
    devices = [
        host.plug_stick(images.filled(tmp_path / "stick.img", 4), "ehci"),
        host.plug_uas(images.filled(tmp_path / "disk.img", 4), "xhci"),
        host.plug("usb-kbd", bus="uhci"),
    ]
    drivers = ["usb-storage", "uas", "usbhid"]
    before_kib = 0
    for number in range(20):
        usb = host.controller(*devices)
        assert [device.driver() for device in devices] == ["usbfs"] * 3
        usb.stop()
        assert [device.driver() for device in devices] == drivers
        before_kib = before_kib if number > 2 else memory_kib(host)
    # The kernel makes a new disk each time, and frees the old one's memory late.
    assert memory_kib(host) < before_kib + 2048

    # A killed daemon does not return its devices to the host's drivers; the next daemon does.
    kill(host.controller(*devices))
    assert host.run("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /dev/bus/usb", check=False).strip() == "0"
    host.controller(*devices).stop()
    assert [device.driver() for device in devices] == drivers
