# SPDX-License-Identifier: MIT
"""Text typed on the emulated keyboard arrives in the guest."""

import os
import struct

from harness.controller import Keyboard

# Reports each struct input_event in hexadecimal digits, until Enter (28) is released (0).
READ_KEYS = """
exec 3<"$(keyboard_node)"
say READY
while :; do
	event=$(dd bs=24 count=1 <&3 2>/dev/null | hexdump -v -e '24/1 "%02x"')
	say EVENT $event
	case $event in
	*01001c0000000000) break ;;
	esac
done
"""

EV_KEY = 1
KEY_CODES = {"h": 35, "i": 23, "2": 3, "\n": 28}


def test_typed_text_arrives(controller, boot, tmp_path):
    keyboard = Keyboard(typed=tmp_path / "typed")
    os.mkfifo(keyboard.typed)
    usb = controller(keyboard)
    guest = boot(usb, READ_KEYS)

    guest.expect_word("READY")
    usb.type(guest.qmp, "hi2\n", keyboard)
    guest.finish()

    events = [struct.unpack("<qqHHi", bytes.fromhex(words[0])) for words in guest.told("EVENT")]
    keys = [(code, value) for _s, _us, kind, code, value in events if kind == EV_KEY]
    expected = []
    for letter in "hi2\n":
        expected += [(KEY_CODES[letter], 1), (KEY_CODES[letter], 0)]
    assert keys == expected
    assert guest.complaints() == []
