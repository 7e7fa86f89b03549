# SPDX-License-Identifier: MIT
"""Devices of the host are unplugged without warning: the guest hears of it at once, and the daemon keeps no trace."""

import re

import pytest

from harness import images

pytestmark = [pytest.mark.long, pytest.mark.usbvfiod_only]

ROUNDS = 16
# How much the daemon's memory may grow in these rounds: less than one transfer's buffer for each.
GROWTH_KIB = 256

# Runs the action that each line names. The stick is the only disk; its name may change.
OBEY = """
readable() {
	disk=$(ls /sys/block | grep '^sd' | tail -n 1)
	[ -b "/dev/$disk" ] && dd if=/dev/$disk of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null
}
disconnects() { dmesg | grep -c 'USB disconnect'; }
pulled() {
	wait_for '[ $(disconnects) -gt $before ]'
	say PULLED
}
say OBEYS
while hear what; do
	before=$(disconnects)
	case $what in
	idle)
		wait_for readable
		say IDLE
		pulled ;;
	read)
		wait_for readable
		reading=
		while dd if=/dev/$disk of=/dev/null bs=64k iflag=direct 2>/dev/null; do
			[ -n "$reading" ] || say READING
			reading=yes
		done
		say READ_FAILED
		pulled ;;
	sum)
		wait_for readable
		say SUM $(sha256 /dev/$disk) ;;
	keyboard)
		# A freshly loaded driver sends the device all of its initial requests.
		rmmod usbhid && modprobe usbhid || die usbhid
		keyboard_node >/dev/null
		say KEYBOARD ;;
	end) break ;;
	esac
done
"""

STICK = {"bus": "ehci", "port": "2"}


class Puller:
    """A place of the host where a stick is plugged in and unplugged."""

    def __init__(self, host, image):
        self.host = host
        self.drive = host.add_drive(image)
        self.usb = None
        self.seen = 0
        self.stick = None

    def plug(self):
        self.stick = self.host.plug("usb-storage", drive=self.drive, **STICK)
        return self.stick

    def pull(self):
        self.host.unplug(self.stick)

    def await_log(self, words):
        """Wait until the daemon has logged the words, after the previous match."""
        log = f"/share/tasks/{self.usb.task.number}.out"
        self.host.run(f"wait_for \"tail -n +{self.seen + 1} {log} | grep -q '{words}'\"")
        lines = self.usb.log_text().splitlines()
        self.seen = next(number for number, line in enumerate(lines) if number >= self.seen and re.search(words, line)) + 1

    def await_lines(self, count):
        """Wait until the daemon has logged this many lines after the previous match."""
        log = f"/share/tasks/{self.usb.task.number}.out"
        self.host.run(f"wait_for '[ $(tail -n +{self.seen + 1} {log} | wc -l) -ge {count} ]'")


def resources(usb):
    # Each round gives new numbers to the device's node and to anonymous files.
    fds = sorted(re.sub(r"/dev/bus/usb/\d+/\d+|\[\d+\]", "NEW", fd) for fd in usb.fds())
    return {"fds": fds, "threads": usb.status("Threads"), "kib": usb.rss_kib()}


def demand_no_growth(before, after):
    assert after["fds"] == before["fds"]
    assert after["threads"] == before["threads"]
    assert after["kib"] <= before["kib"] + GROWTH_KIB


def test_stick_is_pulled_again_and_again(host, tmp_path):
    image = images.filled(tmp_path / "stick.img", 2)
    puller = Puller(host, image)
    keyboard = host.plug("usb-kbd", bus="uhci", port="1")
    usb = puller.usb = host.controller(puller.plug(), keyboard, options=["-v"])
    guest = host.boot(usb, OBEY)
    guest.expect_word("OBEYS")

    def tell(word, answer):
        guest.say(word)
        return guest.expect_word(answer)

    tell("keyboard", "KEYBOARD")
    assert tell("sum", "SUM") == [images.sha256(image)]
    for activity, answer in (("idle", "IDLE"), ("read", "READING")):
        before = None
        for _ in range(ROUNDS):
            tell(activity, answer)
            before = before or resources(usb)
            puller.pull()
            # The test tells neither of them: the kernel notifies usbvfiod, and usbvfiod notifies the guest.
            puller.await_log("has gone")
            puller.plug()
            guest.expect_word("PULLED")
            puller.await_log("port 1: .* is back")
        assert tell("sum", "SUM") == [images.sha256(image)]
        demand_no_growth(before, resources(usb))
    assert len(guest.told("READ_FAILED")) == ROUNDS

    # Unplug while the guest enumerates: this many lines of log (commands, slot changes) after the plug.
    before = resources(usb)
    for number in range(ROUNDS):
        puller.pull()
        puller.await_log("has gone")
        puller.plug()
        puller.await_log("port 1: .* is back")
        puller.await_lines(number % 8)
    assert tell("sum", "SUM") == [images.sha256(image)]
    demand_no_growth(before, resources(usb))

    # Unplug for good: the daemon and the other device continue to work.
    puller.pull()
    puller.await_log("has not come back")
    tell("keyboard", "KEYBOARD")
    assert not [fd for fd in usb.fds() if puller.stick.node in fd]
    guest.say("end")
    guest.finish()
