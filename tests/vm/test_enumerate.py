# SPDX-License-Identifier: MIT
"""Linux finds the controller and the devices plugged into it."""

import pytest

from harness import images
from harness.controller import Keyboard, Stick

ENUMERATE = """
wait_disk sda
keyboard_node >/dev/null
report_usb
say SUM $(sha256 /dev/sda)
xhci_interrupts | while read -r line; do say IRQ $line; done
"""

MBITS = {"full": "12", "high": "480", "super": "5000"}


def usb_devices(guest):
    """{driver: speed} of the guest's USB devices, each with one interface."""
    return {driver: speed for _port, _ids, speed, driver in guest.told("USB")}


@pytest.mark.parametrize("speed", [pytest.param("full", marks=pytest.mark.usbvfiod_only), "high", "super"])
def test_stick_and_keyboard_are_found(controller, boot, tmp_path, speed):
    image = images.filled(tmp_path / "stick.img", 4)
    guest = boot(controller(Stick(image, speed=speed), Keyboard()), ENUMERATE).finish()

    devices = usb_devices(guest)
    assert devices["usb-storage"] == MBITS[speed]
    assert "usbhid" in devices
    assert guest.told_once("SUM") == images.sha256(image)
    assert guest.complaints() == []


def test_interrupts_come_by_msix(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    guest = boot(controller(Stick(image), Keyboard()), ENUMERATE).finish()

    chips = {chip.split("-0000:")[0] for _irq, _count, chip in guest.told("IRQ")}
    assert chips == {"PCI-MSIX"}
    # A read of 4 MiB takes at least 32 commands of 128 KiB, and each command causes an interrupt.
    assert sum(int(count) for _irq, count, _chip in guest.told("IRQ")) >= 32


def test_interrupts_come_by_msi_without_msix(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    guest = boot(controller(Stick(image), Keyboard(), options=["--no-msix"]), ENUMERATE).finish()

    chips = {chip.split("-0000:")[0] for _irq, _count, chip in guest.told("IRQ")}
    assert chips == {"PCI-MSI"}
    assert guest.told_once("SUM") == images.sha256(image)
    assert guest.complaints() == []
