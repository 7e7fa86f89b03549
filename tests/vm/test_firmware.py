# SPDX-License-Identifier: MIT
"""SeaBIOS drives the controller with its own xHCI driver, and Linux takes over a controller in use."""

from harness import images
from harness.controller import Keyboard, Stick

READ = """
wait_disk sda
keyboard_node >/dev/null
report_usb
say SUM $(sha256 /dev/sda)
"""


def test_linux_takes_over_from_seabios(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    guest = boot(controller(Stick(image), Keyboard()), READ, bios="seabios").finish()

    assert guest.told_once("SUM") == images.sha256(image)
    assert len(guest.told("USB")) == 2
    assert guest.complaints() == []


def test_pc_boots_from_the_stick(controller, boot, rig, tmp_path):
    image = images.bootable(tmp_path / "stick.img", rig, rig / "initramfs")
    guest = boot(controller(Stick(image), Keyboard()), bios="seabios", kernel=False)

    guest.expect("GRUB started")
    guest.expect_word("BOOT")
    guest.finish()
    assert guest.complaints() == []
