# SPDX-License-Identifier: MIT
"""The USB controller of a test VM: usbvfiod, or QEMU's own qemu-xhci to tell faults of the rig from faults of usbvfiod.

Both take the same devices and provide arguments for QEMU; tests need not know which one they use.
"""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def sandbox_options():
    """The option for the sandbox that USBVFIOD_SANDBOX asks for: on, log or off; none if that is unset."""
    mode = os.environ.get("USBVFIOD_SANDBOX")
    return ["--sandbox", mode] if mode else []


def demand_clean_log(text):
    """Demand that no sanitizer has found anything, and that the sandbox has refused nothing."""
    for sign in ("runtime error:", "AddressSanitizer", "LeakSanitizer", "sandbox: system call"):
        assert sign not in text, text


@dataclass
class Stick:
    """An emulated USB stick backed by an image file. Without a speed the back end chooses."""

    image: Path
    readonly: bool = False
    speed: str = ""


@dataclass
class Keyboard:
    """An emulated keyboard, which types the text it reads from the FIFO `typed`."""

    typed: Path | None = None


@dataclass
class Zero:
    """usbvfiod's test device: a source and sink with bulk, interrupt and isochronous endpoints."""

    speed: str = "super"
    pattern: str = "zeros"


class Usbvfiod:
    """A running usbvfiod with the devices given."""

    name = "usbvfiod"

    def __init__(self, binary, devices, log, options=(), qemu_properties=None):
        self.binary = binary
        self.qemu_properties = qemu_properties or {}
        # The path of a Unix socket must be short, and pytest's folders have long paths.
        self.folder = Path(tempfile.mkdtemp(prefix="usbvfiod-"))
        self.socket = self.folder / "usb.sock"
        self.log = Path(log)
        command = [binary, "--socket-path", self.socket, *sandbox_options(), *options]
        for device in devices:
            command += ["--device", self._spec(device)]
        environment = {**SANITIZER_OPTIONS, **os.environ, "NOTIFY_SOCKET": str(self.folder / "notify")}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self.log, "wb") as log_file:
            ready.bind(environment["NOTIFY_SOCKET"])
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file,
                                            env=environment)
            self._await_ready(ready)

    def _await_ready(self, ready):
        """Wait for READY=1 (see sd_notify(3)) or the end of the process, as a service manager does."""
        end = os.pidfd_open(self.process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(ready, selectors.EVENT_READ)
            selector.register(end, selectors.EVENT_READ)
            sources = [key.fileobj for key, _events in selector.select(START_TIMEOUT_S)]
        os.close(end)
        if ready not in sources or ready.recv(4096) != b"READY=1":
            self.process.kill()
            shutil.rmtree(self.folder)
            raise AssertionError(f"usbvfiod is not ready, status {self.process.wait()}:\n{self.log_text()}")

    @staticmethod
    def _spec(device):
        if isinstance(device, Stick):
            spec = f"stick:file={device.image}"
            spec += ",readonly" if device.readonly else ""
            return spec + (f",speed={device.speed}" if device.speed else "")
        if isinstance(device, Zero):
            return f"zero:speed={device.speed},pattern={device.pattern}"
        return "keyboard" + (f":input={device.typed}" if device.typed else "")

    def qemu_arguments(self, bus=""):
        device = {"driver": "vfio-user-pci", "id": "usb", "socket": {"type": "unix", "path": str(self.socket)}}
        device |= self.qemu_properties
        if bus:
            device["bus"] = bus
        return ["-device", json.dumps(device)]

    def plug(self, qmp, bus):
        """Plug the controller into a running VM."""
        qmp.command("device_add", driver="vfio-user-pci", id="usb", bus=bus,
                    socket={"type": "unix", "path": str(self.socket)})

    def type(self, _qmp, text, device):
        with open(device.typed, "w", encoding="ascii") as fifo:
            fifo.write(text)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        """Stop the daemon as an operator would, and demand a clean exit."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
            assert status == 0, f"usbvfiod ended with {status}:\n{self.log_text()}"
            assert not self.socket.exists(), "usbvfiod left its socket behind"
            demand_clean_log(self.log_text())
        finally:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.folder)


class QemuXhci:
    """QEMU's own controller and devices, inside the QEMU process."""

    name = "qemu-xhci"
    socket = None

    def __init__(self, _binary, devices, log=None, options=(), **_for_vfio_user):
        self.devices = devices
        self.options = options
        self.log = log
        # Ports 1-4 take USB 2 and USB 3 devices, 5-8 USB 2 only.
        self.controller = {"driver": "qemu-xhci", "id": "usb", "p2": 8, "p3": 4}
        if "--no-msix" in options:
            self.controller |= {"msi": "on", "msix": "off"}

    def _usb_devices(self):
        ports = {"": iter((1, 2, 3, 4)), "high": iter((5, 6, 7, 8))}
        for number, device in enumerate(self.devices):
            if isinstance(device, Keyboard):
                yield number, device, {"driver": "usb-kbd", "port": str(next(ports["high"]))}
                continue
            speed = device.speed if device.speed == "high" else ""
            yield number, device, {"driver": "usb-storage", "drive": f"drive{number}", "port": str(next(ports[speed]))}

    def qemu_arguments(self, bus=""):
        arguments = ["-device", json.dumps(self.controller | ({"bus": bus} if bus else {}))]
        for number, device, usb_device in self._usb_devices():
            if isinstance(device, Stick):
                readonly = "on" if device.readonly else "off"
                arguments += ["-drive", f"if=none,id=drive{number},format=raw,file={device.image},readonly={readonly}"]
            arguments += ["-device", json.dumps(usb_device | {"id": f"device{number}", "bus": "usb.0"})]
        return arguments

    def plug(self, qmp, bus):
        qmp.command("device_add", **self.controller, bus=bus)
        for number, device, usb_device in self._usb_devices():
            if isinstance(device, Stick):
                qmp.command("blockdev-add", **{"driver": "raw", "node-name": f"again{number}",
                                               "file": {"driver": "file", "filename": str(device.image)}})
                usb_device["drive"] = f"again{number}"
            qmp.command("device_add", **usb_device, id=f"device{number}", bus="usb.0")

    def type(self, qmp, text, _device):
        names = {"\n": "ret"}
        for letter in text:
            qmp.command("send-key", keys=[{"type": "qcode", "data": names.get(letter, letter)}])

    def log_text(self):
        return ""

    def stop(self):
        """Do nothing: the controller ends with QEMU."""


CONTROLLERS = {kind.name: kind for kind in (Usbvfiod, QemuXhci)}
