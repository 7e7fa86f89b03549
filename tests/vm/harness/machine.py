# SPDX-License-Identifier: MIT
"""A virtual machine: QEMU of the rig in emulation, its serial console, its monitor (QMP).

A guest runs a job, a shell script (see scripts/guest/lib.sh for what it can call), and tells its results in lines
"GUEST KEY VALUE..." on the console.
"""

import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import time
from pathlib import Path

# Emulation on a loaded machine may take ten times as long as it should; a test that hangs still ends.
TIMEOUT_S = float(os.environ.get("USBVFIOD_VM_TIMEOUT_S", "120"))


class GuestError(AssertionError):
    """The guest did not do as the test demands."""


class Qmp:
    """QEMU's monitor: one command at a time, events kept until asked for."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(str(path))
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


class Machine:
    """A started VM. Memory in MiB. bios: qboot (fast, knows no USB) or seabios (drives the controller itself)."""

    def __init__(self, rig, folder, controller, job="", *, memory=512, cpus=1, bios="qboot", reboots=False,
                 kernel=True, hotplug=False, options=""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.controller = controller
        self.log = self.folder / "serial.log"
        self.text = ""
        self.position = 0
        self._qmp = None
        self._qmp_path = None

        command = [Path(rig) / "qemu", "-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35,memory-backend=ram",
                   "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on", "-m", f"{memory}M",
                   "-smp", str(cpus), "-nodefaults", "-display", "none", "-serial", "stdio"]
        command += [] if reboots else ["-no-reboot"]
        command += ["-bios", "qboot.rom"] if bios == "qboot" else []
        if kernel:
            command += ["-kernel", Path(rig) / "vmlinux", "-initrd", self._initramfs(rig, job), "-append",
                        f"console=ttyS0 panic=-1 quiet loglevel=1 usb_storage.delay_use=0 {options}".strip()]
        bus = "port0" if hotplug else ""
        if hotplug:
            command += ["-device", "pcie-root-port,id=port0,chassis=1,slot=1"]
        # The monitor's socket goes where short names are.
        self._qmp_path = Path(f"/tmp/usbvfiod-qmp-{os.getpid()}-{id(self):x}")
        command += ["-qmp", f"unix:{self._qmp_path},server=on,wait=off"]
        command += controller.qemu_arguments(bus)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self._log_file = open(self.log, "wb")

    def _initramfs(self, rig, job):
        """The rig's initramfs and the job behind it: the kernel unpacks one after the other."""
        root = self.folder / "job-root"
        root.mkdir()
        (root / "job").write_text(job)
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root, input=b"job\n",
                                 stdout=subprocess.PIPE, check=True).stdout
        path = self.folder / "initramfs"
        shutil.copyfile(Path(rig) / "initramfs", path)
        with open(path, "ab") as file:
            file.write(archive)
        return path

    def _read(self, deadline):
        """More text from the console. False at its end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0, deadline - time.monotonic())):
                self.kill()
                raise GuestError(f"no end within {TIMEOUT_S:.0f} s; the console's last lines:\n{self.tail()}")
        data = os.read(self.process.stdout.fileno(), 65536)
        self._log_file.write(data)
        self._log_file.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def tail(self, lines=40):
        return "\n".join(self.text.splitlines()[-lines:])

    def expect(self, pattern, timeout_s=None):
        """Wait for text that matches, behind what was expected before. Returns the match."""
        deadline = time.monotonic() + (timeout_s or TIMEOUT_S)
        while True:
            match = re.compile(pattern, re.MULTILINE).search(self.text, self.position)
            if match:
                self.position = match.end()
                return match
            failed = re.search(r"^GUEST FAILED .*\n|Kernel panic.*\n", self.text, re.MULTILINE)
            if failed:
                raise GuestError(f"the guest says: {failed.group(0)}{self.tail()}")
            if not self._read(deadline):
                raise GuestError(f"QEMU ended without {pattern!r} on the console:\n{self.tail()}")

    def expect_word(self, key):
        """Wait for a line "GUEST KEY ..."; returns the words behind the key."""
        return self.expect(rf"^GUEST {key}\b(.*)\n").group(1).split()

    def say(self, line):
        """A line for the job, which gets it by `hear`."""
        self.process.stdin.write(line.encode() + b"\n")

    @property
    def qmp(self):
        if self._qmp is None:
            self._qmp = Qmp(self._qmp_path)
        return self._qmp

    def finish(self):
        """Wait for the job's end and QEMU's; demands that both are good."""
        status = self.expect_word("END")[0]
        if status != "0":
            raise GuestError(f"the job ended with {status}:\n{self.tail()}")
        deadline = time.monotonic() + TIMEOUT_S
        while self._read(deadline):
            pass
        code = self.process.wait(TIMEOUT_S)
        if code != 0:
            raise GuestError(f"QEMU ended with {code}:\n{self.tail()}")
        return self

    def kill(self):
        """End QEMU at once, as the OOM killer would."""
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

    def told(self, key):
        """All that the guest has told under that key, each as a list of words."""
        return [match.group(1).split() for match in re.finditer(rf"^GUEST {key}\b(.*)$", self.text, re.MULTILINE)]

    def told_once(self, key):
        """The one word that the guest has told under that key."""
        told = self.told(key)
        assert len(told) == 1 and len(told[0]) == 1, f"{key} was told {len(told)} times: {told}\n{self.tail()}"
        return told[0][0]

    def complaints(self):
        """What the kernel had to complain of in matters of USB, SCSI and block devices."""
        return [" ".join(words) for words in self.told("LOG")]
