# SPDX-License-Identifier: MIT
"""Isochronous streams of the host's devices: no packet is lost or repeated, however late this machine is."""

import struct
from pathlib import Path

import pytest

from devices.synthetic import parse, synthetic  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

# poke SERIAL COMMAND...: runs usb-poke and reports each line of its output.
POKE = """
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
echo 'format "run event on slot" +p' >/sys/kernel/debug/dynamic_debug/control || die "no dynamic debugging"
poke() {
	serial=$1
	shift
	usb-poke "1209:c0de:$serial" --wait 60 claim 0 , "$@" >"/tmp/$serial" 2>&1
	while read -r line; do say POKE "$serial" "$line"; done <"/tmp/$serial"
}
"""

# The stream of a minute runs while the others are busy. Each process of usb-poke begins a new stream.
COUNTERS = POKE + """
poke full interface 0 1 , iso-in 0x81 60 64 8 256 &
for serial in high super; do
	poke $serial interface 0 1 , iso-in 0x81 10 64 8 SIZE , iso-out 1 10 64 8 SIZE
done
wait
poke full interface 0 1 , iso-out 1 10 64 8 256
say RAN_EMPTY $(dmesg | grep -c 'Overrun event') $(dmesg | grep -c 'Underrun event')
hear go
in="iso-in 0x81 0 8 4 256" out="iso-out 1 0 8 4 256"
for serial in full high super; do
	poke $serial interface 0 1 , $in , sleep 20 , $in , sleep 20 , $in
	poke $serial interface 0 1 , $out , sleep 20 , $out , sleep 20
	say RAN_EMPTY $(dmesg | grep -c 'Overrun event') $(dmesg | grep -c 'Underrun event')
done
hear go
for serial in full high super; do
	poke $serial iso-switch 0 0x81 10 32 8 256 , interface 0 1 , $in
	poke $serial iso-switch 0 1 10 32 8 256 , interface 0 1 , $out
done
"""
SIZE = 1024


def poked(guest, serial):
    """usb-poke's answers for a device: pairs of the command and its counts."""
    lines = [words[1:] for words in guest.told("POKE") if words[0] == serial]
    assert [words for words in lines if words[0] != "OK"] == []
    return [(words[1], parse(" ".join(words[2:]))) for words in lines]


def results(guest, serial, command, since=0):
    return [counts for name, counts in poked(guest, serial) if name == command][since:]


def unexpected(complaints):
    """The complaints without those that Linux makes when it is slower than its devices.

    It does not know the event that says that the event ring is full. It may also receive the event that a ring ran
    empty (0e, 0f: Ring Underrun, Overrun; without a TRB) just after it dropped the endpoint, because it does not stop
    the endpoint first.
    """
    left = [line for line in complaints if "unknown event type 37" not in line]
    late = [number for number, line in enumerate(left) if "Transfer event for disabled endpoint" in line and
            any(f" 00000000 00000000 {code}000000 " in (left + [""])[number + 1] for code in ("0e", "0f"))]
    return [line for number, line in enumerate(left) if number not in late and number - 1 not in late]


def test_counters(host, synthetic):
    devices = {speed: synthetic.plug("counter", speed, f"size={size}", serial=speed)
               for speed, size in (("full", 256), ("high", SIZE), ("super", SIZE))}
    usb = host.controller(*(one.device for one in devices.values()))
    guest = host.boot(usb, COUNTERS.replace("SIZE", str(SIZE)), programs=[synthetic.poke_program])

    # One stream runs for a minute, others beside it. usb-poke fails on a gap, on a repetition and on wrong data.
    guest.expect_word("RAN_EMPTY")
    for speed, device in devices.items():
        stats = device.stats()
        heard, = results(guest, speed, "iso-in")
        said, = results(guest, speed, "iso-out")
        assert heard["packets"] == stats["in_packets"] >= 512
        assert said["packets"] == stats["out_packets"] >= 512
        assert (stats["out_first"], stats["out_last"]) == (0, said["packets"] - 1)
        assert [stats[key] for key in ("out_lost", "out_repeated", "out_empty", "out_bad")] == [0] * 4

    # Rings run empty, the guest hears of it, and the streams continue where they were.
    guest.say("go")
    before = list(map(int, guest.told("RAN_EMPTY")[0]))
    for speed, device in devices.items():
        overruns, underruns = map(int, guest.expect_word("RAN_EMPTY"))
        assert overruns >= before[0] + 2 and underruns >= before[1] + 1
        before = [overruns, underruns]
    for speed, device in devices.items():
        last = results(guest, speed, "iso-in")[0]["counter"]
        for heard in results(guest, speed, "iso-in", 1):
            assert heard["counter"] - heard["packets"] == last
            last = heard["counter"]
        stats = device.stats()
        assert [stats[key] for key in ("out_lost", "out_bad")] == [0] * 2
        # Each later iso-out counts from 0 again, which the device sees as a repetition.
        assert stats["out_repeated"] == 2
        assert stats["out_packets"] == sum(said["packets"] for said in results(guest, speed, "iso-out"))

    # A change of the alternate setting cuts the streams. Packets in flight are lost, later ones are not.
    guest.say("go")
    guest.finish()
    for speed, device in devices.items():
        cut_in, cut_out = results(guest, speed, "iso-switch")
        assert cut_in["taken_back"] > 0 and cut_out["taken_back"] > 0
        stats = device.stats()
        assert stats["wrong_endpoint"] == 0
        assert stats["out_bad"] == 0
    assert unexpected(guest.complaints()) == []
    usb.stop()


TONE_MS = 500
TONE_FRAMES = 48 * TONE_MS

PLAY = f"""
modprobe snd-usb-audio || die modprobe
wait_for '[ -c /dev/snd/pcmC0D0p ]'
say SOUND "$(play_tone /dev/snd/pcmC0D0p {TONE_MS})"
"""


def tone(frames):
    """The frames that play_tone plays."""
    for n in range(frames):
        phase = n % 48
        yield 1000 * min(phase, 48 - phase) - 12000, n & 0x7fff


def recorded(path):
    """The frames of a WAV file with 16 bits and two channels, whatever rate and length its header claims."""
    data = Path(path).read_bytes()
    assert data[:4] == b"RIFF" and struct.unpack_from("<HH", data, 20) == (1, 2)
    begin = data.index(b"data") + 8
    return list(struct.iter_unpack("<hh", data[begin:len(data) - (len(data) - begin) % 4]))


def test_sound(host, request):
    """The guest plays a known tone, and the host's loudspeaker gets each frame once and in order."""
    program = Path(request.config.getoption("--daemon")).resolve().parent / "tests/vm/guest/play_tone"
    # The buffer holds the whole tone, in case the loudspeaker is slower than the guest.
    speaker = host.plug("usb-audio", audiodev="audio", buffer=1 << 20)
    usb = host.controller(speaker)
    guest = host.boot(usb, PLAY, programs=[program]).finish()
    assert guest.told("SOUND") == [["PLAYED", str(TONE_FRAMES)]]
    assert guest.complaints() == []
    usb.stop()
    # QEMU closes the WAV file.
    speaker.unplug()

    heard = recorded(host.folder / "audio.wav")
    expected = list(tone(TONE_FRAMES))
    begin = next(n for n, frame in enumerate(heard) if frame != (0, 0))
    wrong = [n for n, frame in enumerate(expected) if heard[begin + n:begin + n + 1] != [frame]]
    assert wrong[:10] == [], f"{len(wrong)} of {TONE_FRAMES} frames are wrong, the first at {wrong[0]}"
    assert set(heard[begin + TONE_FRAMES:]) <= {(0, 0)}
