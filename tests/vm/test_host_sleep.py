# SPDX-License-Identifier: MIT
"""The host is suspended while a guest reads a disk of it."""

import pytest

from harness import images

pytestmark = [pytest.mark.soak, pytest.mark.usbvfiod_only]

HOST = {"sleeps": True}

# All drivers are suspended and resumed, for real; the kernel waits a second in between instead of for an interrupt.
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
    # A controller that keeps its state. Where it is lost the kernel takes devices from us and offers them to its drivers.
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
