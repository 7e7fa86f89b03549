# SPDX-License-Identifier: MIT
"""The guest reads from a stick what it has written to it."""

import hashlib

import pytest

from harness import images
from harness.controller import Stick

MAKE_FILE_SYSTEM = """
wait_disk sda
printf 'n\\np\\n1\\n2048\\n\\nw\\n' | fdisk -u /dev/sda >/dev/null 2>&1
wait_for "[ -b /dev/sda1 ]"
mkfs.ext4 -q -F /dev/sda1 || die mkfs.ext4
mount -t ext4 /dev/sda1 /mnt || die mount
dd if=/dev/urandom of=/tmp/random bs=1M count=32 2>/dev/null
say MADE $(sha256 /tmp/random)
cp /tmp/random /mnt/random || die cp
umount /mnt || die umount
drop_caches
mount -t ext4 /dev/sda1 /mnt || die second mount
say READ $(sha256 /mnt/random)
umount /mnt || die second umount
"""


def test_file_survives_in_a_new_file_system(controller, boot, tmp_path):
    image = images.empty(tmp_path / "stick.img", 96)
    guest = boot(controller(Stick(image)), MAKE_FILE_SYSTEM).finish()

    made = guest.told_once("MADE")
    assert guest.told_once("READ") == made
    first_partition = 2048 * 512
    images.check_ext4(image, first_partition)
    assert hashlib.sha256(images.file_in_ext4(image, first_partition, "/random")).hexdigest() == made
    assert guest.complaints() == []


COPY_HALF = """
wait_disk sda
dd if=/dev/sda of=/tmp/half bs=1M count=8 iflag=direct 2>/dev/null
dd if=/tmp/half of=/dev/sda bs=1M seek=8 oflag=direct 2>/dev/null
say SUM $(sha256 /tmp/half)
"""


@pytest.mark.usbvfiod_only
def test_vmm_may_wait_for_the_answer_to_each_write(controller, boot, tmp_path):
    """Cloud Hypervisor always waits, QEMU only with this property; else QEMU posts register writes, which get no reply."""
    image = images.filled(tmp_path / "stick.img", 16)
    usb = controller(Stick(image), qemu_properties={"x-no-posted-writes": True})
    guest = boot(usb, COPY_HALF).finish()

    assert guest.told_once("SUM") == images.sha256(image, mib=8) == images.sha256(image, offset_mib=8)
    assert guest.complaints() == []


WRITE_PROTECTED = """
wait_disk sda
say RO $(cat /sys/block/sda/ro)
say SUM $(sha256 /dev/sda)
if dd if=/dev/zero of=/dev/sda bs=4096 count=1 conv=fsync 2>/dev/null; then say WRITE succeeded; else say WRITE failed; fi
drop_caches
say SUM_AFTER $(sha256 /dev/sda)
"""


def test_readonly_stick_is_write_protected(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 4)
    before = images.sha256(image)
    guest = boot(controller(Stick(image, readonly=True)), WRITE_PROTECTED).finish()

    assert guest.told_once("RO") == "1"
    assert guest.told_once("WRITE") == "failed"
    assert guest.told_once("SUM") == guest.told_once("SUM_AFTER") == before == images.sha256(image)


TWO_AT_ONCE = """
wait_disk sda sdb
dd if=/dev/urandom of=/tmp/random bs=1M count=16 2>/dev/null
say WRITTEN $(sha256 /tmp/random)
for disk in sda sdb; do
	dd if=/tmp/random of=/dev/$disk seek=16 bs=1M oflag=direct 2>/dev/null &
	dd if=/dev/$disk bs=1M count=16 iflag=direct 2>/dev/null >/tmp/$disk &
done
wait
drop_caches
for disk in sda sdb; do
	say FIRST_HALF $(sha256 /tmp/$disk)
	say SECOND_HALF $(dd if=/dev/$disk bs=1M skip=16 2>/dev/null | sha256sum | cut -d' ' -f1)
done
"""


def test_two_sticks_and_two_cpus_at_once(controller, boot, tmp_path):
    sticks = [images.filled(tmp_path / f"{seed}.img", 32, seed) for seed in (1, 2)]
    sums = [images.sha256(stick, mib=16) for stick in sticks]
    usb = controller(*(Stick(stick) for stick in sticks))
    guest = boot(usb, TWO_AT_ONCE, cpus=2, memory=768).finish()

    written = guest.told_once("WRITTEN")
    # Which stick becomes sda is the guest's choice.
    assert sorted(words[0] for words in guest.told("FIRST_HALF")) == sorted(sums)
    assert guest.told("SECOND_HALF") == [[written], [written]]
    for stick, first_half in zip(sticks, sums):
        assert images.sha256(stick, mib=16) == first_half
        assert images.sha256(stick, offset_mib=16) == written
    assert guest.complaints() == []
