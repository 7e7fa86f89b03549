# SPDX-License-Identifier: MIT
"""Devices of the host are unplugged and come back. The daemon alone handles that, so there is no guest."""

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
    # the host's own driver has the keyboard again
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
