# SPDX-License-Identifier: MIT
"""A guest in the VM that plays the host."""

import re
import shlex
import time
from pathlib import Path

from .console import FAST_KERNEL, NESTED_TIMEOUT_S, Console, GuestError, kernel_options, make_initramfs
from .machine import Qmp

# Among the files of the rig.
SEABIOS = "qemu-root/usr/share/seabios/bios-256k.bin"


class Guest(Console):
    """A VM in the host. memory is in MiB. programs: static programs of the test machine to put in the job's PATH.

    bios: qboot (fast, knows no USB) or seabios (drives the controller itself). reboots: the guest may reboot.
    huge: put the guest's memory in huge pages, which saves a third of its boot time.
    """

    timeout_s = NESTED_TIMEOUT_S

    def __init__(self, host, controller, job="", *, memory=320, cpus=1, options="", programs=(), huge=True,
                 bios="qboot", reboots=False):
        self.host = host
        self.slot = host.slots.pop()
        self.folder = host.folder / f"guest{next(host.numbers)}"
        self.folder.mkdir()
        super().__init__(self.folder / "serial.log")
        self.place = host.share / self.folder.name
        self.place.mkdir()
        self.port = host.ports[2 * self.slot]
        self._qmp = None
        self.closed = False
        make_initramfs(host.rig, self.place, job, programs)
        command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-M", "q35,memory-backend=ram",
                   "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on"
                   f",hugetlb={'on' if huge else 'off'}", "-m", f"{memory}M",
                   "-smp", str(cpus), "-L", "/lib/qemu", "-nodefaults", "-display", "none", "-serial", "stdio",
                   "-bios", host.put(Path(host.rig) / SEABIOS) if bios == "seabios" else "qboot.rom",
                   *([] if reboots else ["-no-reboot"]),
                   "-qmp", f"pipe:/dev/vport0p{2 * self.slot + 3}",
                   "-kernel", "/vmlinux", "-initrd", f"/share/{self.folder.name}/initramfs",
                   "-append", kernel_options(f"{FAST_KERNEL} {options}"), *controller.qemu_arguments()]
        self.end_mark = f"HOST ENDED {self.folder.name} "
        self.huge_mib = memory if huge else 0
        pages = (self.huge_mib + sum(guest.huge_mib for guest in host.guests)) // 2
        # QEMU writes its console byte by byte and drops the serial port's remaining bytes when it ends. Such single
        # bytes soon fill the port to the test machine. So QEMU writes to a pipe with room for them, and cat moves them
        # to the port in larger pieces.
        run = f"/run/{self.folder.name}"
        self.task = host.start(f"need_huge_pages {pages}\n"
                               f"exec 4<>/dev/vport0p{2 * self.slot + 2}\n"
                               f"mkfifo {run}.in {run}.out\n"
                               f"cat <&4 >{run}.in &\ninput=$!\n"
                               f"cat <{run}.out >&4 &\noutput=$!\n"
                               f"{shlex.join(command)} <{run}.in >{run}.out 2>&1 &\n"
                               f"qemu=$!\necho $qemu >{run}.pid\n"
                               "wait $qemu\nstatus=$?\n"
                               "wait $output\nkill $input\n"
                               f"rm {run}.in {run}.out\n"
                               f"printf '\\n{self.end_mark}%s\\n' $status >&4\n")

    def source(self):
        return self.port.fileno()

    def write(self, data):
        self.port.sendall(data)

    def ended(self):
        return re.search(rf"^{self.end_mark}\d+$", self.text, re.MULTILINE) is not None

    def wait(self):
        return int(re.search(rf"^{self.end_mark}(\d+)$", self.text, re.MULTILINE).group(1))

    @property
    def qmp(self):
        if self._qmp is None:
            self._qmp = Qmp(self.host.ports[2 * self.slot + 1])
        return self._qmp

    def look_around(self):
        return self.host.run(r"""
            for pid in $(pidof usbvfiod qemu-system-x86_64); do
                for task in /proc/$pid/task/*; do
                    echo "$(cat $task/comm) $(sed -n 's/^State:.//p' $task/status):" \
                        $(sed 's/^[^ ]* //;s/+.*//' $task/stack | head -n 8)
                done
            done
            dmesg | tail -n 12""", check=False)

    def kill(self):
        """Kill QEMU, as the OOM killer would."""
        if self.task.status is None:
            self.host.run(f"kill -9 $(cat /run/{self.folder.name}.pid)", check=False)
            self.task.wait()

    def close(self):
        if self.closed:
            return
        self.closed = True
        self.kill()
        try:
            while self._read(time.monotonic() + 5):
                pass
        except GuestError:
            # The end mark is missing, so no later guest may use this slot.
            return
        finally:
            self._log_file.close()
        self.host.slots.add(self.slot)
