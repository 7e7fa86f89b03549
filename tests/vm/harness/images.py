# SPDX-License-Identifier: MIT
"""Images for sticks, made and checked on the host without mounting anything."""

import hashlib
import os
import random
import struct
import subprocess
from pathlib import Path

MIB = 1 << 20

# Debian keeps the file system tools outside a user's PATH.
os.environ["PATH"] += ":/usr/sbin:/sbin"


def empty(path, mib):
    with open(path, "wb") as file:
        file.truncate(mib * MIB)
    return path


def filled(path, mib, seed=1):
    """An image of random bytes, the same for the same seed."""
    generator = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(generator.randbytes(MIB))
    return path


def sha256(path, offset_mib=0, mib=None):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(offset_mib * MIB)
        while mib is None or mib > 0:
            block = file.read(MIB)
            if not block:
                break
            digest.update(block)
            mib = None if mib is None else mib - 1
    return digest.hexdigest()


def check_ext4(path, offset):
    """Demand a sound ext4 file system at that offset (in bytes)."""
    result = subprocess.run(["e2fsck", "-fn", f"{path}?offset={offset}"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def file_in_ext4(path, offset, name):
    """The content of a file of an ext4 file system at that offset (in bytes)."""
    return subprocess.run(["debugfs", "-R", f"cat {name}", f"{path}?offset={offset}"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout


def bootable(path, rig, initramfs):
    """A stick with GRUB in the gap after the partition table, and kernel and initramfs in a FAT partition."""
    mib, start = 64, 2048
    empty(path, mib)
    subprocess.run(["mkfs.vfat", "-F", "32", "--offset", str(start), path, str((mib - 2) * 1024)], check=True,
                   stdout=subprocess.DEVNULL)
    fat = f"{path}@@{start * 512}"
    subprocess.run(["mcopy", "-i", fat, Path(rig) / "vmlinuz", "::/vmlinuz"], check=True)
    subprocess.run(["mcopy", "-i", fat, initramfs, "::/initrd"], check=True)

    boot = bytearray((Path(rig) / "grub" / "boot.img").read_bytes())
    core = bytearray((Path(rig) / "grub" / "core.img").read_bytes())
    # boot.img gets the sector of core.img at 0x5c, the BIOS's drive number at 0x64 (0xff: the drive booted from), and
    # no-ops in place of its jump over a floppy work-around. A partition table with one active FAT32 partition replaces
    # the code for floppies.
    boot[446:512] = bytes(66)
    struct.pack_into("<Q", boot, 0x5C, 1)
    boot[0x64] = 0xFF
    boot[0x66:0x68] = b"\x90\x90"
    struct.pack_into("<BBBBBBBBII", boot, 446, 0x80, 0xFE, 0xFF, 0xFF, 0x0C, 0xFE, 0xFF, 0xFF, start, (mib - 2) * 2048)
    boot[510:512] = b"\x55\xaa"
    # The end of core.img's first sector locates the other sectors: start, count, segment to load them to.
    struct.pack_into("<QHH", core, 0x1F4, 2, (len(core) + 511) // 512 - 1, 0x820)
    with open(path, "r+b") as file:
        file.write(boot)
        file.write(core)
    return path
