# SPDX-License-Identifier: MIT
"""An idle controller costs no wake-ups and little memory."""

import re
import time
from pathlib import Path

import pytest

from harness import images
from harness.controller import Keyboard, Stick

WAIT = """
wait_disk sda
# While the keyboard is open, a transfer waits for a key.
exec 3<"$(keyboard_node)"
say READY
hear go
"""

SETTLE_S = 3
IDLE_S = 5


def status(process, field):
    """A number of /proc/PID/status."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE).group(1))


def switches(process):
    """The context switches of all threads of the process."""
    texts = [path.read_text(encoding="ascii") for path in Path(f"/proc/{process.pid}/task").glob("*/status")]
    return sum(int(count) for text in texts for count in re.findall(r"^\w*voluntary_ctxt_switches:\s+(\d+)", text,
                                                                    re.MULTILINE))


@pytest.mark.usbvfiod_only
def test_idle_guest_causes_no_wakeups(controller, boot, tmp_path):
    usb = controller(Stick(images.empty(tmp_path / "stick.img", 64)), Keyboard())
    guest = boot(usb, WAIT)
    guest.expect_word("READY")

    # Let the guest's drivers finish their setup. An absence of events has to be measured over some time.
    time.sleep(SETTLE_S)
    before = switches(usb.process)
    time.sleep(IDLE_S)
    woken = switches(usb.process) - before

    # Guest memory is mapped shared, so these fields do not include it.
    memory_kib = status(usb.process, "RssAnon") + status(usb.process, "RssFile")
    sanitized = b"__asan_init" in Path(usb.binary).read_bytes()
    guest.say("go")
    guest.finish()
    assert woken == 0
    assert memory_kib < 8 * 1024 or sanitized
