# SPDX-License-Identifier: MIT
"""A guest resets its devices, puts them to sleep one by one, goes to sleep itself, dies: they are there again after that.

All tests of this module but the last use the same host and the same guest; one that fails makes the next begin with new
ones. The guest runs functions of JOB by name, as the tests ask it to.
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

# read_without_end SERIAL: until it fails, or the file /tmp/enough is there. Tells each round.
read_without_end() {
	disk=/dev/$(disk_of "$1")
	while [ ! -e /tmp/enough ]; do
		dd if=$disk of=/dev/null bs=64k iflag=direct 2>/dev/null || die "cannot read $1"
		say ROUND
	done
}

# resets COUNT LOADED SERIAL...: each of these in turn, again and again, while the one LOADED is read without end.
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

# resets_while_read COUNT SERIAL: its file system is read and written meanwhile.
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

# Opens the serial port SERIAL, sends and receives so many bytes at once, closes it.
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

# sleeps SERIAL: as soon as nobody uses it; tells how many ports are suspended then.
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

# stays_awake SERIAL: from now on. Its disk too: one that falls asleep has its cache written, so it is not idle after use.
stays_awake() {
	dev=$(usb_of "$1")
	for control in $dev/*:*/host*/target*/*/power/control; do
		[ ! -e "$control" ] || echo on >"$control"
	done
	echo on >"$dev/power/control"
}

# open_keyboard SERIAL: whoever has it open hears of keys.
open_keyboard() {
	node=/dev/input/$(child "$1" '*/input/input*/event*')
	wait_for "[ -c $node ]"
	exec 3<"$node"
}

# events END: what happens at the keyboard that is open, up to the event that matches END.
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

# listens SERIAL END: events of a keyboard that stays awake.
listens() {
	open_keyboard "$1"
	say LISTENS
	events "$2"
}

# keys SERIAL END: the keyboard sleeps until a key is pressed.
keys() {
	open_keyboard "$1"
	sleeps "$1"
	events "$2"
}

# guest_sleeps SERIAL END: until there is a line on the console, with that keyboard open. The kernel tells when it has
# stopped all devices.
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
    """Of a key, as the guest tells it."""
    return struct.pack("<HHi", EV_KEY, code, value).hex()


# What press_keys() is to a guest.
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
        """Have the guest run a function; names of devices become serial numbers."""
        self.guest.say(" ".join([function, *(self.devices[word].qemu_id.upper() if word in self.devices else str(word)
                                             for word in words)]))

    def done(self):
        assert self.guest.expect_word("DONE") == ["0"]

    def demand_stick(self):
        """The stick can be read."""
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
        """The keyboard sleeps until a key is pressed, of which nothing is lost."""
        self.ask("keys", "keyboard", KEYS[-1])
        assert self.guest.expect_word("SUSPENDED_PORTS") == ["1"]
        self.press_keys()
        self.expect_keys()
        self.done()
        self.ask("stays_awake", "keyboard")
        self.done()

    def demand_serial(self):
        """The serial port sends and receives."""
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
    """What usbreset does, while the stick's file system is read and written."""
    scene.ask("resets_while_read", 3, "used stick")
    written = scene.guest.expect_word("WRITTEN")
    assert scene.guest.expect_word("READ") == written * 2
    scene.done()


def test_resets_beside_a_stick_in_use(scene):
    """One by one all others are reset while the stick is read."""
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
    """Suspended to idle: it stops all devices and waits. What is typed meanwhile is there when it wakes up."""
    scene.ask("guest_sleeps", "keyboard", KEYS[-1])
    scene.guest.expect("PM: suspend-to-idle")
    scene.press_keys()
    scene.guest.say("")
    scene.expect_keys()
    scene.done()
    scene.demand_all()


def host_takes(scene, name, driver):
    """What its kernel does after a suspend in which the device has lost its state, while no program runs."""
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
    # So that the guest has configured it.
    scene.demand_stick()
    # Nothing but the clock, which a resume sets, tells of one that is idle.
    host_takes(scene, "stick", "usb-storage")
    assert stick.driver() == "usb-storage"
    scene.host.run("date -s @$(($(date +%s) + 1))")
    stick.await_driver("usbfs")
    scene.demand_stick()
    # The guest is refused what it wants of it, which the kernel complains of.
    scene.host.pardoned.append("(usbvfiod) did not claim interface")
    host_takes(scene, "stick", "usb-storage")
    scene.demand_stick()
    # A transfer that waits for a key comes back.
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


# The kernel that takes over is in memory that was kept free for it.
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
    """Its transfers are on their way, and nobody tells the controller: the next kernel finds it as it is."""
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
