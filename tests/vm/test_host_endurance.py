# SPDX-License-Identifier: MIT
"""Devices of the host for long: disks that are pulled while a guest writes and reads them: what it was told is written is there.

Some with the mark long, a thousand with soak. USBVFIOD_SEED chooses what is done when; scripts/endurance runs them.
"""

import os
import random
import time
from pathlib import Path

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture
from harness import images

pytestmark = pytest.mark.usbvfiod_only

MIB = 8
# What the daemon may grow by: a transfer's buffer for each disk.
GROWTH_KIB = 1024
# How the disks are plugged in: kind, bus, port. QEMU numbers ports of its xHCI from the USB 2 ones.
DISKS = {"HIGH1": ("stick", "ehci", "1"), "HIGH2": ("stick", "ehci", "2"), "SUPER": ("stick", "xhci", "3"),
         "UAS": ("uas", "xhci", "4")}

# See guest/disk_work.c for what is told.
WORK = f"""
disk_work {MIB} {' '.join(DISKS)} &
hear end
: >/tmp/stop
wait
"""


def figures(usb):
    return {"descriptors": len(usb.fds()), "threads": usb.status("Threads"), "anonymous KiB": usb.rss_kib()}


def idle_ticks(host, usb):
    """Clock ticks of CPU time that it takes in three seconds in which nothing happens."""
    script = f"awk '{{ print $14 + $15 }}' /proc/$(cat {usb.folder}/pid)/stat"
    before = int(host.run(script))
    time.sleep(3)
    return int(host.run(script)) - before


@pytest.mark.soak
@pytest.mark.usefixtures("without_disks")
@pytest.mark.parametrize("removals", [int(os.environ.get("USBVFIOD_REMOVALS", "100"))])
def test_pulled_under_load(host, tmp_path, removals, record_property, request):
    seed = int(os.environ.get("USBVFIOD_SEED", "0")) or random.randrange(1, 1 << 32)
    chance = random.Random(seed)
    build = Path(request.config.getoption("--daemon")).resolve().parent / "tests" / "vm" / "guest"
    print(f"USBVFIOD_SEED={seed}")

    def plug(name):
        kind, bus, port = DISKS[name]
        return getattr(host, f"plug_{kind}")(tmp_path / f"{name}.img", bus, port=port, serial=name)

    for name in DISKS:
        images.empty(tmp_path / f"{name}.img", MIB)
    plugged = {name: plug(name) for name in DISKS}
    usb = host.controller(*plugged.values())
    guest = host.boot(usb, WORK, programs=[build / "disk_work"])
    at_work = []
    before = None
    started = time.monotonic()
    for number in range(removals):
        # Some go on while others are pulled.
        while len(at_work) < 2:
            at_work += guest.expect_word("AT")
        if number == 4:
            before = figures(usb)
        name = chance.choice(at_work)
        at_work.remove(name)
        plugged[name].unplug()
        plugged[name] = plug(name)
        assert guest.told("WRONG") == [] and guest.told("UNTOLD") == []
        if number % 100 == 99:
            print(f"{number + 1} removals in {time.monotonic() - started:.0f} s, {figures(usb)}", flush=True)
    while len(at_work) < len(DISKS):
        at_work += guest.expect_word("AT")
    after = figures(usb)
    guest.say("end")
    done = [guest.expect_word("DONE") for _ in DISKS]
    ticks = idle_ticks(host, usb)
    assert guest.told("WRONG") == [] and guest.told("UNTOLD") == []
    assert sum(int(failed) for *_, failed in done) >= removals
    assert after["descriptors"] == before["descriptors"]
    assert after["threads"] == before["threads"]
    assert after["anonymous KiB"] <= before["anonymous KiB"] + GROWTH_KIB
    assert ticks <= 1
    words = (f"{removals} removals in {time.monotonic() - started:.0f} s, seed {seed}; disk, MiB written, MiB compared, "
             f"failures: {done}; before {before}, after {after}, idle {ticks} ticks in 3 s")
    print(words)
    record_property("figures", words)
    guest.finish()
    usb.stop()


@pytest.fixture
def without_disks(host):
    """The host's drivers for disks are not in the way: they would look for partitions of each that comes."""
    host.run("rmmod uas usb_storage")
    yield
    host.run("modprobe -a usb_storage uas")


@pytest.fixture
def endure(host, request):
    """endure(WORDS...): runs tests/endurance/endure in the host, with the daemon there; returns what it prints."""
    daemon = Path(request.config.getoption("--daemon")).resolve()
    program = host.put(daemon.parent / "tests" / "endurance" / "endure")
    command = host.install(daemon)
    root = command.split()[1]
    host.run(f"cp {program} {root}/")
    # A daemon that notes each write (-Ddma_check=true) is not held to its memory.
    notes = b"every write into guest memory is checked" in daemon.read_bytes()

    def run(*words, timeout_s, growth_kib=GROWTH_KIB, pull=None):
        growth = 1 << 30 if notes else growth_kib
        seed = os.environ.get("USBVFIOD_SEED", "0")
        task = host.start(f"export USBVFIOD=/usbvfiod; exec chroot {root} /endure --seed {seed} --growth {growth} "
                          f"{' '.join(map(str, words))}", timeout_s)
        pulled = 0
        while task.status is None:
            host.glance(0.02)
            if pull and task.output.count("PULL\n") > pulled:
                pulled += 1
                pull()
        text = task.output.replace("PULL\n", "")
        print(text)
        assert task.status == 0, text
        return text

    return run


# The first pulls find more or less with the kernel: what comes back to the daemon's spare buffers is memory that it keeps (4 MiB of
# a device, and malloc() some beside). A daemon that has seen many pulls, and is not killed meanwhile, grows no more.
@pytest.mark.usefixtures("without_disks")
@pytest.mark.parametrize("pulls, kills, growth_kib",
                         [pytest.param(20, 1, 6144, marks=pytest.mark.long),
                          pytest.param(int(os.environ.get("USBVFIOD_PULLS", "1000")), 0, 1024, marks=pytest.mark.soak)])
@pytest.mark.parametrize("bus", ["ehci", "xhci"])
def test_a_stick_is_pulled_under_transfers(host, endure, tmp_path, record_property, bus, pulls, kills, growth_kib):
    """By a driver that is no guest's, without a VM in the VM: for many removals in little time.

    No transfers are taken back, upon which QEMU's sticks forget their command.
    """
    image = images.empty(tmp_path / "stick.img", MIB)
    stick = host.plug_stick(image, bus, port="2", serial="ENDURE")

    def pull():
        nonlocal stick
        stick.unplug()
        stick = host.plug_stick(image, bus, port="2", serial="ENDURE")

    record_property("figures", endure("--device usb:serial=ENDURE --mib 4 --stops 0 --kills", kills, "--pulls", pulls, "stick",
                                      timeout_s=300 + 20 * pulls, growth_kib=growth_kib, pull=pull))


@pytest.mark.usefixtures("without_disks")
@pytest.mark.parametrize("mib", [pytest.param(8, marks=pytest.mark.long), pytest.param(256, marks=pytest.mark.soak)])
def test_a_stick_is_stopped_under_transfers(synthetic, endure, record_property, mib):
    """QEMU's sticks forget their command when a transfer is taken back, so this is another."""
    synthetic.plug("storage", "high", "mib=8", "no-uas", serial="STOPPED")
    record_property("figures", endure("--device usb:serial=STOPPED --mib", mib, "stick", timeout_s=600 + 20 * mib))


# All that is with the kernel may come while there is no client: 4 MiB of an endpoint, kept until there is one.
@pytest.mark.long
@pytest.mark.usefixtures("without_disks")
def test_clients_follow_one_another(synthetic, endure, record_property):
    synthetic.plug("storage", "high", "mib=8", "no-uas", serial="FOLLOWED")
    record_property("figures", endure("--device usb:serial=FOLLOWED --mib 20 --stops 0 --kills 0 --restores 100 stick",
                                      timeout_s=600, growth_kib=6144))


@pytest.mark.parametrize("rounds", [pytest.param(100, marks=pytest.mark.long), pytest.param(5000, marks=pytest.mark.soak)])
def test_a_device_that_never_answers(host, synthetic, endure, record_property, rounds):
    device = synthetic.plug("loopback", "high", serial="STUCK")
    pid = host.run(f"cat {device.name}.pid").strip()
    record_property("figures", endure("--device usb:serial=STUCK --pid", pid, "--rounds", rounds, "stuck",
                                      timeout_s=600 + rounds))
