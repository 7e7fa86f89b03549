# SPDX-License-Identifier: MIT
"""Devices of the host in long use: unplugging a disk loses no write that the guest has seen complete.

A few removals run with the mark long, a thousand with soak. USBVFIOD_SEED chooses their order; scripts/endurance runs
the soak tests.
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
# How much the daemon's memory may grow: a transfer's buffer for each disk.
GROWTH_KIB = 1024
# Where to plug in the disks: kind, bus, port. QEMU numbers the USB 2 ports of its xHCI first.
DISKS = {"HIGH1": ("stick", "ehci", "1"), "HIGH2": ("stick", "ehci", "2"), "SUPER": ("stick", "xhci", "3"),
         "UAS": ("uas", "xhci", "4")}

# guest/disk_work.c documents what it prints.
WORK = f"""
disk_work {MIB} {' '.join(DISKS)} &
hear end
: >/tmp/stop
wait
"""


def figures(usb):
    return {"descriptors": len(usb.fds()), "threads": usb.status("Threads"), "anonymous KiB": usb.rss_kib()}


def idle_ticks(host, usb):
    """Clock ticks of CPU time that the daemon uses in three idle seconds."""
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
        # At least one disk stays at work while another is unplugged.
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
    """Remove the host's disk drivers, which would read the partitions of each new disk."""
    host.run("rmmod uas usb_storage")
    yield
    host.run("modprobe -a usb_storage uas")


@pytest.fixture
def endure(host, request):
    """endure(WORDS...): run tests/endurance/endure with the daemon in the host; returns what it prints."""
    daemon = Path(request.config.getoption("--daemon")).resolve()
    program = host.put(daemon.parent / "tests" / "endurance" / "endure")
    command = host.install(daemon)
    root = command.split()[1]
    host.run(f"cp {program} {root}/")
    # A daemon that records each write (-Ddma_check=true) may grow without limit.
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


# At the first removals the number of submitted transfers varies. The daemon keeps their buffers as spare ones when they
# return: up to 4 MiB for a device, and malloc() keeps some memory too. After many removals without a kill the daemon
# stops growing.
@pytest.mark.usefixtures("without_disks")
@pytest.mark.parametrize("pulls, kills, growth_kib",
                         [pytest.param(20, 1, 6144, marks=pytest.mark.long),
                          pytest.param(int(os.environ.get("USBVFIOD_PULLS", "1000")), 0, 1024, marks=pytest.mark.soak)])
@pytest.mark.parametrize("bus", ["ehci", "xhci"])
def test_a_stick_is_pulled_under_transfers(host, endure, tmp_path, record_property, bus, pulls, kills, growth_kib):
    """endure drives the controller instead of a nested guest, so the test does many removals in little time.

    --stops 0, because QEMU's sticks forget their command when a transfer is unlinked.
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
    """QEMU's sticks forget their command when a transfer is unlinked, so this test uses a synthetic one."""
    synthetic.plug("storage", "high", "mib=8", "no-uas", serial="STOPPED")
    record_property("figures", endure("--device usb:serial=STOPPED --mib", mib, "stick", timeout_s=600 + 20 * mib))


# All submitted transfers may complete while there is no client. The daemon keeps up to 4 MiB for an endpoint until a
# client comes.
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
