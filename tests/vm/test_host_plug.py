# SPDX-License-Identifier: MIT
"""usbvfioctl attaches and detaches devices while the guest runs: many times, at each speed, in both dialects."""

import pytest

from harness import images
from harness.nested_control import Log, control, fresh  # noqa: F401 a fixture

pytestmark = pytest.mark.usbvfiod_only

ROUNDS = 20
ROUNDS_BUSY = 16
# How much the daemon's memory may grow in half of these rounds: less than a transfer's buffer for each.
GROWTH_KIB = 384
COUNTS = "disks() { ls /sys/block | grep -c '^sd'; }\n"


# The stick is the only disk; its name may change.
BUSY = """
readable() {
	disk=$(ls /sys/block | grep '^sd')
	[ -b "/dev/$disk" ] && dd if=/dev/$disk of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null
}
say READY
while hear what; do
	case $what in
	read)
		wait_for readable
		# The link contains the number of the SCSI host, which the next stick changes.
		link=$(readlink /sys/block/$disk)
		reading=
		while dd if=/dev/$disk of=/dev/null bs=64k iflag=direct 2>/dev/null; do
			[ -n "$reading" ] || say READING
			reading=yes
		done
		[ -n "$reading" ] || die "cannot be read"
		wait_for '[ "$(readlink /sys/block/$disk)" != "$link" ]'
		say FAILED_AND_GONE ;;
	sum)
		wait_for readable
		say SUM $(sha256 /dev/$disk) ;;
	end) break ;;
	esac
done
"""


@pytest.mark.long
def test_attach_and_detach_again_and_again(host, control, tmp_path):
    sticks = [host.plug_stick(images.filled(tmp_path / f"{bus}.img", 4), bus) for bus in ("uhci", "ehci", "xhci")]
    for stick in sticks:
        stick.await_driver("usb-storage")
    ctl = control()
    guest = host.boot(ctl.usb, COUNTS + """
say READY
while hear what; do
	case $what in
	there) wait_for '[ $(disks) = 1 ]'; say THERE ;;
	away) wait_for '[ $(disks) = 0 ]'; say AWAY ;;
	sum)
		wait_for '[ $(disks) = 1 ]'
		disk=$(ls /sys/block | grep '^sd')
		wait_disk $disk
		say SUM $(sha256 /dev/$disk) ;;
	end) break ;;
	esac
done
""")
    guest.expect_word("READY")
    warm = None
    for number in range(ROUNDS):
        for stick in sticks:
            assert ctl.devices() == []
            ctl.run("attach", fresh(stick).node)
            found = ctl.devices()
            assert [one["state"] for one in found] == ["attached"]
            assert found[0]["place"] == stick.path
            # in the other rounds the detach hits the guest's enumeration
            if number % 4 == 3:
                guest.say("there")
                guest.expect_word("THERE")
            ctl.run("detach", found[0]["id"])
            stick.await_driver("usb-storage")
        if number == 1:
            warm = ctl.usb.fds(), ctl.usb.status("Threads")
    assert (ctl.usb.fds(), ctl.usb.status("Threads")) == warm
    guest.say("away")
    guest.expect_word("AWAY")
    # after all that a stick still works
    ctl.run("attach", fresh(sticks[2]).node)
    guest.say("sum")
    assert guest.expect_word("SUM")[0] == images.sha256(tmp_path / "xhci.img")
    guest.say("end")
    guest.finish()
    ctl.usb.stop()


def test_attached_twice_is_moved(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control("keyboard")
    first = ctl.json("attach", tablet.node)["device"]
    second = ctl.json("attach", fresh(tablet).node)["device"]
    assert second["port"] == first["port"] == 2
    assert [one["id"] for one in ctl.devices()] == ["1", second["id"]]
    ctl.usb.stop()
    tablet.await_driver("usbhid")


def test_the_old_dialect(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control()
    assert ctl.legacy() == []
    ctl.run("--legacy attach", tablet.node)
    tablet.await_driver("usbfs")
    now = fresh(tablet)
    assert [int(number) for number in ctl.legacy()[0].split(":")] == [now.busnum, now.devnum]
    # a second attach first detaches the old one
    ctl.run("--legacy attach", now.node)
    assert len(ctl.legacy()) == 1
    now = fresh(tablet)
    ctl.run("--legacy detach", f"{now.busnum}:{now.devnum}")
    assert ctl.legacy() == []
    ctl.refuses("--legacy detach", f"{now.busnum}:{now.devnum}")
    tablet.await_driver("usbhid")
    ctl.usb.stop()


def test_disk_that_the_host_has_mounted(host, control, tmp_path):
    stick = host.plug_stick(images.filled(tmp_path / "stick.img", 8), bus="ehci")
    stick.await_driver("usb-storage")
    disk = host.disk(stick)
    # before the mount, which host.install() would copy into the root of usbvfioctl
    ctl = control()
    host.run(f"mke2fs -q -F {disk} && mkdir -p /run/mounted && mount -t ext4 {disk} /run/mounted")
    try:
        assert "mounted" in ctl.refuses("attach", stick.node)
        assert stick.driver() == "usb-storage"
        # a daemon does not take it at its start either
        usb = host.controller(stick, "keyboard")
        assert "mounted on" in usb.log_text()
        assert "devices: 1" in usb.log_text()
        assert stick.driver() == "usb-storage"
        usb.stop()
    finally:
        host.run("umount /run/mounted")
    ctl.run("attach", stick.node)
    assert len(ctl.devices()) == 1
    ctl.usb.stop()


class Counts:
    """A daemon's descriptors, threads and memory, read in one command because usb.fds() and so on take longer."""

    def __init__(self, usb):
        self.fds, self.threads, self.kib = map(int, usb.host.run(
            f"cd /proc/$(cat {usb.folder}/pid) && ls fd | wc -l && "
            "awk '/^Threads:|^Anonymous:/ { print $2 }' status smaps_rollup").split())


@pytest.mark.long
def test_detach_while_the_guest_is_busy_with_it(host, control, tmp_path):
    image = images.filled(tmp_path / "stick.img", 1)
    stick = host.plug_stick(image, "ehci")
    stick.await_driver("usb-storage")
    ctl = control("keyboard", options=["-v"])
    log = Log(ctl.usb)
    guest = host.boot(ctl.usb, BUSY)
    guest.expect_word("READY")
    attached = ctl.json("attach", fresh(stick).node)["device"]

    counts = []

    def detach():
        ctl.run("detach", attached["id"])
        stick.await_driver("usb-storage")
        counts.append(Counts(ctl.usb))

    def attach():
        return ctl.json("attach", fresh(stick).node, "--port", str(attached["port"]))["device"]

    def busy():
        guest.say("read")
        guest.expect_word("READING")

    # Detach while the guest reads: the guest sees an error and a disconnect, and the host's driver gets the stick.
    for _ in range(ROUNDS_BUSY):
        busy()
        detach()
        guest.expect_word("FAILED_AND_GONE")
        attached = attach()
    # Attach again while the guest reads: the stick moves, to the same port.
    for _ in range(4):
        busy()
        again = attach()
        assert (again["port"], again["id"] != attached["id"]) == (attached["port"], True)
        guest.expect_word("FAILED_AND_GONE")
        attached = again
    assert [one["id"] for one in ctl.devices()] == ["1", attached["id"]]
    guest.say("sum")
    assert guest.expect_word("SUM") == [images.sha256(image)]
    # Detach while the guest enumerates: this many lines of log after the plug.
    for number in range(8):
        detach()
        log.skip()
        attached = attach()
        log.lines(5 + number)
    guest.say("sum")
    assert guest.expect_word("SUM") == [images.sha256(image)]
    detach()
    assert {(one.fds, one.threads) for one in counts} == {(counts[0].fds, counts[0].threads)}
    # A sum reads ahead and takes more memory than the plain reads, so compare each part with itself.
    kib = [one.kib for one in counts]
    assert kib[ROUNDS_BUSY - 1] <= kib[ROUNDS_BUSY // 2] + GROWTH_KIB, kib
    assert kib[-1] <= kib[ROUNDS_BUSY] + GROWTH_KIB, kib
    guest.say("end")
    guest.finish()
    ctl.usb.stop()
    assert host.run(f"dd if={host.disk(stick)} bs=1M 2>/dev/null | sha256 -").strip() == images.sha256(image)


@pytest.mark.soak
def test_a_thousand_times(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control()
    guest = host.boot(ctl.usb, """
tablet() { ls -d /sys/bus/usb/drivers/usbhid/*:* >/dev/null 2>&1; }
say READY
while hear what; do
	case $what in
	there) wait_for tablet; say THERE ;;
	away) wait_for '! tablet'; say AWAY ;;
	end) break ;;
	esac
done
""")
    guest.expect_word("READY")
    counts = []
    for _ in range(25):
        host.run(f"""
            dev=/sys/bus/usb/devices/{tablet.path}
            for time in $(seq 40); do
                node=$(printf /dev/bus/usb/%03d/%03d $(cat $dev/busnum) $(cat $dev/devnum))
                id=$({ctl.command} --json attach $node | sed 's/.*"id": *"\\([0-9]*\\)".*/\\1/') || exit 1
                # Every fourth time, give the guest time to enumerate the tablet.
                [ $((time % 4)) != 0 ] || usleep 300000
                {ctl.command} detach $id >/dev/null || exit 1
            done""")
        tablet.await_driver("usbhid")
        counts.append(Counts(ctl.usb))
        assert ctl.devices() == []
        guest.say("away")
        guest.expect_word("AWAY")
    ctl.run("attach", fresh(tablet).node)
    guest.say("there")
    guest.expect_word("THERE")
    guest.say("end")
    guest.finish()
    assert {(one.fds, one.threads) for one in counts} == {(counts[0].fds, counts[0].threads)}
    assert counts[-1].kib <= counts[len(counts) // 2].kib + GROWTH_KIB, [one.kib for one in counts]
    ctl.usb.stop()


def test_reset_of_what_was_handed_over(host, control):
    tablet = host.plug("usb-tablet", bus="ehci")
    tablet.await_driver("usbhid")
    ctl = control("keyboard")
    ctl.run("attach", tablet.node, "--port", "4")
    before = ctl.devices()[1]
    ctl.run("reset", before["id"])
    warm = ctl.usb.fds()
    for _ in range(3):
        ctl.run("reset", before["id"])
        now = ctl.devices()[1]
        assert (now["id"], now["port"], now["state"]) == (before["id"], 4, "attached")
        tablet.await_driver("usbfs")
    assert ctl.usb.fds() == warm
    ctl.run("detach", before["id"])
    tablet.await_driver("usbhid")
    ctl.usb.stop()
