#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Throughput of a stick in a QEMU guest: usbvfiod against QEMU's own qemu-xhci with usb-storage.

Both controllers are in one guest, each with an image of the same bytes. Their rounds alternate, so other load on the machine affects both.
Prints the medians and their ratio.

vm_throughput.py [--daemon PATH] [--rounds N]
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
from harness.controller import QemuXhci, Stick, Usbvfiod  # noqa: E402
from harness.machine import Machine  # noqa: E402

SIZE_MIB = 96
SLOTS = {"usbvfiod": "05", "qemu-xhci": "06"}

# name: (MiB moved, dd arguments with DISK for the disk)
WORKLOADS = {
    "read 64 MiB, cached, bs=64k": (64, "if=DISK of=/dev/null bs=64k count=1024"),
    "write 64 MiB, cached, fsync": (64, "if=/dev/zero of=DISK bs=64k count=1024 conv=fsync"),
    "read 64 MiB, direct, bs=1M": (64, "if=DISK of=/dev/null bs=1M count=64 iflag=direct"),
    "write 64 MiB, direct, bs=1M": (64, "if=/dev/zero of=DISK bs=1M count=64 oflag=direct"),
    "read 1000 x 4 KiB, direct": (1000 / 256, "if=DISK of=/dev/null bs=4k count=1000 iflag=direct"),
    "write 1000 x 4 KiB, direct": (1000 / 256, "if=/dev/zero of=DISK bs=4k count=1000 oflag=direct"),
}

JOB_HEAD = """
wait_disk sda sdb
for disk in sda sdb; do
	case $(readlink -f /sys/block/$disk/device) in
	*/0000:00:05.0/*) usbvfiod=/dev/$disk ;;
	*/0000:00:06.0/*) qemu_xhci=/dev/$disk ;;
	esac
done
# busybox' dd prints no times, and /proc/uptime has only hundredths of a second.
now_ns() { sed -n 's/^now at \\([0-9]*\\) nsecs/\\1/p; 5q' /proc/timer_list; }
run() {
	drop_caches
	start=$(now_ns)
	dd $3 2>/dev/null || die dd $3
	say TOOK $1 $2 $(($(now_ns) - start))
}
"""


class Both:
    """The two controllers in one VM, at known PCI addresses."""

    def __init__(self, usbvfiod, qemu_xhci):
        self.usbvfiod, self.qemu_xhci = usbvfiod, qemu_xhci

    def qemu_arguments(self, _bus):
        first = self.usbvfiod.qemu_arguments()
        first[1] = first[1].replace('"id": "usb"', f'"id": "vfu", "addr": "{SLOTS["usbvfiod"]}"')
        second = self.qemu_xhci.qemu_arguments()
        second[1] = second[1].replace('"id": "usb"', f'"id": "usb", "addr": "{SLOTS["qemu-xhci"]}"')
        return first + second


def job(rounds):
    lines = [JOB_HEAD]
    # Round 0 only warms up the emulator's translation.
    for number in range(rounds + 1):
        for index, (_mib, arguments) in enumerate(WORKLOADS.values()):
            for name in ("usbvfiod", "qemu_xhci"):
                lines.append(f'run {name}/{index} {number} "{arguments.replace("DISK", "$" + name)}"\n')
    return "".join(lines)


def measure(daemon, rounds):
    rig = Path(subprocess.run([PROJECT / "scripts" / "rig"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.strip())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sticks = [Stick(images.filled(folder / f"{name}.img", SIZE_MIB)) for name in SLOTS]
        usbvfiod = Usbvfiod(daemon, [sticks[0]], folder / "usbvfiod.log")
        try:
            machine = Machine(rig, folder / "vm", Both(usbvfiod, QemuXhci(None, [sticks[1]])), job(rounds))
            try:
                return machine.finish().told("TOOK")
            finally:
                machine.close()
        finally:
            usbvfiod.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--daemon", default=PROJECT / "build" / "usbvfiod")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    seconds = {}
    for name, number, took in measure(arguments.daemon, arguments.rounds):
        if number != "0":
            seconds.setdefault(name, []).append(int(took) / 1e9)
    print(f"{'MB/s, median of ' + str(arguments.rounds):32} {'usbvfiod':>10} {'qemu-xhci':>10} {'ratio':>7}")
    for index, (title, (mib, _arguments)) in enumerate(WORKLOADS.items()):
        rates = [mib * 1.048576 / statistics.median(seconds[f"{name}/{index}"]) for name in ("usbvfiod", "qemu_xhci")]
        print(f"{title:32} {rates[0]:10.1f} {rates[1]:10.1f} {rates[0] / rates[1]:6.2f}x")


if __name__ == "__main__":
    main()
