# SPDX-License-Identifier: MIT
"""Disks of the host, passed through: they contain what a guest has written."""

import hashlib

import pytest

from harness import images

MAKE_FILE_SYSTEM = """
wait_disk sda
printf 'n\\np\\n1\\n2048\\n\\nw\\n' | fdisk -u /dev/sda >/dev/null 2>&1
wait_for "[ -b /dev/sda1 ]"
mkfs.ext4 -q -F /dev/sda1 || die mkfs.ext4
mount -t ext4 /dev/sda1 /mnt || die mount
dd if=/dev/urandom of=/tmp/random bs=1M count=MIB 2>/dev/null
say MADE $(sha256 /tmp/random)
cp /tmp/random /mnt/random || die cp
umount /mnt || die umount
drop_caches
mount -t ext4 /dev/sda1 /mnt || die second mount
say READ $(sha256 /mnt/random)
umount /mnt || die second umount
report_usb
"""

# Full speed reaches at most one megabyte per second.
BUSES = {
    "full": ("uhci", "12", 2),
    "high": ("ehci", "480", 32),
    "super": ("xhci", "5000", 32),
}


def make_file_system(host, disk, image, speed, mib):
    """Let a guest write a file on that disk of the host; demand that guest, host and image agree on it."""
    # Let the host's driver finish probing, so that the daemon does not detach it in an odd state.
    host.disk(disk)
    usb = host.controller(disk)
    guest = host.boot(usb, MAKE_FILE_SYSTEM.replace("MIB", str(mib)))
    guest.finish()
    made = guest.told_once("MADE")
    assert guest.told_once("READ") == made
    assert [words[1:3] for words in guest.told("USB")] == [[disk.ids, speed]]
    assert guest.complaints() == []
    usb.stop()

    # The host's own driver has the disk again and reads what the guest wrote.
    assert host.run(f"sha256 {host.disk(disk)}").strip() == images.sha256(image)
    first_partition = 2048 * 512
    images.check_ext4(image, first_partition)
    assert hashlib.sha256(images.file_in_ext4(image, first_partition, "/random")).hexdigest() == made


@pytest.mark.parametrize("speed", [pytest.param("full", marks=pytest.mark.long),
                                   pytest.param("high", marks=pytest.mark.sanitized), "super"])
def test_file_survives_on_a_stick(host, tmp_path, speed):
    bus, megabits, mib = BUSES[speed]
    image = images.empty(tmp_path / "stick.img", 64)
    stick = host.plug_stick(image, bus)
    assert stick.speed == megabits
    make_file_system(host, stick, image, megabits, mib)


@pytest.mark.parametrize("speed", [pytest.param("high", marks=pytest.mark.long),
                                   pytest.param("super", marks=pytest.mark.sanitized)])
def test_file_survives_on_a_uas_disk(host, tmp_path, speed):
    bus, megabits, mib = BUSES[speed]
    image = images.empty(tmp_path / "disk.img", 64)
    disk = host.plug_uas(image, bus)
    make_file_system(host, disk, image, megabits, mib)


EIGHT_AT_ONCE = """
disks="sda sdb sdc sdd sde sdf sdg sdh"
wait_disk $disks
dd if=/dev/urandom of=/tmp/random bs=1M count=4 2>/dev/null
say WRITTEN $(sha256 /tmp/random)
for disk in $disks; do
	dd if=/tmp/random of=/dev/$disk seek=4 bs=1M oflag=direct 2>/dev/null &
	dd if=/dev/$disk bs=1M count=4 iflag=direct 2>/dev/null >/tmp/$disk &
done
wait
drop_caches
for disk in $disks; do
	say FIRST_HALF $(sha256 /tmp/$disk)
	say SECOND_HALF $(dd if=/dev/$disk bs=1M skip=4 2>/dev/null | sha256sum | cut -d' ' -f1)
done
"""


def test_eight_sticks_at_once(host, tmp_path):
    sticks = [images.filled(tmp_path / f"{seed}.img", 8, seed) for seed in range(8)]
    sums = [images.sha256(stick, mib=4) for stick in sticks]
    # Five are at super speed, three at high speed.
    devices = [host.plug_stick(stick, "xhci" if number < 5 else "ehci") for number, stick in enumerate(sticks)]
    for device in devices:
        host.disk(device)
    usb = host.controller(*devices)
    guest = host.boot(usb, EIGHT_AT_ONCE).finish()
    usb.stop()

    written = guest.told_once("WRITTEN")
    # Which stick becomes sda is the guest's choice.
    assert sorted(words[0] for words in guest.told("FIRST_HALF")) == sorted(sums)
    assert guest.told("SECOND_HALF") == [[written]] * 8
    for stick, first_half in zip(sticks, sums):
        assert images.sha256(stick, mib=4) == first_half
        assert images.sha256(stick, offset_mib=4) == written
    assert guest.complaints() == []


AN_IMAGE = """
wait_disk sda
say SUM $(sha256 /dev/sda)
if [ "$(cat /sys/block/sda/ro)" = 0 ]; then
	dd if=/dev/urandom of=/tmp/random bs=64k count=8 2>/dev/null
	dd if=/tmp/random of=/dev/sda bs=64k conv=fsync 2>/dev/null || die write
	drop_caches
	dd if=/dev/sda bs=64k count=8 2>/dev/null | cmp - /tmp/random || die compare
	say WRITTEN $(sha256 /dev/sda)
fi
"""


@pytest.mark.parametrize("readonly", ["", ",readonly"], ids=["writable", "readonly"])
def test_block_device_as_image(host, tmp_path, readonly):
    """A disk of the host as the image of an emulated stick, in the daemon's sandbox."""
    image = images.filled(tmp_path / "disk.img", 8)
    before = images.sha256(image)
    disk = host.disk(host.plug_stick(image))
    usb = host.controller(f"stick:file={disk}{readonly}")
    guest = host.boot(usb, AN_IMAGE).finish()
    assert guest.told_once("SUM") == before
    assert guest.complaints() == []
    usb.stop()
    assert images.sha256(image) == (before if readonly else guest.told_once("WRITTEN"))
