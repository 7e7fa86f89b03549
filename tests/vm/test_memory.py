# SPDX-License-Identifier: MIT
"""A guest with memory above 4 GiB: the controller gets addresses that need 64 bits (AC64)."""

from harness import images
from harness.controller import Stick

# Linux prefers the zone "Normal", above 4 GiB, for the pages of a disk's data.
USE_HIGH_MEMORY = """
wait_disk sda
pages_above_4g() {
	awk '/^Node/ { zone = $4 } zone == "Normal" && $1 == "nr_zone_inactive_file" { print $2 }' /proc/zoneinfo
}
# The open descriptor keeps the stick's pages in the cache.
exec 3</dev/sda
before=$(pages_above_4g)
say SUM $(sha256 /dev/sda)
say HIGH_MIB $((($(pages_above_4g) - before) / 256))
dd if=/dev/sda of=/tmp/half bs=1M count=32 2>/dev/null
dd if=/tmp/half of=/dev/sda bs=1M seek=32 oflag=direct 2>/dev/null
say BOUNCED_MOST $(cat /sys/kernel/debug/swiotlb/io_tlb_used_hiwater)
say DMA_BITS $(cat /sys/bus/pci/devices/$(xhci_address)/dma_mask_bits)
"""


def test_transfers_above_4_gib(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 64)
    before = images.sha256(image)
    guest = boot(controller(Stick(image)), USE_HIGH_MEMORY, memory=6144).finish()

    assert guest.told_once("SUM") == before
    assert int(guest.told_once("HIGH_MIB")) >= 60
    assert guest.told_once("DMA_BITS") == "64"
    assert guest.told_once("BOUNCED_MOST") == "0"
    assert images.sha256(image, offset_mib=32) == images.sha256(image, mib=32)
    assert guest.complaints() == []
