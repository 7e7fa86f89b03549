# SPDX-License-Identifier: MIT
"""Devices of many classes and speeds, passed through to one guest at once: input, serial, network, smart cards.

All tests of this module use the same host and the same guest; after a failure the next test begins with new ones. The
guest runs functions of JOB by name when a test asks for them.
"""

import hashlib
import http.server
import os
import struct
import threading

import pytest

from devices.synthetic import Synthetic
from harness.console import FIND_USB
from harness.peer import Peer
from harness.scene import scene, scene_keeper  # noqa: F401 fixtures

# The host's own drivers bind all the devices, and must release them.
HOST = {"modules": "cdc-acm cdc_ether ftdi_sio"}

JOB = FIND_USB + r"""
modprobe -a cdc-acm cdc_ether ftdi_sio || die modprobe

# events SERIAL END: reports the events of the input device, up to the event that matches END.
events() {
	node=/dev/input/$(child "$1" '*/input/input*/event*')
	wait_for "[ -c $node ]"
	exec 3<"$node"
	say READY
	while :; do
		batch=$(dd bs=1536 count=1 <&3 2>/dev/null | hexdump -v -e '24/1 "%02x" "\n"')
		[ -n "$batch" ] || die "$node has no more events"
		for event in $batch; do
			say EVENT "${event#????????????????????????????????}"
			case $event in *$2) return ;; esac
		done
	done
}

# both_ways SERIAL KIB PATTERN: opens the serial port, sends and receives KIB KiB at the same time, closes it.
both_ways() {
	tty=/dev/$(child "$1" "$3")
	wait_for "[ -c $tty ]"
	exec 4<>"$tty"
	stty raw -echo <&4
	dd if=/dev/urandom of=/tmp/sent bs=1024 count="$2" 2>/dev/null
	say OPEN "$(sha256 /tmp/sent)"
	hear go
	: >/tmp/going
	cat /tmp/sent >&4 &
	head -c $(($2 * 1024)) <&4 >/tmp/received
	wait $!
	exec 4>&-
	say RECEIVED "$(sha256 /tmp/received)"
}

# network SERIAL ADDRESS PEER: brings the network device up; reports its MAC address and how many pings PEER answers.
network() {
	net=$(child "$1" 'net/*')
	ifconfig "$net" "$2" netmask 255.255.255.0 up || die ifconfig
	wait_for "grep -qx 1 /sys/class/net/$net/carrier"
	say ADDRESS "$(cat /sys/class/net/$net/address)"
	say PINGED "$(ping -c 5 -i 0.2 -W 20 "$3" | sed -n 's/.* \([0-9]*\) packets received.*/\1/p')"
}

# both_files URL KIB: fetches a file from the URL, posts another one of KIB KiB there.
both_files() {
	wget -q -O /tmp/fetched "$1" || die wget
	say FETCHED "$(sha256 /tmp/fetched)"
	# Send text: this wget ends its file at the first zero byte.
	dd if=/dev/urandom bs=768 count="$2" 2>/dev/null | base64 >/tmp/posted
	say POSTED "$(sha256 /tmp/posted)"
	wget -q -O /dev/null --post-file /tmp/posted "$1" || die "wget --post-file"
}

# serve_and_fetch KIB URL: serves a file of KIB KiB, fetches another one.
serve_and_fetch() {
	mkdir /tmp/served
	dd if=/dev/urandom of=/tmp/served/file bs=1024 count="$1" 2>/dev/null
	httpd -p 8080 -h /tmp/served || die httpd
	say SERVED "$(sha256 /tmp/served/file)"
	wget -q -O /tmp/fetched "$2" || die wget
	say FETCHED "$(sha256 /tmp/fetched)"
}

# composite SERIAL KIB ADDRESS PEER END: uses all functions of the composite device at the same time.
composite() {
	rm -f /tmp/going
	both_ways "$1" "$2" 'tty/*' &
	wait_for "[ -e /tmp/going ]"
	network "$1" "$3" "$4"
	events "$1" "$5"
	wait $!
}

exchange() {
	node=$(node_of "$1")
	shift
	say READY
	usb_exchange "$node" "$@" | while read -r line; do
		say STEP "$line"
	done
}

poke() {
	node=$(node_of "$1")
	shift
	usb-poke "$node" "$@" | while read -r line; do
		say POKED "$line"
	done
}

gone() { wait_for "! grep -qsx '$1' /sys/bus/usb/devices/*/serial"; }

say UP
while hear line; do
	[ "$line" != end ] || break
	(eval "$line")
	say DONE $?
done
report_usb
"""

EV_SYN, EV_KEY, EV_REL, EV_ABS = range(4)
KEY_LEFTCTRL, KEY_A, BTN_LEFT = 29, 30, 0x110


def event(kind, code, value):
    """An event in the form the guest reports it."""
    return struct.pack("<HHi", kind, code, value).hex()


class FileServer(http.server.ThreadingHTTPServer):
    """Serves one file to every client, and keeps the files that clients post."""

    def __init__(self, content):
        self.content = content
        self.posted = []
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.thread = threading.Thread(target=self.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.shutdown()
        self.thread.join()
        self.server_close()


class FileHandler(http.server.BaseHTTPRequestHandler):
    """One request."""

    def _answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):  # pylint: disable=invalid-name
        self._answer(self.server.content)

    def do_POST(self):  # pylint: disable=invalid-name
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def log_message(self, *_arguments):  # pylint: disable=arguments-differ
        """Keep the console free of requests."""


class Scene:
    """Host, daemon and guest with all devices."""

    def __init__(self, host, _folder, build):
        self.host = host
        self.synthetic = Synthetic(host, build / "devices")
        self.serial_peer = Peer(host, "serial")
        self.card_peer = Peer(host, "card")
        self.peers = [self.serial_peer, self.card_peer]
        host.qmp.command("netdev_add", type="user", id="net")
        self.low = self.synthetic.plug("loopback", "low")
        # QEMU sends keys to the keyboard plugged in last, and buttons to the last one of tablet and mouse.
        self.devices = {
            "high-speed keyboard": host.plug("usb-kbd", "ehci"),
            "full-speed keyboard": host.plug("usb-kbd", "uhci2"),
            "tablet": host.plug("usb-tablet", "ehci"),
            "mouse": host.plug("usb-mouse", "xhci"),
            "serial": host.plug("usb-serial", "uhci", chardev="serial"),
            "network": host.plug("usb-net", "uhci", netdev="net", mac="52:54:00:0a:0b:0c"),
            "smart card reader": host.plug("usb-ccid", "uhci2"),
            "composite": self.synthetic.gadget("composite", "composite"),
            "low speed": self.low.device,
        }
        self.serials = {name: device.qemu_id.upper() for name, device in self.devices.items()}
        self.serials["composite"] = "composite"
        self.serials["low speed"] = host.run(f"cat /sys/bus/usb/devices/{self.low.path}/serial").strip()
        host.qmp.command("device_add", driver="ccid-card-passthru", id="card", chardev="card",
                         bus=f"{self.devices['smart card reader'].qemu_id}.0")
        self.drivers = {name: self.await_driver(device) for name, device in self.devices.items() if name in DRIVERS}
        self.usb = host.controller(*self.devices.values())
        programs = [self.synthetic.poke_program, build / "guest" / "usb_exchange"]
        self.guest = host.boot(self.usb, JOB, programs=programs)
        self.guest.expect_word("UP")

    def await_driver(self, device):
        """Wait until the host has a driver for the device's first interface; returns the driver's name."""
        folder = f"/sys/bus/usb/devices/{device.path}/{device.path}:*.0/driver"
        return self.host.run(f"wait_for 'ls -d {folder} >/dev/null 2>&1'; basename \"$(readlink {folder})\"").strip()

    def ask(self, function, name, *arguments):
        """Ask the guest to run a function with the device's serial number and these arguments."""
        self.guest.say(" ".join([function, self.serials[name], *(f"'{argument}'" for argument in arguments)]))

    def done(self):
        assert self.guest.expect_word("DONE") == ["0"]

    def events(self, end):
        """The events that the guest reports, up to this one, without key repeats."""
        events = []
        while not events or events[-1] != end:
            told = self.guest.expect_word("EVENT")[0]
            kind, _code, value = struct.unpack("<HHi", bytes.fromhex(told))
            if kind in (EV_KEY, EV_REL, EV_ABS) and not (kind == EV_KEY and value == 2):
                events.append(told)
        return events

    def send_input(self, *events):
        self.host.qmp.command("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])


# The drivers of the first interfaces, in the host and in the guest.
DRIVERS = {"high-speed keyboard": "usbhid", "full-speed keyboard": "usbhid", "tablet": "usbhid", "mouse": "usbhid",
           "serial": "ftdi_sio", "network": "cdc_ether", "composite": "cdc_acm"}
SPEEDS = {"high-speed keyboard": "480", "full-speed keyboard": "12", "tablet": "480", "mouse": "480", "serial": "12",
          "network": "12", "smart card reader": "12", "composite": "5000", "low speed": "1.5"}


def type_on_keyboard(scene, name):
    scene.ask("events", name, event(EV_KEY, KEY_A, 0))
    scene.guest.expect_word("READY")
    for key in ["ctrl"] * 3 + ["a"]:
        scene.host.qmp.command("send-key", keys=[{"type": "qcode", "data": key}])
    pressed = [event(EV_KEY, key, value) for key in [KEY_LEFTCTRL] * 3 + [KEY_A] for value in (1, 0)]
    assert scene.events(pressed[-1]) == pressed
    scene.done()


def test_all_are_what_they_are(scene):
    assert {name: device.speed for name, device in scene.devices.items()} == SPEEDS
    assert scene.drivers == DRIVERS


def test_keys_of_a_full_speed_keyboard(scene):
    type_on_keyboard(scene, "full-speed keyboard")


def test_tablet(scene):
    places = [(1000, 2000), (32767, 1), (0, 32766)]
    scene.ask("events", "tablet", event(EV_ABS, 1, places[-1][1]))
    scene.guest.expect_word("READY")
    for x, y in places:
        scene.send_input(("abs", {"axis": "x", "value": x}), ("abs", {"axis": "y", "value": y}))
        place = [event(EV_ABS, 0, x), event(EV_ABS, 1, y)]
        assert scene.events(place[-1]) == place
    scene.done()


def test_mouse(scene):
    end = event(EV_KEY, BTN_LEFT, 0)
    scene.ask("events", "mouse", end)
    scene.guest.expect_word("READY")
    for x, y in [(5, -3), (-100, 127)]:
        scene.send_input(("rel", {"axis": "x", "value": x}), ("rel", {"axis": "y", "value": y}))
        move = [event(EV_REL, 0, x), event(EV_REL, 1, y)]
        assert scene.events(move[-1]) == move
    for down in (True, False):
        scene.send_input(("btn", {"button": "left", "down": down}))
    assert scene.events(end) == [event(EV_KEY, BTN_LEFT, 1), end]
    scene.done()


def test_serial_port_opened_three_times(scene):
    for kib in (4, 64, 4):
        data = os.urandom(kib * 1024)
        scene.ask("both_ways", "serial", kib, "ttyUSB*")
        sent = scene.guest.expect_word("OPEN")[0]
        scene.guest.say("go")
        assert hashlib.sha256(scene.serial_peer.exchange(data, len(data))).hexdigest() == sent
        assert scene.guest.expect_word("RECEIVED")[0] == hashlib.sha256(data).hexdigest()
        scene.done()


def test_network(scene):
    scene.ask("network", "network", "10.0.2.15", "10.0.2.2")
    assert scene.guest.expect_word("ADDRESS")[0] == "52:54:00:0a:0b:0c"
    assert scene.guest.expect_word("PINGED") == ["5"]
    scene.done()
    kib = 128
    with FileServer(os.urandom(kib * 1024)) as server:
        scene.guest.say(f"both_files http://10.0.2.2:{server.server_port}/file {kib}")
        assert scene.guest.expect_word("FETCHED")[0] == hashlib.sha256(server.content).hexdigest()
        posted = scene.guest.expect_word("POSTED")[0]
        scene.done()
        assert [hashlib.sha256(data).hexdigest() for data in server.posted] == [posted]


# Types of messages between QEMU's reader and this test, which plays the card. A message begins with type, reader, length.
VSC_ATR, VSC_CARD_REMOVE, VSC_APDU = 5, 6, 7


class Card:
    """The smart card in the reader."""

    def __init__(self, peer):
        self.peer = peer

    def send(self, kind, data):
        self.peer.socket.sendall(struct.pack(">III", kind, 0, len(data)) + data)

    def receive(self, kind):
        """The next message of this kind."""
        while True:
            got, _reader, length = struct.unpack(">III", self.peer.receive(12))
            data = self.peer.receive(length)
            if got == kind:
                return data


def to_reader(kind, number, data=b"", parameter=0):
    """A command of the CCID specification for slot 0."""
    return f"03={struct.pack('<BIBBBxx', kind, len(data), 0, number, parameter).hex()}{data.hex()}"


def test_smart_card_reader(scene):
    """Bulk transfers both ways, and the interrupt endpoint's notice that a card is inserted or removed."""
    card = Card(scene.card_peer)
    answer_to_reset = bytes.fromhex("3b021450")
    select, answer = bytes.fromhex("00a4040005a000000003"), bytes(range(200)) + b"\x90\x00"
    take = "82:271"
    scene.ask("exchange", "smart card reader", 0, to_reader(0x65, 1), take, "81:8", to_reader(0x62, 2), take,
              to_reader(0x6f, 3, select), take, to_reader(0x65, 4), take, to_reader(0x63, 5), take, "81:8")

    def step():
        return scene.guest.expect_word("STEP")

    def asked(length=10):
        assert step() == ["OUT", "03", str(length)]
        words = step()
        assert words[:2] == ["IN", "82"]
        return bytes.fromhex(words[2])

    scene.guest.expect_word("READY")
    # RDR_to_PC_SlotStatus: byte 6 is the command's number, byte 7 the status, whose low bits are 2 without a card.
    status = asked()
    assert (status[0], status[6], status[7] & 3) == (0x81, 1, 2)
    card.send(VSC_ATR, answer_to_reset)
    assert step() == ["IN", "81", "5003"]
    block = asked()
    assert (block[0], block[6], block[7], block[10:]) == (0x80, 2, 0, answer_to_reset)
    assert step() == ["OUT", "03", str(10 + len(select))]
    assert card.receive(VSC_APDU) == select
    card.send(VSC_APDU, answer)
    words = step()
    block = bytes.fromhex(words[2])
    assert (block[0], block[6], block[7], block[10:]) == (0x80, 3, 0, answer)
    for number in (4, 5):
        status = asked()
        assert (status[0], status[6]) == (0x81, number)
    card.send(VSC_CARD_REMOVE, b"")
    assert step() == ["IN", "81", "5002"]
    scene.done()


def test_composite_device(scene):
    """Serial port, network and keyboard of one device at super speed, all at once."""
    kib = 64
    end = event(EV_KEY, KEY_A, 0)
    scene.ask("composite", "composite", kib, "10.9.0.2", "10.9.0.1", end)
    sent = scene.guest.expect_word("OPEN")[0]
    # The far end of the serial port is in the host.
    task = scene.host.start(f"""
        exec 4<>/dev/ttyGS0
        stty raw -echo <&4
        dd if=/dev/urandom of=/tmp/sent bs=1024 count={kib} 2>/dev/null
        sha256 /tmp/sent
        echo "$(basename "$0" .sh) ready" >&3
        cat /tmp/sent >&4 &
        head -c {kib * 1024} <&4 >/tmp/received
        wait $!
        sha256 /tmp/received
        """)
    task.await_ready()
    scene.guest.say("go")
    assert scene.guest.expect_word("ADDRESS")[0] == "02:00:00:00:09:02"
    assert scene.guest.expect_word("PINGED") == ["5"]
    scene.guest.expect_word("READY")
    scene.host.run("for keys in '\\001\\0\\0' '\\0\\0\\0' '\\0\\0\\004' '\\0\\0\\0'; do "
                   "printf \"$keys\\0\\0\\0\\0\\0\" >/dev/hidg0 || exit; done")
    assert scene.events(end) == [event(EV_KEY, KEY_LEFTCTRL, 1), event(EV_KEY, KEY_LEFTCTRL, 0),
                                 event(EV_KEY, KEY_A, 1), end]
    scene.done()
    assert task.wait() == 0
    # The guest may have reported RECEIVED at any time, so look through all of its text.
    received = scene.guest.told("RECEIVED")[-1][0]
    assert task.output.split() == [received, sent]


@pytest.mark.long
def test_files_by_a_network_at_super_speed(scene):
    """One file each way at the same time."""
    kib = 4096
    scene.host.run(f"mkdir /tmp/served && dd if=/dev/urandom of=/tmp/served/file bs=1024 count={kib} 2>/dev/null && "
                   "httpd -p 8080 -h /tmp/served")
    scene.ask("network", "composite", "10.9.0.2", "10.9.0.1")
    assert scene.guest.expect_word("PINGED") == ["5"]
    scene.done()
    scene.guest.say(f"serve_and_fetch {kib} http://10.9.0.1:8080/file")
    served = scene.guest.expect_word("SERVED")[0]
    fetched = scene.host.run("wget -q -O - http://10.9.0.2:8080/file | sha256 -").strip()
    assert scene.guest.expect_word("FETCHED")[0] == scene.host.run("sha256 /tmp/served/file").strip()
    assert fetched == served
    scene.done()


def test_low_speed(scene):
    before = scene.low.stats()
    scene.ask("poke", "low speed", "speed", ",", "claim", 0, ",", "out", 3, 8, ",", "in", 0x82, 8)
    told = [scene.guest.expect_word("POKED") for _ in range(4)]
    scene.done()
    assert [words[0] for words in told] == ["OK"] * 4
    assert told[0][2] == "speed=low"
    assert "actual=8" in told[2] and "actual=8" in told[3]
    assert scene.low.stats()["wrong_endpoint"] == before["wrong_endpoint"] == 0


def test_keys_of_a_high_speed_keyboard(scene):
    """The test unplugs the other keyboard while the guest runs, so QEMU sends the keys to this one."""
    gone = scene.devices.pop("full-speed keyboard")
    gone.unplug()
    scene.ask("gone", "full-speed keyboard")
    scene.done()
    type_on_keyboard(scene, "high-speed keyboard")


def test_host_has_its_devices_back(scene_keeper):
    scene_keeper.get()
    scene = scene_keeper.finish()
    # The guest has reported port, ids, speed and drivers of each device.
    told = sorted(words[1:4] for words in scene.guest.told("USB"))
    assert told == sorted([device.ids, SPEEDS[name], *([DRIVERS[name]] if name in DRIVERS else [])]
                          for name, device in scene.devices.items())
    assert scene.guest.complaints() == []
    for name, device in scene.devices.items():
        if name in DRIVERS:
            assert scene.await_driver(device) == DRIVERS[name]
