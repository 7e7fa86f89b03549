# SPDX-License-Identifier: MIT
"""The USB controller of a guest in the VM that plays the host: usbvfiod there, or QEMU's own with usb-host."""

import os
import shlex
import signal
from pathlib import Path

from .controller import SANITIZER_OPTIONS, Usbvfiod, demand_clean_log, sandbox_options


class NestedUsbvfiod:
    """usbvfiod in the host. devices: HostDevice, or an argument of --device. launcher: runs usbvfiod's command."""

    name = "usbvfiod"

    def __init__(self, host, binary, devices, log, options=(), qemu_properties=None, launcher=()):
        self.host = host
        self.log = Path(log)
        self.stopped = False
        self.qemu_properties = qemu_properties or {}
        self.folder = f"/run/usbvfiod-{next(host.numbers)}"
        self.socket = f"{self.folder}/usb.sock"
        command = [*launcher, *host.install(binary).split(), "--socket-path", self.socket, *sandbox_options(),
                   *map(str, options)]
        for device in devices:
            command += ["--device", getattr(device, "node", device)]
        environment = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in
                              {**SANITIZER_OPTIONS, **{name: os.environ[name] for name in SANITIZER_OPTIONS
                                                       if name in os.environ}}.items())
        self.task = host.start(f"mkdir {self.folder}\n{environment}echo $$ >{self.folder}/pid\n"
                               f"exec await-ready {self.folder}/notify 3 \"$(basename \"$0\" .sh) ready\" "
                               f"{shlex.join(command)}\n")
        try:
            self.task.await_ready()
        finally:
            self._keep_log()

    def _keep_log(self):
        self.log.write_text(self.log_text())

    def qemu_arguments(self):
        return Usbvfiod.qemu_arguments(self)

    def log_text(self):
        return self.task.output

    def signal(self, number):
        self.host.run(f"kill -{int(number)} $(cat {self.folder}/pid)")

    def status(self, field):
        """A number of /proc/PID/status, such as VmRSS (KiB) or Threads."""
        return int(self.host.run(f"awk '$1 == \"{field}:\" {{ print $2 }}' /proc/$(cat {self.folder}/pid)/status"))

    def rss_kib(self):
        """The daemon's private memory, without the guest's, which is shared.

        From smaps_rollup, which counts page by page; /proc/PID/status lags by up to 32 pages for each processor. 0 for
        a daemon that records each write (-Ddma_check=true), because its records take memory too.
        """
        if "every write into guest memory is checked" in self.log_text():
            return 0
        return int(self.host.run(f"awk '$1 == \"Anonymous:\" {{ print $2 }}' "
                                 f"/proc/$(cat {self.folder}/pid)/smaps_rollup"))

    def fds(self):
        """The target of each open file descriptor, sorted."""
        return sorted(self.host.run(f"cd /proc/$(cat {self.folder}/pid)/fd && for fd in *; do readlink $fd; done")
                      .splitlines())

    def stop(self):
        """Stop the daemon as an operator would, and demand a clean exit."""
        if self.stopped:
            return
        self.stopped = True
        try:
            if self.task.status is None:
                self.signal(signal.SIGTERM)
            status = self.task.wait()
            assert status == 0, f"usbvfiod ended with {status}:\n{self.log_text()}"
            assert self.host.start(f"[ ! -e {self.socket} ]").wait() == 0, "usbvfiod left its socket behind"
            demand_clean_log(self.log_text())
        finally:
            self._keep_log()


class QemuUsbHost:
    """QEMU's own controller with usb-host, to tell faults of the rig from faults of usbvfiod."""

    name = "qemu-xhci"

    def __init__(self, _host, _binary, devices, log=None, options=(), qemu_properties=None):
        self.devices = devices
        self.log = log
        del options, qemu_properties

    def qemu_arguments(self):
        arguments = ["-device", "qemu-xhci,id=usb,p2=15,p3=15"]
        for device in self.devices:
            arguments += ["-device", f"usb-host,bus=usb.0,hostbus={device.busnum},hostaddr={device.devnum}"
                          if hasattr(device, "busnum") else "usb-kbd,bus=usb.0"]
        return arguments

    def log_text(self):
        return ""

    def stop(self):
        """Do nothing: the controller ends with QEMU."""


NESTED_CONTROLLERS = {kind.name: kind for kind in (NestedUsbvfiod, QemuUsbHost)}
