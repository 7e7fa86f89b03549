#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Throughput of a host's mass storage device: usbvfiod against libusb alone, and against QEMU's usb-host.

The host is a VM under emulation with real usbfs (tests/vm/harness/nested.py), so absolute figures mean little. All figures of a table come
from one run on one device, next to their yardstick. First bench_host runs in the host: the test client drives our daemon, against a program
that uses libusb. Then a guest in the host reads and writes the device with dd, alternately through usbvfiod and through QEMU's own
controller with usb-host.

host_throughput.py [--build DIR] [--rounds N] [--no-guest]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests" / "vm"))

from harness import images  # noqa: E402
from harness.nested import Host  # noqa: E402
from harness.nested_controller import NestedUsbvfiod, QemuUsbHost  # noqa: E402

IMAGE_MIB = 64

# name: (MiB moved, dd arguments)
WORKLOADS = {
    "read 32 MiB, cached, bs=64k": (32, "if=/dev/sda of=/dev/null bs=64k count=512"),
    "write 32 MiB, cached, fsync": (32, "if=/dev/zero of=/dev/sda bs=64k count=512 conv=fsync"),
    "read 32 MiB, direct, bs=1M": (32, "if=/dev/sda of=/dev/null bs=1M count=32 iflag=direct"),
    "write 32 MiB, direct, bs=1M": (32, "if=/dev/zero of=/dev/sda bs=1M count=32 oflag=direct"),
    "read 200 x 4 KiB, direct": (200 / 256, "if=/dev/sda of=/dev/null bs=4k count=200 iflag=direct"),
    "write 200 x 4 KiB, direct": (200 / 256, "if=/dev/zero of=/dev/sda bs=4k count=200 oflag=direct"),
}

JOB = """
wait_disk sda
# busybox' dd prints no times, and /proc/uptime has only hundredths of a second.
now_ns() { sed -n 's/^now at \\([0-9]*\\) nsecs/\\1/p; 5q' /proc/timer_list; }
run() {
	drop_caches
	start=$(now_ns)
	dd $3 2>/dev/null || die dd $3
	say TOOK $1 $2 $(($(now_ns) - start))
}
"""


def against_libusb(host, stick, build, rounds):
    """Run bench_host in the host. Return its table."""
    host.install(build / "usbvfiod")
    # Into the daemon's root, so that each finds the other and its libraries.
    command = host.install(build / "bench" / "bench_host")
    root = command.split()[1]
    host.run(f"cp -a /root0/usbvfiod {root} && cp -a /root0/lib/. {root}/lib")
    return host.run(f"ulimit -n 4096; USBVFIOD=/usbvfiod {command} {stick.node} {rounds}", timeout_s=1200)


def in_guest(host, stick, kind, build, log, rounds):
    """Run a guest that uses the stick through that controller. Return {workload: [seconds]}."""
    # Round 0 only warms up the emulator's translation.
    job = JOB + "".join(f'run {index} {number} "{arguments}"\n' for number in range(rounds + 1)
                        for index, (_mib, arguments) in enumerate(WORKLOADS.values()))
    stick = host.find_path(stick.path)
    usb = kind(host, build / "usbvfiod", [stick], log)
    guest = host.boot(usb, job)
    try:
        took = guest.finish().told("TOOK")
    finally:
        guest.close()
        host.guests.remove(guest)
        usb.stop()
    seconds = {}
    for index, number, nanoseconds in took:
        if number != "0":
            seconds.setdefault(int(index), []).append(int(nanoseconds) / 1e9)
    return seconds


def against_usb_host(host, stick, build, folder, rounds):
    totals = {NestedUsbvfiod: {}, QemuUsbHost: {}}
    for turn in range(2):
        for kind, total in totals.items():
            for index, seconds in in_guest(host, stick, kind, build, folder / f"{kind.name}-{turn}.log",
                                           rounds).items():
                total.setdefault(index, []).extend(seconds)
    lines = [f"{'A guest of the host, MB/s, medians':36} {'usbvfiod':>10} {'usb-host':>10} {'ratio':>7}"]
    for index, (title, (mib, _arguments)) in enumerate(WORKLOADS.items()):
        ours, theirs = (mib * 1.048576 / statistics.median(total[index]) for total in totals.values())
        lines.append(f"  {title:34} {ours:10.1f} {theirs:10.1f} {ours / theirs:6.2f}x")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=PROJECT / "build-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-guest", action="store_true", help="only the comparison with libusb")
    arguments = parser.parse_args()

    rig = subprocess.run([PROJECT / "scripts" / "rig"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        folder = Path(folder)
        image = images.filled(folder / "stick.img", IMAGE_MIB)
        (folder / "host").mkdir()
        host = Host(rig, folder / "host", (NestedUsbvfiod, arguments.build / "usbvfiod"))
        try:
            stick = host.plug_stick(image, "xhci")
            print(against_libusb(host, stick, arguments.build, arguments.rounds), flush=True)
            if not arguments.no_guest:
                print(against_usb_host(host, stick, arguments.build, folder, arguments.rounds), flush=True)
        finally:
            host.close()


if __name__ == "__main__":
    main()
