# SPDX-License-Identifier: MIT
"""A VM that plays the host of passthrough: real usbfs, usbvfiod on it, and the guest in a VM inside this VM.

The host is the rig's QEMU in emulation with a Debian kernel, USB controllers of every speed and emulated KVM. Its USB
devices are QEMU's (Host.plug), gadgets on dummy_hcd, or programs behind vhci_hcd. Inside the host, QEMU with KVM runs
a guest, which runs a job like every other guest of these tests. A test looks like this:

    def test_stick_can_be_read(host, tmp_path):
        image = images.filled(tmp_path / "stick.img", 8)
        stick = host.plug_stick(image, bus="ehci")             # a device of the host; see also plug() and find()
        usb = host.controller(stick, "keyboard")               # usbvfiod in the host: --device for each
        guest = host.boot(usb, "wait_disk sda; say SUM $(sha256 /dev/sda)")
        assert guest.finish().told_once("SUM") == images.sha256(image)
        assert guest.complaints() == []
        usb.stop()                                             # SIGTERM; demands status 0 and no sanitizer report
        assert host.run(f"sha256 {host.disk(stick)}").strip() == images.sha256(image)

The fixture host boots one host for all tests of a module. After a failed test, a complaint of the host's kernel or the
death of the host, the next test begins with a new host. The fixture stops and unplugs what a test leaves behind.
"""

import itertools
import re
import select
import selectors
import shlex
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .console import FAST_KERNEL, NESTED_TIMEOUT_S, TIMEOUT_S
from .machine import Qmp
from .nested_guest import Guest

BOOT_TIMEOUT_S = TIMEOUT_S
# The host has consoles and monitors for this many guests at once.
GUESTS = 4

# Lines of the host's kernel that no test may cause. Soft lockups are allowed: a loaded test machine causes them.
BAD_LINES = re.compile(r"BUG: (?!soft lockup)|WARNING: |Oops|general protection|blocked for more than|refcount_t|KASAN|"
                       r"list_(add|del) corruption|usbfs: .*did not claim|Kernel panic")


class HostError(AssertionError):
    """The host did not do what the test demands."""


@dataclass
class HostDevice:
    """A USB device of the host. It keeps the numbers of the time it was found; a reset may change them."""

    host: "Host"
    path: str
    busnum: int
    devnum: int
    ids: str
    speed: str
    qemu_id: str = ""
    serial: str = ""
    drive: str = ""

    @property
    def node(self):
        return f"/dev/bus/usb/{self.busnum:03}/{self.devnum:03}"

    def driver(self, interface="1.0"):
        """The kernel driver of an interface: "usbfs" while a program claims it through usbfs, "" for none."""
        link = f"/sys/bus/usb/devices/{self.path}/{self.path}:{interface}/driver"
        return self.host.run(f"basename \"$(readlink {link})\"", check=False).strip()

    def await_driver(self, name):
        """Wait until this kernel driver has bound the first interface."""
        link = f"/sys/bus/usb/devices/{self.path}/{self.path}:1.0/driver"
        self.host.run(f"wait_for '[ \"$(basename \"$(readlink {link})\")\" = {name} ]'")

    def unplug(self):
        """Unplug the device while everything keeps running. Only for devices that Host.plug has plugged in."""
        self.host.unplug(self)


class Task:
    """A command that runs in the host."""

    def __init__(self, host, number):
        self.host = host
        self.number = number
        self.ready = False
        self.status = None
        self.output_path = host.share / "tasks" / f"{number}.out"

    @property
    def output(self):
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    def await_ready(self, timeout_s=NESTED_TIMEOUT_S):
        self.host.await_control(lambda: self.ready or self.status is not None, timeout_s)
        if not self.ready:
            raise HostError(f"not ready, status {self.status}:\n{self.output}")

    def wait(self, timeout_s=NESTED_TIMEOUT_S):
        """The exit status."""
        self.host.await_control(lambda: self.status is not None, timeout_s)
        return self.status


class Host:
    """The booted host. memory is in MiB. Every wait has a timeout."""

    def __init__(self, rig, folder, controller_kind, *, memory=3072, cpus=2, modules="", sleeps=False):
        """controller_kind: class of NESTED_CONTROLLERS and path of usbvfiod. modules: kernel modules to load.

        sleeps: the host can be suspended. Its connections to the test machine have to survive that. Linux's 9p driver
        does only if the device says that it keeps its state.
        """
        self.rig = Path(rig)
        self.folder = Path(folder)
        self.controller_kind = controller_kind
        self.share = self.folder / "share"
        (self.share / "tasks").mkdir(parents=True)
        self.log = self.folder / "serial.log"
        self.numbers = itertools.count(1)
        self.tasks = {}
        self.plugged = []
        self.controllers = []
        self.guests = []
        self.slots = set(range(GUESTS))
        self.installed = {}
        self.control_text = b""
        # Paths of the logs of what a test starts.
        self.logs = []
        self.pardoned = []
        self._up = False

        # This process keeps one end of each: the control port, console and monitor of each guest, QEMU's own monitor.
        pairs = [socket.socketpair() for _ in range(2 + 2 * GUESTS)]
        self.control, *self.ports, monitor = [ours for ours, _theirs in pairs]
        command = [self.rig / "qemu", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-M", "q35",
                   "-m", f"{memory}M", "-smp", str(cpus), "-nodefaults", "-display", "none", "-no-reboot",
                   "-bios", "qboot.rom",
                   "-serial", f"file:{self.log}", "-kernel", self.rig / "vmlinux", "-initrd", self.rig / "nested-host",
                   "-append", f"console=ttyS0 panic=-1 quiet loglevel=4 usb_storage.delay_use=0 nosoftlockup "
                              f"rcupdate.rcu_cpu_stall_suppress=1 {FAST_KERNEL}",
                   # The first virtio-serial device, so that the ports are /dev/vport0p1 and so on.
                   "-device", f"virtio-serial-pci,id=ports,max_ports={2 + 2 * GUESTS}",
                   "-fsdev", f"local,id=share,path={self.share},security_model=none",
                   *(["-device", "pcie-root-port,id=root,chassis=1"] if sleeps else []),
                   "-device", "virtio-9p-pci,fsdev=share,mount_tag=share"
                              f"{',bus=root,x-pcie-pm-no-soft-reset=on' if sleeps else ''}",
                   # Records what a loudspeaker plays, unmixed.
                   "-audiodev", f"wav,id=audio,path={self.folder / 'audio.wav'},out.mixing-engine=off",
                   "-device", "qemu-xhci,id=xhci,p2=15,p3=15", "-device", "usb-ehci,id=ehci",
                   "-device", "piix3-usb-uhci,id=uhci", "-device", "piix3-usb-uhci,id=uhci2"]
        for number, (_ours, theirs) in enumerate(pairs[:-1]):
            command += ["-chardev", f"socket,id=port{number},fd={theirs.fileno()}",
                        "-device", f"virtserialport,bus=ports.0,nr={number + 1},chardev=port{number}"]
        command += ["-chardev", f"socket,id=monitor,fd={pairs[-1][1].fileno()}", "-mon", "chardev=monitor,mode=control"]
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[theirs.fileno() for _ours, theirs in pairs])
        for _ours, theirs in pairs:
            theirs.close()
        try:
            self.qmp = Qmp(monitor)
            self.await_control(lambda: self._up, BOOT_TIMEOUT_S)
            if modules:
                self.run(f"modprobe -a {modules}")
        except BaseException:
            self.close()
            raise

    # Commands

    def _hear(self):
        """Read messages from the control port. False at its end."""
        try:
            data = self.control.recv(4096)
        except ConnectionResetError:
            data = b""
        *lines, self.control_text = (self.control_text + data).split(b"\n")
        for line in lines:
            number, _, word = line.decode().partition(" ")
            task = self.tasks.get(int(number))
            if word == "up":
                self._up = True
            elif task and word == "ready":
                task.ready = True
            elif task:
                task.status = int(word)
        return bool(data)

    def await_control(self, condition, timeout_s):
        """Wait until messages on the control port have made the condition true.

        This also reads the guests' consoles, because a full console would block its guest.
        """
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            for guest in (one for one in self.guests if not one.closed):
                selector.register(guest.source(), selectors.EVENT_READ, guest)
            while not condition():
                ready = [key for key, _events in selector.select(max(0, deadline - time.monotonic()))]
                if not ready:
                    raise HostError(f"the host does not answer within {timeout_s:.0f} s\n{self.serial_tail()}")
                for key in ready:
                    if key.data and not key.data.take():
                        selector.unregister(key.fileobj)
                    elif not key.data and not self._hear():
                        raise HostError(f"the host has died\n{self.serial_tail()}")

    def glance(self, timeout_s):
        """Read a message, such as the end of a task, if one comes on the control port within that time."""
        if select.select([self.control], [], [], timeout_s)[0] and not self._hear():
            raise HostError(f"the host has died\n{self.serial_tail()}")

    def start(self, script, timeout_s=0):
        """Start a shell script, which can call the functions of scripts/nested/lib.sh; timeout 0: no timeout."""
        number = next(self.numbers)
        task = self.tasks[number] = Task(self, number)
        (self.share / "tasks" / f"{number}.sh").write_text(script)
        self.control.sendall(f"{number} {int(timeout_s)}\n".encode())
        return task

    def run(self, script, check=True, timeout_s=NESTED_TIMEOUT_S):
        """Run a shell script; returns what it wrote to stdout and stderr. check: demand status 0."""
        task = self.start(script, timeout_s)
        status = task.wait(timeout_s + 10)
        del self.tasks[task.number]
        if check and status != 0:
            raise HostError(f"status {status} of:\n{script}\n{task.output}")
        return task.output

    def put(self, *files):
        """Copy files of the test machine to the host; returns the path of the last one there."""
        self.run("mkdir -p /share/files")
        path = ""
        for file in map(Path, files):
            shutil.copy(file, self.share / "files")
            path = f"/share/files/{file.name}"
        return path

    # Devices

    def find(self, pattern):
        """Wait for the device whose line "NAME BUSNUM DEVNUM VID:PID SPEED SERIAL" matches; returns it."""
        lines = self.run(f"find_usb {shlex.quote(pattern)}").splitlines()
        if len(lines) != 1:
            raise HostError(f"not one device matches {pattern}: {lines}")
        path, busnum, devnum, ids, speed, *_serial = lines[0].split()
        return HostDevice(self, path, int(busnum), int(devnum), ids, speed)

    def find_ids(self, ids):
        """Wait for the device with these ids, "VID:PID"; returns it."""
        return self.find(f"^[^ ]+ [0-9]+ [0-9]+ {ids} ")

    def find_path(self, path):
        """Wait for the device at this place ("1-2.3"); returns it."""
        return self.find(f"^{re.escape(path)} ")

    def has(self, device):
        """Whether the device is still in its place, with the same number."""
        return f"{device.path} {device.busnum} {device.devnum} " in self.run("list_usb")

    def plug(self, driver, bus="xhci", **properties):
        """Plug one of QEMU's USB devices into the host and wait until the host's kernel knows it.

        bus: "xhci" (super speed if the device can, 15 ports), "ehci" (high speed, 6 ports), "uhci" or "uhci2" (full
        speed, 2 ports each). properties are those of QEMU's device, with "_" for "-". Without a serial number the
        device gets a new one.
        """
        return self._found(self._add(driver, bus, **properties))

    def _add(self, driver, bus, serial="", **properties):
        name = f"usb{next(self.numbers)}"
        serial = serial or name.upper()
        arguments = {key.replace("_", "-"): value for key, value in properties.items()}
        self.qmp.command("device_add", driver=driver, id=name, bus=f"{bus}.0", serial=serial, **arguments)
        device = HostDevice(self, "", 0, 0, "", "", qemu_id=name, serial=serial)
        self.plugged.append(device)
        return device

    def _found(self, device):
        found = self.find(f" {device.serial}$")
        device.path, device.busnum, device.devnum = found.path, found.busnum, found.devnum
        device.ids, device.speed = found.ids, found.speed
        return device

    def add_drive(self, image):
        """Make a drive for a USB device of an image file on the test machine; returns the drive's name."""
        name = f"drive{next(self.numbers)}"
        self.qmp.command("blockdev-add", **{"driver": "raw", "node-name": name,
                                            "file": {"driver": "file", "filename": str(image)}})
        return name

    def plug_stick(self, image, bus="xhci", **properties):
        """Plug in a USB stick (bulk-only) with that image; properties as for plug()."""
        drive = self.add_drive(image)
        device = self._add("usb-storage", bus, drive=drive, **properties)
        device.drive = drive
        return self._found(device)

    def plug_uas(self, image, bus="xhci", **properties):
        """Plug in a USB disk that speaks UAS, with streams at super speed."""
        device = self._add("usb-uas", bus, **properties)
        device.drive = self.add_drive(image)
        self.qmp.command("device_add", driver="scsi-hd", id=f"{device.qemu_id}disk", bus=f"{device.qemu_id}.0",
                         drive=device.drive)
        # QEMU does not attach the device before we say that it has all its disks.
        self.qmp.command("qom-set", path=f"/machine/peripheral/{device.qemu_id}", property="attached", value=True)
        return self._found(device)

    def unplug(self, device):
        self.plugged.remove(device)
        self.qmp.command("device_del", id=device.qemu_id)
        self._await_deleted(device.qemu_id)
        if device.drive:
            self.qmp.command("blockdev-del", **{"node-name": device.drive})

    def _await_deleted(self, qemu_id):
        while self.qmp.await_event("DEVICE_DELETED")["data"].get("device") != qemu_id:
            pass

    def disk(self, device):
        """Wait until the host can read the device's disk; returns the disk ("/dev/sda")."""
        return self.run(f"disk_of {device.path}").strip()

    # usbvfiod and guests

    def install(self, binary):
        """Copy a program of the test machine and its libraries to their own root; returns the command to run it."""
        binary = Path(binary).resolve()
        if binary not in self.installed:
            name = f"root{len(self.installed)}"
            root = self.share / name
            root.mkdir()
            shutil.copy(binary, root)
            linked = subprocess.run(["ldd", binary], stdout=subprocess.PIPE, text=True, check=True).stdout
            for library in re.findall(r"(/\S+) \(0x", linked):
                place = root / library[1:]
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, place)
            # A root, not just the library path, so that /proc/self/exe is the program: sanitizers need that.
            # --bind, so that the root does not pin mounts of a test below /run or /tmp.
            self.run(f"cp -a /share/{name} / && cd /{name} && mkdir -p dev proc sys run tmp share && "
                     "for dir in dev proc sys; do mount --rbind /$dir $dir || exit; done && "
                     "for dir in run tmp share; do mount --bind /$dir $dir || exit; done")
            self.installed[binary] = f"chroot /{name} /{binary.name}"
        return self.installed[binary]

    def controller(self, *devices, options=(), **properties):
        """A USB controller in the host with these devices: usbvfiod, or QEMU's own if pytest's options say so.

        A device is a HostDevice or an argument of usbvfiod's --device. options go to usbvfiod too.
        """
        kind, binary = self.controller_kind
        log = self.folder / f"usbvfiod-{next(self.numbers)}.log"
        self.logs.append(log)
        controller = kind(self, binary, devices, log, options, **properties)
        self.controllers.append(controller)
        return controller

    def boot(self, controller, job="", **arguments):
        """Start a guest in the host; further arguments go to Guest."""
        guest = Guest(self, controller, job, **arguments)
        self.guests.append(guest)
        self.logs.append(guest.log)
        return guest

    # Health and end

    def serial_tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def kernel_log(self):
        return self.run("dmesg")

    def bad_lines(self):
        """The lines of the host's kernel that match BAD_LINES, without those that a test has pardoned."""
        return [line for line in self.kernel_log().splitlines()
                if BAD_LINES.search(line) and not any(words in line for words in self.pardoned)]

    def tidy(self):
        """Stop the guests and daemons that a test has left and unplug its devices.

        Demands that the host's kernel does not complain.
        """
        for guest in self.guests:
            guest.close()
        self.guests.clear()
        try:
            for controller in self.controllers:
                controller.stop()
        finally:
            self.controllers.clear()
        for device in list(self.plugged):
            device.unplug()
        bad = self.bad_lines()
        if bad:
            raise HostError("the host's kernel says:\n" + "\n".join(bad))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.control.close()
        for port in self.ports:
            port.close()
