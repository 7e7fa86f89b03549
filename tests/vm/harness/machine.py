# SPDX-License-Identifier: MIT
"""A virtual machine: the rig's QEMU in emulation, with its serial console and its monitor (QMP)."""

import json
import os
import socket
import subprocess
from pathlib import Path

from .console import TIMEOUT_S, Console, GuestError, kernel_options, make_initramfs


class Qmp:
    """QEMU's monitor: runs one command at a time and keeps events until a test awaits them."""

    def __init__(self, place):
        """place: the path where the monitor listens, or a socket connected to it."""
        if isinstance(place, socket.socket):
            self.socket = place
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(place))
        self.socket.settimeout(TIMEOUT_S)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events = []
        self._receive()
        self.command("qmp_capabilities")

    def _receive(self):
        line = self.lines.readline()
        if not line:
            raise GuestError("QEMU closed its monitor")
        return json.loads(line)

    def command(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._receive()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise GuestError(f"QEMU refused {name}: {message['error']['desc']}")
            else:
                return message["return"]

    def await_event(self, name):
        while True:
            for message in self.events:
                if message["event"] == name:
                    self.events.remove(message)
                    return message
            message = self._receive()
            if "event" in message:
                self.events.append(message)

    def close(self):
        self.lines.close()
        self.socket.close()


class Machine(Console):
    """A started VM. memory is in MiB. bios: qboot (fast, knows no USB) or seabios (drives the controller itself).

    programs: static programs of this machine to put in the job's PATH.
    iommu: give the VM a virtual IOMMU (Intel's).
    """

    def __init__(self, rig, folder, controller, job="", *, memory=512, cpus=1, bios="qboot", reboots=False,
                 kernel=True, hotplug=False, options="", programs=(), iommu=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        super().__init__(self.folder / "serial.log")
        self.controller = controller
        self._qmp = None

        command = [Path(rig) / "qemu", "-accel", "tcg,thread=multi", "-cpu", "max", "-M",
                   "q35,memory-backend=ram" + (",kernel-irqchip=split" if iommu else ""),
                   "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on", "-m", f"{memory}M",
                   "-smp", str(cpus), "-nodefaults", "-display", "none", "-serial", "stdio"]
        command += [] if reboots else ["-no-reboot"]
        command += ["-bios", "qboot.rom"] if bios == "qboot" else []
        if kernel:
            command += ["-kernel", Path(rig) / "vmlinux", "-initrd",
                        make_initramfs(rig, self.folder, job, programs), "-append", kernel_options(options)]
        # Without caching-mode, QEMU does not tell other processes what the guest maps.
        command += ["-device", "intel-iommu,intremap=off,caching-mode=on"] if iommu else []
        bus = "port0" if hotplug else ""
        if hotplug:
            command += ["-device", "pcie-root-port,id=port0,chassis=1,slot=1"]
        # In /tmp, because the path of a Unix socket must be short.
        self._qmp_path = Path(f"/tmp/usbvfiod-qmp-{os.getpid()}-{id(self):x}")
        command += ["-qmp", f"unix:{self._qmp_path},server=on,wait=off"]
        command += controller.qemu_arguments(bus)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)

    def source(self):
        return self.process.stdout.fileno()

    def write(self, data):
        self.process.stdin.write(data)

    @property
    def qmp(self):
        if self._qmp is None:
            self._qmp = Qmp(self._qmp_path)
        return self._qmp

    def wait(self):
        return self.process.wait(TIMEOUT_S)

    def kill(self):
        """Kill QEMU, as the OOM killer would."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        if self._qmp:
            self._qmp.close()
        self._qmp_path.unlink(missing_ok=True)
        self.process.stdin.close()
        self.process.stdout.close()
        self._log_file.close()
