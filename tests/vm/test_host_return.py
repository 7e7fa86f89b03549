# SPDX-License-Identifier: MIT
"""Devices of the host that go and come back, and who has them meanwhile. Without a guest: the daemon alone sees to it."""

import pytest

pytestmark = pytest.mark.usbvfiod_only


def await_log(usb, words):
    usb.host.run(f"wait_for \"grep -q '{words}' /share/tasks/{usb.task.number}.out\"")


def test_device_comes_back_to_its_place(host):
    keyboard = host.plug("usb-kbd", bus="ehci", port="2")
    keyboard.await_driver("usbhid")
    usb = host.controller("keyboard", keyboard)
    assert "port 2: " in usb.log_text()
    assert keyboard.driver() == "usbfs"
    host.unplug(keyboard)
    again = host.plug("usb-kbd", bus="ehci", port="2")
    assert (again.path, again.devnum != keyboard.devnum) == (keyboard.path, True)
    await_log(usb, "port 2: .* is back")
    assert again.driver() == "usbfs"
    usb.stop()
    # the host's own driver has it again
    assert again.driver() == "usbhid"


def test_device_at_another_place_stays_with_the_host(host):
    keyboard = host.plug("usb-kbd", bus="ehci", port="2")
    usb = host.controller(keyboard)
    host.unplug(keyboard)
    await_log(usb, "within 10 s")
    other = host.plug("usb-kbd", bus="ehci", port="3")
    await_log(usb, "has not come back")
    other.await_driver("usbhid")
    late = host.plug("usb-kbd", bus="ehci", port="2")
    late.await_driver("usbhid")
    usb.stop()
