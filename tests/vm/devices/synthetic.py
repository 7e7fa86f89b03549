# SPDX-License-Identifier: MIT
"""vhci-device, usb-poke and gadget in the VM that plays the host.

A test module imports the fixture:

    from devices.synthetic import synthetic

    def test_counter(host, synthetic):
        counter = synthetic.plug("counter", "high", "transactions=3", "vary")
        synthetic.poke(counter, "claim 0", "interface 0 1", "iso-in 0x81 2 8 16 3072")   # in the host, without usbvfiod
        usb = host.controller(counter.device)
        guest = host.boot(usb, JOB, programs=[synthetic.poke_program])                   # in the guest
        ...
        assert counter.stats()["out_lost"] == 0
"""

import itertools
import re
from pathlib import Path

import pytest

NUMBER = re.compile(r"\d+$")


def parse(line):
    """{key: value} for each word key=value of a line; numbers become int."""
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return {key: int(value) if NUMBER.match(value) else value for key, value in words.items()}


class SyntheticDevice:
    """A running vhci-device."""

    def __init__(self, host, number, kind, speed, options, serial, ids, enumerated):
        self.host = host
        self.name = f"/run/vhci{number}"
        words = [f"--kind {kind} --speed {speed} --control {self.name}.control --stats {self.name}.stats",
                 f"--serial {serial}", f"--id {ids}" if ids else "", *(f"--option '{option}'" for option in options)]
        self.task = host.start(f"echo $$ >{self.name}.pid\nexec vhci-device {' '.join(words)} >{self.name}.log 2>&1\n")
        self.stopped = False
        host.run(f"wait_for \"grep -qE '^(ATTACHED|ERROR)' {self.name}.log\"")
        # The kernel's name for the place, such as "1-1".
        attached = re.search(r"ATTACHED .*device=(\S+)", self.log())
        assert attached, self.log()
        self.path = attached.group(1)
        self.device = host.find_path(self.path) if enumerated else None

    def log(self):
        return self.host.run(f"cat {self.name}.log")

    def command(self, line):
        """Write a line to the device's control FIFO; see vhci-device --help."""
        self.host.run(f"echo '{line}' >{self.name}.control")

    def stats(self):
        """The device's counts so far."""
        return parse(self.host.run(f"rm -f {self.name}.stats; echo stats >{self.name}.control; "
                                   f"wait_for '[ -e {self.name}.stats ]'; cat {self.name}.stats"))

    def find(self):
        """Wait for the device in the host; returns it with its current numbers."""
        self.device = self.host.find_path(self.path)
        return self.device

    def unplug(self):
        """Unplug by surprise; replug() brings the device back."""
        self.command("unplug")
        self.host.run(f"wait_for '[ ! -e /sys/bus/usb/devices/{self.path} ]'")

    def replug(self):
        self.command("replug")
        return self.find()

    def kill(self):
        """Unplug by surprise and for good."""
        self.host.run(f"kill -9 $(cat {self.name}.pid)")
        self.task.wait()
        self.stopped = True

    def stop(self):
        """Detach the device in an orderly way. Returns its counts."""
        if not self.stopped:
            self.stopped = True
            self.host.run(f"kill $(cat {self.name}.pid)")
            assert self.task.wait() == 0, self.log()
        return parse(self.log().splitlines()[-1])


class Synthetic:
    """All synthetic devices of a test."""

    numbers = itertools.count(1)

    def __init__(self, host, build):
        self.host = host
        self.poke_program = build / "usb-poke"
        self.devices = []
        self.gadgets = []
        if not getattr(host, "has_synthetic", False):
            for program in (build / "vhci-device", self.poke_program, Path(__file__).parent / "gadget"):
                host.run(f"cp {host.put(program)} /bin/")
            host.run("modprobe vhci-hcd")
            host.has_synthetic = True

    def plug(self, kind, speed="high", *options, serial=None, ids=None, enumerated=True):
        """Plug in a vhci-device with options of its kind. enumerated=False: the kernel will reject the device."""
        number = next(self.numbers)
        device = SyntheticDevice(self.host, number, kind, speed, options, serial or f"VHCI{number}", ids, enumerated)
        self.devices.append(device)
        return device

    def poke(self, device, *commands):
        """Run usb-poke's commands on a device (synthetic, or of the host) in the host; all must succeed.

        Returns a dictionary for each command.
        """
        device = getattr(device, "device", device)
        output = self.host.run(f"usb-poke {device.busnum}/{device.devnum} {' , '.join(commands)}")
        return [parse(line) for line in output.splitlines()]

    def gadget(self, name, kind, *options):
        """Plug in a gadget on dummy_hcd (devices/gadget lists the kinds). Returns the host's device."""
        if not self.host.run("ls -d /sys/class/udc/* 2>/dev/null", check=False):
            self.host.run("gadget load super 4")
        self.host.run(f"gadget add {name} {kind} {' '.join(options)}")
        self.gadgets.append(name)
        return self.host.find(f" {name}$")

    def stop(self):
        for device in self.devices:
            if device.task.status is None:
                device.stop()
        for name in self.gadgets:
            self.host.run(f"gadget remove {name}")


@pytest.fixture
def synthetic(request, host):
    """Synthetic USB devices in the host; unplugged after the test."""
    build = Path(request.config.getoption("--daemon")).resolve().parent / "tests" / "vm" / "devices"
    devices = Synthetic(host, build)
    yield devices
    devices.stop()
