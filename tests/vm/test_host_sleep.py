# SPDX-License-Identifier: MIT
"""The host is suspended while a guest uses its devices."""

import pytest

from harness import images

pytestmark = [pytest.mark.long, pytest.mark.usbvfiod_only]

HOST = {"sleeps": True}

# The kernel really suspends and resumes all drivers, but waits a second in between instead of for an interrupt.
SLEEP = """
echo 1 >/sys/module/suspend/parameters/pm_test_delay
echo devices >/sys/power/pm_test
before=$(cat /sys/power/suspend_stats/success)
echo freeze >/sys/power/state
[ $(cat /sys/power/suspend_stats/success) -gt $before ]
"""

JOB = """
wait_disk sda
say READY
while :; do
	dd if=/dev/sda of=/dev/null bs=64k iflag=direct 2>/dev/null || die read
	say READ
	[ ! -e /tmp/stop ] || break
done &
hear stop
: >/tmp/stop
wait $!
drop_caches
say SUM $(sha256 /dev/sda)
say DISCONNECTS $(dmesg | grep -c 'USB disconnect')
"""


def test_a_disk_is_read_while_the_host_sleeps(host, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    # On EHCI, which keeps its state.
    stick = host.plug_stick(image, "ehci")
    usb = host.controller(stick)
    guest = host.boot(usb, JOB)
    guest.expect_word("READY")
    for _ in range(2):
        guest.expect_word("READ")
        host.run(SLEEP)
        assert stick.driver() == "usbfs"
        guest.expect_word("READ")
    guest.expect_word("READ")
    guest.say("stop")
    assert guest.expect_word("SUM") == [images.sha256(image)]
    assert guest.expect_word("DISCONNECTS") == ["0"]
    guest.finish()
    usb.stop()
    stick.await_driver("usb-storage")


KEYS = """
exec 4<"$(keyboard_node)"
# Three events are a key, or its release: the keyboard's code, the key, and a mark.
key() { dd bs=72 count=1 <&4 2>/dev/null | od -An -tx1 | tr -d ' \\n' | cut -c81-96; }
say READY
while hear what; do
	[ "$what" != end ] || break
	say KEY $(key) $(key)
done
say DISCONNECTS $(dmesg | grep -c 'USB disconnect')
"""


def test_a_keyboard_whose_state_is_lost_while_the_host_sleeps(host):
    # UHCI loses its state, so the kernel takes the keyboard from usbvfiod and offers it to the host's drivers.
    keyboard = host.plug("usb-kbd", "uhci")
    usb = host.controller(keyboard)
    guest = host.boot(usb, KEYS)
    guest.expect_word("READY")
    for number in range(4):
        # The first round runs without a suspend.
        if number > 0:
            host.run(SLEEP)
            keyboard.await_driver("usbfs")
        guest.say("key")
        for down in (True, False):
            host.qmp.command("input-send-event",
                             events=[{"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": "a"}}}])
        assert guest.expect_word("KEY") == ["01001e0001000000", "01001e0000000000"]
    guest.say("end")
    assert guest.expect_word("DISCONNECTS") == ["0"]
    guest.finish()
    assert usb.log_text().count("drivers of the host had taken 1 of its interfaces") == 3
    usb.stop()
    keyboard.await_driver("usbhid")
