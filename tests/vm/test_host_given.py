# SPDX-License-Identifier: MIT
"""File descriptors of usbfs that a client passes to the daemon and also keeps."""

import re
from pathlib import Path

import pytest

from harness.nested_control import control, nobody  # noqa: F401 fixtures

pytestmark = pytest.mark.usbvfiod_only

# Neither root nor the daemon's user, either of whom could write into the daemon's memory anyway.
OTHER_USER = 1000


@pytest.fixture
def give(host, request):
    """give(CONTROL, DEVICE): run usb-give's attack; returns (output, bytes written in the daemon, in the giver)."""
    build = Path(request.config.getoption("--daemon")).resolve().parent / "tests" / "vm" / "devices"
    program = host.put(build / "usb-give")

    def run(ctl, device, uid=""):
        text = host.run(f"{program} {ctl.path} {device.node} $(cat {ctl.usb.folder}/pid) {uid}")
        counts = re.search(r"^GIVEN daemon=(\d+) giver=(\d+)$", text, re.MULTILINE)
        return text, *(map(int, counts.groups()) if counts else (None, None))

    return run


def test_who_keeps_a_descriptor_cannot_write_into_the_daemon(host, control, give):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control()
    answer, in_daemon, in_giver = give(ctl, tablet)
    assert '"ok":true' in answer
    assert in_daemon == 0
    # The daemon opened the node again, so the giver's transfer stayed with the giver.
    assert in_giver > 0
    assert "foreign" not in ctl.usb.log_text()
    assert [one["state"] for one in ctl.devices()] == ["attached"]
    ctl.usb.stop()
    tablet.await_driver("usbhid")


def test_a_daemon_that_cannot_open_the_node_has_to_trust_root(host, control, nobody, give):
    """The kernel allows the attack, so such a daemon accepts descriptors from root and its own user only."""
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control(start=nobody)
    host.run(f"chmod 666 {ctl.path}")
    refused, _, _ = give(ctl, tablet, uid=OTHER_USER)
    assert '"ok":false' in refused and "write into usbvfiod's memory" in refused
    assert ctl.devices() == []
    tablet.await_driver("usbhid")

    answer, in_daemon, _ = give(ctl, tablet)
    assert '"ok":true' in answer
    assert in_daemon > 0
    # The daemon survives and keeps the device.
    assert [one["state"] for one in ctl.devices()] == ["attached"]
    assert "using it as it was handed over" in ctl.usb.log_text()
    assert "reaped a foreign USB transfer" in ctl.usb.log_text()
    ctl.usb.stop()
    tablet.await_driver("usbhid")
