# SPDX-License-Identifier: MIT
"""A host that does not let the daemon have what it wants, and a daemon that may hardly do anything."""

import re

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

# Becomes nobody, who has file descriptor 5 (the node NODE, if that is set), behind the daemon's own chroot.
AS_NOBODY = """#!/bin/sh
[ -z "$NODE" ] || exec 5<>"$NODE"
chown -R 65534:65534 "${NOTIFY_SOCKET%/*}"
root=$2
cp /bin/busybox "$root/"
mkdir -p "$root/etc"
echo nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
echo nogroup:x:65534: >"$root/etc/group"
program=$3
shift 3
exec chroot "$root" /busybox start-stop-daemon -S -c nobody:nogroup -x "$program" -- "$@"
"""


@pytest.fixture
def nobody(host):
    """nobody(DEVICE..., node=""): the daemon of a user who may nothing, with that node open as descriptor 5."""
    host.run(f"cat >/tmp/as-nobody <<'END'\n{AS_NOBODY}\nEND\nchmod 755 /tmp/as-nobody")

    def start(*devices, node=""):
        usb = host.controller(*devices, launcher=["env", f"NODE={node}", "/tmp/as-nobody"])
        assert usb.status("Uid") == 65534
        assert usb.status("CapEff") == 0
        return usb

    return start


def serves(usb):
    """It runs, and has plugged in the keyboard of its own that every test here adds."""
    assert usb.task.status is None
    assert re.search(r"port \d+: .*keyboard.*full speed", usb.log_text()), usb.log_text()
    return usb.log_text()


def test_nobody_without_a_node_is_told_what_to_do(host, nobody, synthetic):
    device = synthetic.plug("loopback", "high").device
    host.run(f"chown 0:0 {device.node}; chmod 664 {device.node}")
    usb = nobody(device, "keyboard")
    log = serves(usb)
    assert f"{device.node} may not be opened for writing" in log
    assert 'ATTR{idVendor}=="1209", ATTR{idProduct}=="100b", GROUP=' in log
    assert "--device host:fd=N" in log
    usb.stop()
    synthetic.poke(device, "claim 0", "loop 1 0x81 512 2 5")


def test_a_device_that_another_program_uses_stays_there(host, synthetic):
    device = synthetic.plug("alternate", "high").device
    # The second of its three interfaces: the first one must be given back.
    host.run(f"usb-poke {device.node} claim 1 , sleep 600000 >/tmp/claimed 2>&1 & echo $! >/tmp/claimer")
    host.run("wait_for 'grep -q ^OK /tmp/claimed'")
    usb = host.controller(device, "keyboard")
    log = serves(usb)
    assert "interface 1 is in use by another program by way of usbfs" in log
    assert [device.driver(f"1.{number}") for number in range(3)] == ["", "usbfs", ""]
    host.run("kill $(cat /tmp/claimer)")
    usb.stop()
    # With nobody in the way it can be had.
    usb = host.controller(device, "keyboard")
    assert device.driver("1.1") == "usbfs"
    assert len(re.findall(r"port \d+: ", serves(usb))) == 2
    usb.stop()
    assert device.driver("1.1") == ""


def test_a_device_that_is_not_there_is_said_to_be_missing(host, synthetic):
    device = synthetic.plug("loopback", "high").device
    host.run("ln -sf /nowhere /tmp/dangling; : >/tmp/file")
    usb = host.controller("/dev/bus/usb/001/126", "/tmp/dangling", "/tmp/file", "/dev/null", "/dev/bus/usb/001", device,
                          "keyboard")
    log = serves(usb)
    assert "there is no /dev/bus/usb/001/126" in log
    assert "there is no /tmp/dangling" in log
    assert log.count("lsusb shows") >= 2
    for path in ("/tmp/file", "/dev/null", "/dev/bus/usb/001"):
        assert re.search(rf"{path} is .*not the node of a USB device", log), log
    # The one behind those in the list is plugged in.
    assert len(re.findall(r"port \d+: ", log)) == 2
    assert device.driver() == "usbfs"
    usb.stop()
