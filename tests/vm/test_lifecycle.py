# SPDX-License-Identifier: MIT
"""Drivers, guests and VMMs come and go; the devices stay."""

import pytest

from harness import images
from harness.controller import Keyboard, Stick

RELOAD_DRIVER = """
wait_disk sda
keyboard_node >/dev/null
for round in 1 2 3 4 5; do
	rmmod xhci_pci && rmmod xhci_hcd || die cannot remove the driver
	[ ! -e /sys/bus/pci/drivers/xhci_hcd ] || die the driver is still there
	[ ! -e /sys/block/sda ] || die the stick is still there
	modprobe xhci_pci
	wait_disk sda
	keyboard_node >/dev/null
	say ROUND $round
done
say SUM $(sha256 /dev/sda)
"""


def test_driver_is_reloaded_while_a_keyboard_waits(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 8)
    guest = boot(controller(Stick(image), Keyboard()), RELOAD_DRIVER).finish()

    assert len(guest.told("ROUND")) == 5
    assert guest.told_once("SUM") == images.sha256(image)
    assert guest.complaints() == []


# The first byte of the stick counts the boots.
REBOOT_TWICE = """
wait_disk sda
boots=$(dd if=/dev/sda bs=1 count=1 2>/dev/null)
say BOOTED $boots
say SUM $(dd if=/dev/sda bs=1M skip=1 2>/dev/null | sha256sum | cut -d' ' -f1)
if [ "$boots" -lt 2 ]; then
	printf $((boots + 1)) | dd of=/dev/sda bs=1 conv=notrunc 2>/dev/null
	sync
	reboot -f
fi
"""


def test_guest_reboots_twice_and_finds_its_data(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 8)
    with open(image, "r+b") as file:
        file.write(b"0")
    guest = boot(controller(Stick(image), Keyboard()), REBOOT_TWICE, reboots=True).finish()

    assert guest.told("BOOTED") == [["0"], ["1"], ["2"]]
    assert guest.told("SUM") == [[images.sha256(image, offset_mib=1)]] * 3
    assert guest.complaints() == []


COPY_WITHOUT_END = """
wait_disk sda
dd if=/dev/sda of=/tmp/first bs=1M count=16 2>/dev/null
say GOING
while :; do dd if=/tmp/first of=/dev/sda bs=1M seek=16 oflag=direct 2>/dev/null; say WROTE; done &
while :; do dd if=/dev/sda of=/dev/null bs=1M iflag=direct 2>/dev/null; done
"""

READ_AND_WRITE = """
wait_disk sda
say SUM $(dd if=/dev/sda bs=1M count=16 2>/dev/null | sha256sum | cut -d' ' -f1)
dd if=/dev/sda bs=1M count=16 2>/dev/null | dd of=/dev/sda bs=1M seek=16 conv=fsync 2>/dev/null
"""


@pytest.mark.usbvfiod_only
def test_next_vm_uses_what_a_killed_one_left(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 32)
    first_half = images.sha256(image, mib=16)
    usb = controller(Stick(image), Keyboard())

    killed = boot(usb, COPY_WITHOUT_END)
    killed.expect_word("WROTE")
    killed.kill()
    guest = boot(usb, READ_AND_WRITE).finish()

    assert guest.told_once("SUM") == first_half
    assert images.sha256(image, mib=16) == images.sha256(image, offset_mib=16) == first_half
    assert guest.complaints() == []


PLUGGED_AGAIN = """
wait_disk sda
say SUM $(sha256 /dev/sda)
hear go
wait_for "[ ! -e /sys/block/sda ]"
wait_for '[ -z "$(xhci_address)" ]'
say GONE
wait_disk sda
say SUM $(sha256 /dev/sda)
"""


def test_controller_is_unplugged_and_plugged_again(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 8)
    # QEMU 11.1 aborts when any device with MSI-X is unplugged.
    usb = controller(Stick(image), Keyboard(), options=["--no-msix"])
    guest = boot(usb, PLUGGED_AGAIN, hotplug=True)

    guest.expect_word("SUM")
    guest.qmp.command("device_del", id="usb")
    guest.say("go")
    guest.expect_word("GONE")
    guest.qmp.await_event("DEVICE_DELETED")
    usb.plug(guest.qmp, "port0")
    guest.finish()

    assert guest.told("SUM") == [[images.sha256(image)]] * 2
