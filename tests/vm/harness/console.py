# SPDX-License-Identifier: MIT
"""The console of a guest: what it tells in lines "GUEST KEY VALUE...", and what the test tells it.

A guest runs a job, a shell script (see scripts/guest/lib.sh for what it can call). Where the guest runs, on this
machine or in a VM that plays the host, is the matter of the classes derived from Console.
"""

import os
import re
import selectors
import shutil
import subprocess
import time
from pathlib import Path

# Emulation on a loaded machine may take ten times as long as it should; a test that hangs still ends.
TIMEOUT_S = float(os.environ.get("USBVFIOD_VM_TIMEOUT_S", "120"))
# Emulation within emulation suffers most from it.
NESTED_TIMEOUT_S = 3 * TIMEOUT_S

# Options for kernels in nested emulation, where each exit to the hypervisor is dear: no search for further PCI buses
# (8000 of them), no calibration of clocks, no work-arounds for CPUs that are not there.
FAST_KERNEL = "pci=lastbus=0 tsc=reliable mitigations=off"

# A guest that is stuck says all that its kernel knows: timers, the kernel's log, who waits where.
TELLS_ON_NMI = "unknown_nmi_panic panic_print=0xa4"

# What a job may begin with that looks for devices by their serial numbers.
FIND_USB = r"""
# The folder in sysfs of the USB device with this serial number, once it is there.
usb_of() {
	wait_for "grep -qsx '$1' /sys/bus/usb/devices/*/serial"
	dirname "$(grep -lsx "$1" /sys/bus/usb/devices/*/serial)"
}

node_of() {
	dev=$(usb_of "$1")
	printf '/dev/bus/usb/%03d/%03d' "$(cat "$dev/busnum")" "$(cat "$dev/devnum")"
}

# child SERIAL PATTERN: the name of what a driver has made of the device, such as a tty, once it is there.
child() {
	dev=$(usb_of "$1")
	wait_for "ls -d $dev/*:*/$2 >/dev/null 2>&1"
	set -- "$dev"/*:*/$2
	echo "${1##*/}"
}
"""


class GuestError(AssertionError):
    """The guest did not do as the test demands."""


def kernel_options(options=""):
    """The command line of a guest's kernel. On a busy machine its timers are late when it first tries them."""
    options = f"{options} {os.environ.get('USBVFIOD_GUEST_OPTIONS', '')}"
    return (f"no_timer_check console=ttyS0 panic=-1 quiet loglevel=1 usb_storage.delay_use=0 {TELLS_ON_NMI} "
            f"{options}").strip()


def make_initramfs(rig, folder, job, programs=()):
    """The rig's initramfs and behind it the job and programs for /bin: the kernel unpacks one after the other."""
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
    """What matters of what a kernel says on an NMI: the end of its log, and where tasks wait."""
    log, _, rest = text.rpartition("Kernel panic")
    blocked = re.findall(r"^.*task:.*\n(?:.*\n){1,10}", rest, re.MULTILINE)
    return "\nthe guest's kernel:\n" + "\n".join(log.splitlines()[-25:]) + "\n" + "".join(blocked[:3])


class Console:
    """What was read so far, and waiting for more. A derived class provides what raises NotImplementedError here."""

    timeout_s = TIMEOUT_S
    # A guest that tells this cannot do what the test waits for.
    failure = r"^GUEST FAILED .*\n|Kernel panic.*\n"

    def __init__(self, log):
        self.log = Path(log)
        self.text = ""
        self.position = 0
        self._log_file = open(self.log, "wb")

    def source(self):
        """The file descriptor where the console's text comes from."""
        raise NotImplementedError

    def write(self, data):
        """Put bytes in the guest's way."""
        raise NotImplementedError

    def kill(self):
        """End the guest at once."""
        raise NotImplementedError

    def ended(self):
        """Told by the text that nothing follows, where the source has no end of its own."""
        return False

    def wait(self):
        """The exit status of QEMU, whose console has ended."""
        raise NotImplementedError

    def _read(self, deadline):
        """More text from the console. False at its end."""
        if self.ended():
            return False
        if not self._await(deadline):
            raise GuestError(self._end_in_silence())
        return self.take()

    def _await(self, deadline):
        """True when the console has something, or has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.source(), selectors.EVENT_READ)
            return bool(selector.select(max(0, deadline - time.monotonic())))

    def _end_in_silence(self):
        """Ends a guest that did not say in time what it should. Returns words about what it, and all else, was at."""
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
            words += f"\nno more is known: {error}"
        self.kill()
        return words

    def look_around(self):
        """Words about what is not the guest and may be what it waits for."""
        return ""

    def take(self):
        """What the console has, which must be something, else this waits. False at its end."""
        data = os.read(self.source(), 65536)
        self._log_file.write(data)
        self._log_file.flush()
        self.text += data.decode("utf-8", "replace").replace("\r", "")
        return bool(data)

    def tail(self, lines=40):
        return "\n".join(self.text.splitlines()[-lines:])

    def expect(self, pattern, timeout_s=None):
        """Wait for text that matches, behind what was expected before. Returns the match."""
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
        """Wait for a line "GUEST KEY ..."; returns the words behind the key."""
        return self.expect(rf"^GUEST {key}\b(.*)\n", timeout_s).group(1).split()

    def say(self, line):
        """A line for the job, which gets it by `hear`."""
        self.write(line.encode() + b"\n")

    def finish(self, timeout_s=None):
        """Wait for the job's end and QEMU's; demands that both are good."""
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
