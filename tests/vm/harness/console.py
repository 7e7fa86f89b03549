# SPDX-License-Identifier: MIT
"""The console of a guest: the guest reports in lines "GUEST KEY VALUE...", and the test sends lines to its job.

A guest runs a job: a shell script that can call the functions of scripts/guest/lib.sh. The classes derived from
Console decide where the guest runs: on this machine or in a VM that plays the host.
"""

import os
import re
import selectors
import shutil
import subprocess
import time
from pathlib import Path

# Emulation on a loaded machine may take ten times as long as it should. The timeout still ends a test that hangs.
TIMEOUT_S = float(os.environ.get("USBVFIOD_VM_TIMEOUT_S", "120"))
# Load slows nested emulation most.
NESTED_TIMEOUT_S = 3 * TIMEOUT_S

# Options for kernels in nested emulation, where each exit to the hypervisor is expensive: no search for further PCI
# buses (8000 exits), no clock calibration, no mitigations for CPUs that are not there.
FAST_KERNEL = "pci=lastbus=0 tsc=reliable mitigations=off"

# On an NMI, a guest that is stuck prints its timers, its kernel log and where each task waits.
TELLS_ON_NMI = "unknown_nmi_panic panic_print=0xa4"

# Shell functions for a job that finds devices by serial number.
FIND_USB = r"""
# usb_of SERIAL: waits for the USB device; prints its folder in sysfs.
usb_of() {
	wait_for "grep -qsx '$1' /sys/bus/usb/devices/*/serial"
	dirname "$(grep -lsx "$1" /sys/bus/usb/devices/*/serial)"
}

node_of() {
	dev=$(usb_of "$1")
	printf '/dev/bus/usb/%03d/%03d' "$(cat "$dev/busnum")" "$(cat "$dev/devnum")"
}

# child SERIAL PATTERN: waits until a driver has made something of the device, such as a tty; prints its name.
child() {
	dev=$(usb_of "$1")
	wait_for "ls -d $dev/*:*/$2 >/dev/null 2>&1"
	set -- "$dev"/*:*/$2
	echo "${1##*/}"
}
"""


class GuestError(AssertionError):
    """The guest did not do what the test demands."""


def kernel_options(options=""):
    """The command line of a guest's kernel.

    no_timer_check: on a busy machine the timers are late when the kernel first checks them.
    """
    options = f"{options} {os.environ.get('USBVFIOD_GUEST_OPTIONS', '')}"
    return (f"no_timer_check console=ttyS0 panic=-1 quiet loglevel=1 usb_storage.delay_use=0 {TELLS_ON_NMI} "
            f"{options}").strip()


def make_initramfs(rig, folder, job, programs=()):
    """The rig's initramfs, followed by an archive of the job and its programs for /bin: the kernel unpacks both."""
    root = Path(folder) / "job-root"
    (root / "bin").mkdir(parents=True)
    (root / "job").write_text(job)
    names = ["job"]
    for program in map(Path, programs):
        shutil.copy(program, root / "bin")
        names.append(f"bin/{program.name}")
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root,
                             input="".join(f"{name}\n" for name in names).encode(), stdout=subprocess.PIPE,
                             check=True).stdout
    path = Path(folder) / "initramfs"
    shutil.copyfile(Path(rig) / "initramfs", path)
    with open(path, "ab") as file:
        file.write(archive)
    return path


def kernels_words(text):
    """The useful part of a kernel's report on an NMI: the end of its log, and where tasks wait."""
    log, _, rest = text.rpartition("Kernel panic")
    blocked = re.findall(r"^.*task:.*\n(?:.*\n){1,10}", rest, re.MULTILINE)
    return "\nthe guest's kernel:\n" + "\n".join(log.splitlines()[-25:]) + "\n" + "".join(blocked[:3])


class Console:
    """The text read so far, and waits for more. A derived class provides the methods that raise NotImplementedError."""

    timeout_s = TIMEOUT_S
    # A guest that prints this cannot do what the test waits for.
    failure = r"^GUEST FAILED .*\n|Kernel panic.*\n"

    def __init__(self, log):
        self.log = Path(log)
        self.text = ""
        self.position = 0
        self._log_file = open(self.log, "wb")

    def source(self):
        """The file descriptor to read the console's text from."""
        raise NotImplementedError

    def write(self, data):
        """Send bytes to the guest."""
        raise NotImplementedError

    def kill(self):
        """End the guest at once."""
        raise NotImplementedError

    def ended(self):
        """Whether the text says that nothing follows; for a source that has no end of file."""
        return False

    def wait(self):
        """The exit status of QEMU; called after the console has ended."""
        raise NotImplementedError

    def _read(self, deadline):
        """Read more text from the console. False at its end."""
        if self.ended():
            return False
        if not self._await(deadline):
            raise GuestError(self._end_in_silence())
        return self.take()

    def _await(self, deadline):
        """True when the console has data or has ended; False at the deadline."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.source(), selectors.EVENT_READ)
            return bool(selector.select(max(0, deadline - time.monotonic())))

    def _end_in_silence(self):
        """Kill a guest that missed its deadline. Returns a report of what the guest and the rest were doing."""
        words = f"nothing within {self.timeout_s:.0f} s; the console's last lines:\n{self.tail()}"
        try:
            words += "\n" + self.look_around()
            begin = len(self.text)
            self.qmp.command("inject-nmi")
            deadline = time.monotonic() + TIMEOUT_S / 2
            while "---[ end Kernel panic" not in self.text and self._await(deadline) and self.take():
                pass
            words += kernels_words(self.text[begin:])
        except (AssertionError, OSError) as error:
            words += f"\nthis report is incomplete: {error}"
        self.kill()
        return words

    def look_around(self):
        """A report about processes outside the guest that the guest may be waiting for."""
        return ""

    def take(self):
        """Read what the console has; blocks if it has nothing. False at its end."""
        data = os.read(self.source(), 65536)
        self._log_file.write(data)
        self._log_file.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def tail(self, lines=40):
        return "\n".join(self.text.splitlines()[-lines:])

    def expect(self, pattern, timeout_s=None):
        """Wait for text that matches, after the previous match. Returns the match."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        while True:
            match = re.compile(pattern, re.MULTILINE).search(self.text, self.position)
            if match:
                self.position = match.end()
                return match
            failed = re.search(self.failure, self.text, re.MULTILINE)
            if failed:
                raise GuestError(f"the guest says: {failed.group(0)}{self.tail()}")
            if not self._read(deadline):
                raise GuestError(f"QEMU ended without {pattern!r} on the console:\n{self.tail()}")

    def expect_word(self, key, timeout_s=None):
        """Wait for a line "GUEST KEY ..."; returns the words after the key."""
        return self.expect(rf"^GUEST {key}\b(.*)\n", timeout_s).group(1).split()

    def say(self, line):
        """Send a line to the job, which reads it with `hear`."""
        self.write(line.encode() + b"\n")

    def finish(self, timeout_s=None):
        """Wait until the job and QEMU end; demands that both succeed."""
        status = self.expect_word("END", timeout_s)[0]
        if status != "0":
            raise GuestError(f"the job ended with {status}:\n{self.tail()}")
        deadline = time.monotonic() + self.timeout_s
        while self._read(deadline):
            pass
        code = self.wait()
        if code != 0:
            raise GuestError(f"QEMU ended with {code}:\n{self.tail()}")
        return self

    def told(self, key):
        """All lines that the guest has printed with that key, each as a list of words."""
        return [match.group(1).split() for match in re.finditer(rf"^GUEST {key}\b(.*)$", self.text, re.MULTILINE)]

    def told_once(self, key):
        """The one word that the guest has printed with that key."""
        told = self.told(key)
        assert len(told) == 1 and len(told[0]) == 1, f"the guest should print one word with {key}, but: {told}\n{self.tail()}"
        return told[0][0]

    def complaints(self):
        """The kernel's complaints about USB, SCSI and block devices."""
        return [" ".join(words) for words in self.told("LOG")]
