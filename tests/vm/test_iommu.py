# SPDX-License-Identifier: MIT
"""A guest with a virtual IOMMU maps each transfer's memory page by page, and its address space ends when it reboots."""

import pytest

from harness import images
from harness.controller import Stick

# The first byte of the stick counts the boots. Each kernel switches the IOMMU off and on, and allocates its own rings.
REBOOT_ONCE = """
wait_disk sda
boots=$(dd if=/dev/sda bs=1 count=1 2>/dev/null)
say BOOTED $boots
say GROUPS $(ls /sys/kernel/iommu_groups | wc -l)
say SUM $(dd if=/dev/sda bs=1M skip=1 2>/dev/null | sha256sum | cut -d' ' -f1)
if [ "$boots" -lt 1 ]; then
	printf $((boots + 1)) | dd of=/dev/sda bs=1 conv=notrunc 2>/dev/null
	sync
	reboot -f
fi
"""


@pytest.mark.usbvfiod_only
def test_guest_with_an_iommu_reboots_and_finds_its_data(controller, boot, tmp_path):
    image = images.filled(tmp_path / "stick.img", 8)
    with open(image, "r+b") as file:
        file.write(b"0")
    guest = boot(controller(Stick(image)), REBOOT_ONCE, reboots=True, iommu=True,
                 options="intel_iommu=on iommu=nopt iommu.strict=1").finish()

    assert guest.told("BOOTED") == [["0"], ["1"]]
    assert all(int(count) > 0 for (count,) in guest.told("GROUPS"))
    assert guest.told("SUM") == [[images.sha256(image, offset_mib=1)]] * 2
    assert guest.complaints() == []
