# SPDX-License-Identifier: MIT
"""Two daemons share one host: they move, watch and capture a device, and both want it."""

import pytest

from harness import images, pcap
from harness.nested_control import Two, control, fresh  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

MIB = 4
# Reports, each time the test asks, the disk's PCI function and the hash of its content.
WATCH_DISK = """
disks() { ls /sys/block | grep '^sd'; }
look() {
	wait_for '[ -n "$(disks)" ]'
	disk=$(disks)
	wait_disk $disk
	drop_caches
	say DISK $(readlink /sys/block/$disk | sed 's,.*/pci[^/]*/\\([^/]*\\)/.*,\\1,') $(sha256 /dev/$disk)
}
say READY
while hear what; do
	case $what in
	look) look ;;
	away) wait_for '[ -z "$(disks)" ]'; say AWAY ;;
	end) break ;;
	esac
done
"""


def test_two_daemons_and_one_stick(host, control, tmp_path):
    image = images.filled(tmp_path / "stick.img", MIB)
    drive = host.add_drive(image)
    stick = host.plug("usb-storage", bus="ehci", port="3", drive=drive)
    stick.await_driver("usb-storage")
    one, two = [control(qemu_properties={"id": f"usb{number}"}) for number in range(2)]
    guest = host.boot(Two(one.usb, two.usb), WATCH_DISK)
    guest.expect_word("READY")
    seen = one.watch(), two.watch()

    def look():
        guest.say("look")
        controller, total = guest.expect_word("DISK")
        assert total == images.sha256(image)
        return controller

    # Move: the guest finds the stick at the other controller.
    attached = one.json("attach", fresh(stick).node, "--name", "disk")["device"]
    assert seen[0].expect("attached")["device"]["id"] == attached["id"]
    first = look()
    one.run("move", attached["id"], "--to", two.path)
    assert seen[0].expect("detached")["device"]["id"] == attached["id"]
    moved = seen[1].expect("attached")["device"]
    assert (moved["label"], moved["port"]) == (attached["label"], 1)
    assert look() != first
    assert (one.devices(), [device["id"] for device in two.devices()]) == ([], [moved["id"]])

    # Capture while the guest reads.
    before = two.json("stats", moved["id"])["device"]
    file = f"{two.folder}/usb.pcap"
    assert two.json("capture", "start", file)["running"]
    look()
    records = two.json("capture", "status")["records"]
    assert two.json("capture", "stop")["running"] is False
    look()
    after = two.json("stats", moved["id"])["device"]
    assert after["bytes_in"] - before["bytes_in"] >= 2 * MIB << 20
    assert after["transfers"] > before["transfers"] and after["errors"] >= before["errors"]
    host.run(f"mkdir -p /share/files; cp {file} /share/files/")
    capture = pcap.read(host.share / "files" / "usb.pcap")
    bulk = [record for record in capture if record.type == pcap.BULK and record.endpoint & 0x80]
    done = [record for record in bulk if record.kind == "C" and record.status in (0, -121)]
    assert len(capture) >= records > 0
    assert len(bulk) == 2 * len([record for record in bulk if record.kind == "S"])
    assert sum(record.urb_bytes for record in done) >= MIB << 20
    assert any(record.data.startswith(image.read_bytes()[:512]) for record in done)

    # Unplug and plug in again. Daemon `two` was given an open descriptor, so the giver has to attach the stick again.
    host.unplug(stick)
    assert seen[1].expect("gone")["device"]["id"] == moved["id"]
    guest.say("away")
    guest.expect_word("AWAY")
    stick = host.plug("usb-storage", bus="ehci", port="3", drive=drive)
    stick.await_driver("usb-storage")
    again = two.json("attach", stick.node)["device"]
    assert seen[1].expect("attached")["device"]["id"] == again["id"]
    assert look() != first
    assert (seen[0].names(), seen[1].names()) == (["attached", "detached"], ["attached", "gone", "attached"])
    guest.say("end")
    guest.finish()

    # The other daemon wants the stick too: it learns who has it, and gets it in the end.
    assert "a program on the host has it" in one.refuses("attach", fresh(stick).node)
    one.run("rules", "add", "usb:class=storage", "waiter")
    held = seen[0].expect("rule-held")
    assert (held["device"]["rule"], "a program on the host has it" in held["message"]) == ("waiter", True)
    rule = one.rules()["waiter"]
    assert (rule["state"], "a program on the host has it" in rule["why"]) == ("failed", True)
    two.usb.stop()
    assert seen[0].expect("attached")["device"]["rule"] == "waiter"
    assert fresh(stick).driver() == "usbfs"
    one.usb.stop()
    fresh(stick).await_driver("usb-storage")
