#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Time from the kernel's uevent of a USB device to the change of the guest's port, for many plug and unplug events.

The host is a VM under emulation (tests/vm/harness/nested.py). A rule holds the device; there is no guest. The uevent's time is the time at
which another process received it. So the figures include the daemon's wake-up, but not that process'.

host_plug.py [--build DIR] [--rounds N]
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests" / "vm"))

from devices.synthetic import Synthetic  # noqa: E402
from harness.nested import Host  # noqa: E402
from harness.nested_control import Log  # noqa: E402
from harness.nested_controller import NestedUsbvfiod  # noqa: E402

LINE = re.compile(r"^(\S+)Z\s")
# The keeper delays devices that reconnect faster, see src/rules/keeper_owner.c.
STAY_US = 2100000


class Tablet:
    """A host driver has the device, and the daemon detaches it."""

    title = "with a driver of the host"
    ids = "0627"

    def __init__(self, host, _build):
        self.host = host
        self.device = None

    def plug(self):
        self.device = self.host.plug("usb-tablet", bus="ehci")
        return self.device.path

    def pull(self):
        self.host.unplug(self.device)


class Loopback:
    """No host driver binds to it."""

    title = "without one"
    ids = "1209"

    def __init__(self, host, build):
        self.synthetic = Synthetic(host, build / "tests" / "vm" / "devices")
        self.device = None

    def plug(self):
        self.device = self.synthetic.plug("loopback", "high")
        return self.device.path

    def pull(self):
        self.device.kill()


def time_of(line):
    """Return the time of a line of the daemon's log in seconds since 1970."""
    return datetime.fromisoformat(LINE.match(line).group(1)).replace(tzinfo=timezone.utc).timestamp()


def measure(host, build, kind, rounds):
    """Return [(plugged ms, pulled ms)]; pulled is negative if the daemon noticed before the uevent."""
    devices = kind(host, build)
    news = host.start(f"exec {host.install(build / 'bench' / 'bench_uevents')}")
    usb = host.controller(f"usb:vid={kind.ids}")
    log = Log(usb)
    log.expect("ready: ")
    times = []
    for _ in range(rounds):
        path = devices.plug()
        plugged = time_of(log.expect("INFO port [0-9]*: "))
        added = float(re.findall(rf"ADDED {re.escape(path)} (\S+)", news.output)[-1])
        host.run(f"usleep {STAY_US}")
        devices.pull()
        pulled = time_of(log.expect("unplugged"))
        host.run(f"wait_for '[ ! -e /sys/bus/usb/devices/{path} ]'")
        removed = float(re.findall(rf"REMOVED {re.escape(path)} (\S+)", news.output)[-1])
        times.append(((plugged - added) * 1e3, (pulled - removed) * 1e3))
    usb.stop()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=PROJECT / "build-bench")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()

    rig = subprocess.run([PROJECT / "scripts" / "rig"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    print(f"{'ms from the uevent to the port':36} {'median':>9} {'least':>9} {'most':>9}")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        host = Host(rig, folder, (NestedUsbvfiod, arguments.build / "usbvfiod"))
        try:
            for kind in (Tablet, Loopback):
                plugged, pulled = zip(*measure(host, arguments.build, kind, arguments.rounds))
                for what, times in (("plugged in", plugged), ("pulled", pulled)):
                    print(f"{f'{what}, {kind.title}':36} {statistics.median(times):9.1f} {min(times):9.1f} "
                          f"{max(times):9.1f}", flush=True)
        finally:
            host.close()


if __name__ == "__main__":
    main()
