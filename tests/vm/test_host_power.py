# SPDX-License-Identifier: MIT
"""Devices work again after a guest resets them, suspends them one by one, suspends itself or crashes.

All tests of this module but the last use the same host and the same guest; after a failure the next test begins with
new ones. The guest runs functions of JOB by name when a test asks for them.
"""

import os
import struct
from pathlib import Path

import pytest

from harness import images
from harness.console import FAST_KERNEL, FIND_USB, kernel_options, make_initramfs
from harness.peer import Peer
from harness.scene import scene, scene_keeper  # noqa: F401 fixtures

HOST = {"modules": "ftdi_sio"}

JOB = FIND_USB + r"""
modprobe ftdi_sio || die modprobe

disk_of() {
	disk=$(child "$1" 'host*/target*/*/block/*')
	wait_disk "$disk"
	echo "$disk"
}

sum() {
	drop_caches
	say SUM "$(sha256 /dev/$(disk_of "$1"))"
}

# read_without_end SERIAL: reads the disk until that fails or the file /tmp/enough exists. Reports each round.
read_without_end() {
	disk=/dev/$(disk_of "$1")
	while [ ! -e /tmp/enough ]; do
		dd if=$disk of=/dev/null bs=64k iflag=direct 2>/dev/null || die "cannot read $1"
		say ROUND
	done
}

# resets COUNT LOADED SERIAL...: resets each device in turn, COUNT times, while reading the disk LOADED without end.
resets() {
	count=$1 loaded=$2
	shift 2
	rm -f /tmp/enough
	read_without_end "$loaded" &
	for round in $(seq "$count"); do
		for serial in "$@"; do
			usb-poke "$(node_of "$serial")" reset >/tmp/poked || die "$(cat /tmp/poked)"
		done
	done
	: >/tmp/enough
	wait $!
}

# resets_while_read COUNT SERIAL: resets the disk while reading and writing its file system.
resets_while_read() {
	disk=/dev/$(disk_of "$2")
	modprobe -a ext4 crc32c_generic; mkfs.ext4 -q -F $disk && mount -t ext4 $disk /mnt || die mount
	dd if=/dev/urandom of=/mnt/file bs=64k count=64 2>/dev/null
	say WRITTEN "$(sha256 /mnt/file)"
	cp /mnt/file /tmp/file
	rm -f /tmp/enough
	(
		while [ ! -e /tmp/enough ]; do
			drop_caches
			cmp /tmp/file /mnt/file || die "the file is another"
			cp /tmp/file /mnt/copy && sync || die "cannot write"
			say ROUND
		done
	) &
	for round in $(seq "$1"); do
		usb-poke "$(node_of "$2")" reset >/tmp/poked || die "$(cat /tmp/poked)"
	done
	: >/tmp/enough
	wait $! || exit
	umount /mnt
	mount -t ext4 -o ro $disk /mnt
	say READ "$(sha256 /mnt/file)" "$(sha256 /mnt/copy)"
	umount /mnt
}

# both_ways SERIAL: opens the serial port, sends a text that the test chooses, receives as many bytes, closes it.
both_ways() {
	tty=/dev/$(child "$1" 'ttyUSB*')
	wait_for "[ -c $tty ]"
	exec 4<>"$tty"
	stty raw -echo <&4
	say OPEN
	hear text
	printf %s "$text" >&4
	say RECEIVED "$(head -c ${#text} <&4)"
	exec 4>&-
}

# sleeps SERIAL: lets the device suspend when idle, waits until it has, reports how many ports are suspended.
sleeps() {
	dev=$(usb_of "$1")
	for disk in $dev/*:*/host*/target*/*/block/*; do
		[ -e "$disk" ] || continue
		echo 100 >$disk/device/power/autosuspend_delay_ms
		echo auto >$disk/device/power/control
	done
	echo 100 >$dev/power/autosuspend_delay_ms
	echo auto >$dev/power/control
	wait_for "grep -qx suspended $dev/power/runtime_status"
	say SUSPENDED_PORTS "$(cat /sys/kernel/debug/usb/xhci/*/ports/*/portsc | grep -c 'Link:U3')"
}

# stays_awake SERIAL: ends that for the device and its disk: a disk that suspends flushes its cache, which is traffic.
stays_awake() {
	dev=$(usb_of "$1")
	for control in $dev/*:*/host*/target*/*/power/control; do
		[ ! -e "$control" ] || echo on >"$control"
	done
	echo on >"$dev/power/control"
}

# open_keyboard SERIAL: opens the keyboard as descriptor 3. Linux polls a keyboard only while it is open.
open_keyboard() {
	node=/dev/input/$(child "$1" '*/input/input*/event*')
	wait_for "[ -c $node ]"
	exec 3<"$node"
}

# events END: reports the events of the open keyboard, up to the event that matches END.
events() {
	while :; do
		batch=$(dd bs=1536 count=1 <&3 2>/dev/null | hexdump -v -e '24/1 "%02x" "\n"')
		[ -n "$batch" ] || die "the keyboard has no more events"
		for event in $batch; do
			say EVENT "${event#????????????????????????????????}"
			case $event in *$1) return ;; esac
		done
	done
}

# listens SERIAL END: reports events of a keyboard that stays awake.
listens() {
	open_keyboard "$1"
	say LISTENS
	events "$2"
}

# keys SERIAL END: reports events of a keyboard that is suspended until a key is pressed.
keys() {
	open_keyboard "$1"
	sleeps "$1"
	events "$2"
}

# guest_sleeps SERIAL END: suspends the guest, with that keyboard open, until a line comes on the console. The kernel
# logs that it has suspended all devices.
guest_sleeps() {
	open_keyboard "$1"
	echo enabled >/sys/class/tty/ttyS0/power/wakeup
	echo 1 >/sys/power/pm_debug_messages
	dmesg -n 8
	echo freeze >/sys/power/state || die "cannot sleep"
	dmesg -n 1
	hear woken
	events "$2"
}

say UP
while hear line; do
	[ "$line" != end ] || break
	(eval "$line")
	say DONE $?
done
"""

EV_KEY, KEY_LEFTCTRL, KEY_A = 1, 29, 30


def event(code, value):
    """A key's event in the form the guest reports it."""
    return struct.pack("<HHi", EV_KEY, code, value).hex()


# The events that a guest gets from press_keys().
KEYS = [event(key, value) for key in (KEY_LEFTCTRL, KEY_A) for value in (1, 0)]


class Scene:
    """Host, daemon and guest with all devices."""

    def __init__(self, host, folder, build):
        self.host = host
        self.image = images.filled(folder / "stick.img", 8)
        self.serial_peer = Peer(host, "serial")
        self.peers = [self.serial_peer]
        self.devices = {
            "used stick": host.plug_stick(images.filled(folder / "used.img", 16), "xhci"),
            "stick": host.plug_stick(self.image, "ehci"),
            "keyboard": host.plug("usb-kbd", "uhci"),
            "serial": host.plug("usb-serial", "uhci", chardev="serial"),
        }
        self.usb = host.controller(*self.devices.values())
        self.guest = host.boot(self.usb, JOB, programs=[build / "devices" / "usb-poke"], options="no_console_suspend")
        self.guest.expect_word("UP")

    def ask(self, function, *words):
        """Ask the guest to run a function; names of devices become serial numbers."""
        self.guest.say(" ".join([function, *(self.devices[word].qemu_id.upper() if word in self.devices else str(word)
                                             for word in words)]))

    def done(self):
        assert self.guest.expect_word("DONE") == ["0"]

    def demand_stick(self):
        """Demand that the guest can read the stick."""
        self.ask("sum", "stick")
        assert self.guest.expect_word("SUM") == [images.sha256(self.image)]
        self.done()

    def press_keys(self):
        for key in ("ctrl", "a"):
            self.host.qmp.command("send-key", keys=[{"type": "qcode", "data": key}])

    def expect_keys(self):
        told = []
        while KEYS[-1] not in told:
            told += self.guest.expect_word("EVENT")
        assert [one for one in told if one in KEYS] == KEYS

    def demand_keys(self):
        """Demand that the keyboard sleeps until a key is pressed, and that no key is lost."""
        self.ask("keys", "keyboard", KEYS[-1])
        assert self.guest.expect_word("SUSPENDED_PORTS") == ["1"]
        self.press_keys()
        self.expect_keys()
        self.done()
        self.ask("stays_awake", "keyboard")
        self.done()

    def demand_serial(self):
        """Demand that the serial port sends and receives."""
        self.ask("both_ways", "serial")
        self.guest.expect_word("OPEN")
        text = os.urandom(32).hex()
        self.guest.say(text)
        assert self.serial_peer.receive(len(text)) == text.encode()
        self.serial_peer.socket.sendall(text[::-1].encode())
        assert self.guest.expect_word("RECEIVED") == [text[::-1]]
        self.done()

    def demand_all(self):
        self.demand_stick()
        self.demand_keys()
        self.demand_serial()


def test_resets_of_a_stick_in_use(scene):
    """Reset the stick as usbreset does, while the guest reads and writes its file system."""
    scene.ask("resets_while_read", 3, "used stick")
    written = scene.guest.expect_word("WRITTEN")
    assert scene.guest.expect_word("READ") == written * 2
    scene.done()


def test_resets_beside_a_stick_in_use(scene):
    """Reset all others one by one while the guest reads the stick."""
    scene.ask("resets", 2, "used stick", "stick", "keyboard", "serial")
    scene.done()
    scene.demand_all()


def test_a_stick_sleeps(scene):
    for _ in range(2):
        scene.ask("sleeps", "stick")
        assert scene.guest.expect_word("SUSPENDED_PORTS") == ["1"]
        scene.done()
        scene.demand_stick()
    scene.ask("stays_awake", "stick")
    scene.done()


def test_keys_wake_a_keyboard(scene):
    for _ in range(2):
        scene.demand_keys()


def test_guest_sleeps(scene):
    """In suspend-to-idle the guest suspends all devices and waits. After waking it gets the keys pressed meanwhile."""
    scene.ask("guest_sleeps", "keyboard", KEYS[-1])
    scene.guest.expect("PM: suspend-to-idle")
    scene.press_keys()
    scene.guest.say("")
    scene.expect_keys()
    scene.done()
    scene.demand_all()


def host_takes(scene, name, driver):
    """Give the device to a driver of the host, as the host's kernel does if the device loses its state in a suspend.

    usbvfiod does not run meanwhile, just as no program does in a suspend.
    """
    interface = f"{scene.devices[name].path}:1.0"
    scene.host.run(f"""
        pid=$(cat {scene.usb.folder}/pid)
        kill -STOP $pid
        wait_for 'grep -q "^State:.T" /proc/$pid/status'
        echo {interface} >/sys/bus/usb/drivers/usbfs/unbind && echo {interface} >/sys/bus/usb/drivers/{driver}/bind
        status=$?
        kill -CONT $pid
        [ $status = 0 ]""")


def test_what_the_host_takes_is_taken_back(scene):
    stick, keyboard = scene.devices["stick"], scene.devices["keyboard"]
    # Make sure that the guest has configured the stick.
    scene.demand_stick()
    # usbvfiod cannot notice the loss of an idle device, so it checks when the clock is set, as a resume does.
    host_takes(scene, "stick", "usb-storage")
    assert stick.driver() == "usb-storage"
    scene.host.run("date -s @$(($(date +%s) + 1))")
    stick.await_driver("usbfs")
    scene.demand_stick()
    # The kernel refuses the guest's transfers, and complains about them.
    scene.host.pardoned.append("(usbvfiod) did not claim interface")
    host_takes(scene, "stick", "usb-storage")
    scene.demand_stick()
    # The kernel returns the transfer that waits for a key.
    scene.ask("listens", "keyboard", KEYS[-1])
    scene.guest.expect_word("LISTENS")
    host_takes(scene, "keyboard", "usbhid")
    keyboard.await_driver("usbfs")
    scene.press_keys()
    scene.expect_keys()
    scene.done()
    scene.demand_all()
    assert (stick.driver(), keyboard.driver()) == ("usbfs", "usbfs")
    assert scene.usb.log_text().count("drivers of the host had taken 1 of its interfaces") == 3


def test_nothing_is_left_behind(scene_keeper):
    scene_keeper.get()
    scene = scene_keeper.finish()
    assert scene.guest.complaints() == []
    assert scene.devices["stick"].driver() == "usb-storage"


# DIES loads the kernel that takes over into memory reserved for it.
DIES = """
wait_disk sda
say SUM $(sha256 /dev/sda)
exec 4<"$(keyboard_node)"
kexec_file panic /bin/vmlinuz /bin/initramfs "$(cat /bin/options)" 2>/tmp/error || die "$(cat /tmp/error)"
while :; do dd if=/dev/sda of=/dev/null bs=64k iflag=direct 2>/dev/null && say READ; done &
hear go
echo c >/proc/sysrq-trigger
"""
TAKES_OVER = """
wait_disk sda
say SUM $(sha256 /dev/sda)
exec 4<"$(keyboard_node)"
say READY
dd bs=1536 count=1 <&4 2>/dev/null | hexdump -v -e '24/1 "%02x" "\n"' | while read -r line; do
	say EVENT "${line#????????????????????????????????}"
done
"""


@pytest.mark.long
def test_a_kernel_that_dies_hands_its_devices_over(host, tmp_path, request, rig):
    """The kernel dies with transfers in flight and does not stop the controller: the next kernel finds it running."""
    image = images.filled(tmp_path / "stick.img", 8)
    usb = host.controller(host.plug_stick(image, "ehci"), host.plug("usb-kbd", "uhci"))
    programs = Path(request.config.getoption("--daemon")).resolve().parent / "tests" / "vm" / "guest"
    options = tmp_path / "options"
    options.write_text(kernel_options(f"{FAST_KERNEL} maxcpus=1 reset_devices"))
    guest = host.boot(usb, DIES, memory=768, options="crashkernel=256M", programs=[
        programs / "kexec_file", rig / "vmlinuz", make_initramfs(rig, tmp_path, TAKES_OVER), options])
    guest.failure = "^GUEST FAILED .*"
    for _ in range(2):
        guest.expect_word("READ")
    guest.say("go")
    guest.expect("Kernel panic")
    assert guest.expect_word("SUM") == [images.sha256(image)]
    guest.expect_word("READY")
    host.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
    guest.finish()
    assert [event(KEY_A, 1)] in guest.told("EVENT")
    assert guest.complaints() == []
    usb.stop()
