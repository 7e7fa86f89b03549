# SPDX-License-Identifier: MIT
"""The test devices work without usbvfiod: usb-poke and the kernel's drivers use them in the host itself."""

import pytest

from devices.synthetic import synthetic  # noqa: F401 a fixture

SPEEDS = ["full", "high", "super"]
ISO_PACKET = {"full": 1023, "high": 1024, "super": 1024}
# The request of vhci-device's kind stall that orders a fault.
FAULT = "control 0x40 1 {what} {endpoint} 0"
STALL, ERROR, SHORT, BABBLE, SILENT, ZERO, MIDDLE = range(1, 8)


@pytest.mark.parametrize("speed", SPEEDS)
def test_loopback(synthetic, speed):
    device = synthetic.plug("loopback", speed)
    results = synthetic.poke(device, "speed", "claim 0", "loop 1 0x81 16384 4 50", "loop 1 0x81 1000 4 30", "in 0x82 8",
                             "unlink 0x81 50 512 4", "echo 1024", "latency 1 0x81 50")
    assert results[0]["speed"] == speed
    assert results[2]["transfers"] == 100
    assert results[5]["taken_back"] == 200
    stats = device.stop()
    assert stats["unlinks"] == stats["ep81_unlinked"] == 200
    assert stats["looped"] == 50 * 16384 + 30 * 1000 + 50 * 512
    assert stats["wrong_endpoint"] == 0


def test_low_speed(synthetic):
    device = synthetic.plug("loopback", "low")
    results = synthetic.poke(device, "speed", "claim 0", "out 3 8", "in 0x82 8")
    assert results[0]["speed"] == "low"
    assert results[3]["actual"] == 8


@pytest.mark.parametrize("speed, options, size", [
    ("full", [], 1023),
    ("high", [], 1024),
    ("high", ["transactions=3", "vary"], 3072),
    ("super", [], 1024),
    ("super", ["burst=3", "mult=1", "interval=2"], 8192),
])
def test_counter(synthetic, speed, options, size):
    device = synthetic.plug("counter", speed, *options)
    results = synthetic.poke(device, "claim 0", "interface 0 1", f"iso-in 0x81 1 8 16 {size}",
                             f"iso-out 1 1 8 16 {size}")
    stats = device.stop()
    # usb-poke fails on a gap. The emulator may run the bus slower than real time, so we demand only 250 packets.
    assert results[2]["packets"] == stats["in_packets"] > 250
    assert results[3]["packets"] == stats["out_packets"] > 250
    assert stats["out_lost"] == stats["out_repeated"] == stats["out_bad"] == 0
    assert stats["out_last"] == results[3]["packets"] - 1


def test_counter_takes_its_time(synthetic):
    device = synthetic.plug("counter", "full")
    result = synthetic.poke(device, "claim 0", "interface 0 1", "iso-in 0x81 1 8 16 64")[2]
    # One packet in a millisecond, never more.
    assert result["packets"] <= result["ms"]


def test_bad_packets_are_noticed(synthetic):
    device = synthetic.plug("counter", "high", "bad-every=100")
    failed = synthetic.host.run(f"usb-poke {device.device.node} claim 0 , interface 0 1 , iso-in 0x81 1", check=False)
    assert "FAIL iso-in" in failed
    assert int(failed.split(" errors=")[1].split()[0]) > 10


@pytest.mark.parametrize("speed", SPEEDS)
def test_big_control_transfers(synthetic, speed):
    device = synthetic.plug("big-control", speed)
    synthetic.poke(device, "pattern-in 65535", "pattern-in 65535 9 100", "pattern-in 1", "pattern-in 512 1",
                   "pattern-out 65535", "pattern-out 1", "echo 65535", "pattern-in 64",
                   "expect EPIPE control 0xc0 0x77 0 0 8")
    assert device.stop()["wrong"] == 0


def test_slow_answers(synthetic):
    device = synthetic.plug("slow", "high", "bulk-ms=200")
    results = synthetic.poke(device, "claim 0", "in 0x81 512", "control 0xc0 1 1500 0 8",
                             "expect ETIMEDOUT control 0xc0 2 0 0 8 300", "control-cancel 0xc0 2 0 0 8 100",
                             "control 0xc0 1 10 0 8")
    assert results[1]["us"] >= 200000
    assert results[2]["ms"] >= 1500
    assert results[4]["early"] == 0
    assert device.stop()["unlinks"] == 2


@pytest.mark.parametrize("speed", SPEEDS)
def test_faults(synthetic, speed):
    device = synthetic.plug("stall", speed)

    def fault(what, endpoint=0x81, after=0):
        return FAULT.format(what=after << 8 | what, endpoint=endpoint)

    synthetic.poke(device, "claim 0", "in 0x81 512",
                   fault(STALL), "expect EPIPE in 0x81 512", "expect EPIPE in 0x81 512", "clear-halt 0x81", "in 0x81 512",
                   fault(ERROR), "expect EPROTO in 0x81 512", "in 0x81 512",
                   fault(SHORT), "in 0x81 512",
                   fault(BABBLE), "expect EOVERFLOW in 0x81 512",
                   fault(SILENT), "expect ETIMEDOUT in 0x81 512 200", fault(0), "in 0x81 512",
                   fault(ZERO), "in 0x81 512",
                   fault(MIDDLE), "expect EPIPE in 0x81 512", "clear-halt 0x81",
                   fault(STALL, 1, after=2), "out 1 512", "out 1 512", "expect EPIPE out 1 512", "clear-halt 1",
                   "out 1 512")
    stats = device.stop()
    assert stats["clear_halt"] == 3
    assert stats["last_cleared"] in (1, "01")
    assert stats["wrong_out"] == 0
    assert stats["taken_out"] == 3 * 512


def test_alternate_settings_and_configurations(synthetic):
    device = synthetic.plug("alternate", "high")
    results = synthetic.poke(device, "claim 0", "claim 1", "expect ENOENT in 0x81 64", "interface 0 1", "in 0x81 4",
                             "in 0x81 4", "interface 0 2", "in 0x81 4", "clear-halt 0x81", "in 0x81 4", "interface 1 1",
                             "in 0x82 4", "expect EINVAL interface 1 2", "counts", "release 0", "release 1",
                             "configuration 2", "claim 0", "in 0x84 4")
    said = [result["bytes"] for result in results if "bytes" in result]
    # Configuration, alternate setting, endpoint, and a counter that a data toggle reset sets to 0.
    assert [str(one).zfill(8) for one in said] == ["01018100", "01018101", "01028100", "01028100", "01018200",
                                                    "02008400"]
    counts = results[13]
    assert (counts["set_interface"], counts["clear_halt"], counts["last_cleared"]) == (3, 1, 0x81)
    stats = device.stop()
    assert stats["set_configuration"] == 2
    assert stats["wrong_endpoint"] == 0


def test_resets_are_counted(synthetic):
    device = synthetic.plug("alternate", "high")
    synthetic.poke(device, "reset", "reset")
    assert device.stats()["resets"] == 2


@pytest.mark.parametrize("speed", SPEEDS)
def test_usbtest(host, synthetic, speed):
    host.run("modprobe usbtest")
    device = synthetic.plug("source-sink", speed, "empty-alt0")
    host.run(f"wait_for 'usb-poke {device.device.node} driver 0 | grep -q driver=usbtest'")
    cases = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25, 26, 29]
    synthetic.poke(device, *(f"usbtest {case} 5 1024 512 8" for case in cases))
    assert device.stop()["wrong_bytes"] == 0
    host.run("rmmod usbtest")


@pytest.mark.parametrize("speed", SPEEDS)
def test_storage(host, synthetic, speed):
    device = synthetic.plug("storage", speed, "mib=4")
    disk = host.disk(device.device)
    assert host.run(f"usb-poke {device.device.node} driver 0").split()[2] == "driver=usb-storage"
    host.run(f"dd if=/dev/urandom of=/tmp/random bs=64k count=32 2>/dev/null; "
             f"dd if=/tmp/random of={disk} bs=64k seek=3 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; "
             f"dd if={disk} bs=64k skip=3 count=32 2>/dev/null | cmp - /tmp/random")
    if speed == "super":
        synthetic.poke(device, "expect EINVAL streams 2 0x83")
    assert device.stop()["uas_transfers"] == 0


# The variants that Linux accepts in spite of their lies.
TAKEN = ["zero-packets", "big-packets", "long-total", "short-total", "head-only", "length-zero", "length-one", "length-over",
         "garbage", "endless", "changing", "duplicates", "conflicts", "odd-numbers", "no-alternate-zero",
         "many-interfaces", "many-alternates", "config-zero", "hub", "counts-lie", "many-configurations", "odd-addresses",
         "strange-classes", "endless-strings", "short-strings", "long-answers"]


def test_hostile_devices_can_be_opened(synthetic):
    for variant in TAKEN:
        device = synthetic.plug("hostile", "high", f"variant={variant}")
        assert device.device.ids == "1209:bad0", variant
        synthetic.poke(device, "descriptors", "string 2")
        device.stop()


def test_a_device_comes_back_as_another(synthetic):
    device = synthetic.plug("hostile", "high", "variant=another-after-reset")
    synthetic.poke(device, "expect ENODEV reset")
    assert synthetic.host.find_ids("1209:bad1").path == device.path


def test_unplug_and_replug(synthetic):
    device = synthetic.plug("loopback", "super")
    first = device.device
    device.unplug()
    assert device.replug().devnum != first.devnum
    synthetic.poke(device, "claim 0", "loop 1 0x81 4096 4 10")
    device.kill()
    synthetic.host.run(f"wait_for '[ ! -e /sys/bus/usb/devices/{device.path} ]'")


def test_gadgets(host, synthetic):
    host.run("modprobe -a usbtest cdc-acm cdc_ether")
    source_sink = synthetic.gadget("ss", "source-sink")
    assert source_sink.speed == "5000"
    host.run(f"wait_for 'usb-poke {source_sink.node} driver 0 | grep -q driver=usbtest'")
    synthetic.poke(source_sink, "usbtest 1 5", "usbtest 2 5", "usbtest 9 5", "usbtest 11 5", "usbtest 13 5")
    loopback = synthetic.gadget("lb", "loopback", "speed=high", "qlen=8", "buflen=4096")
    assert loopback.speed == "480"
    assert synthetic.poke(loopback, "claim 0", "out 2 100", "in 0x81 512")[2]["actual"] == 100
    serial = synthetic.gadget("acm", "acm")
    host.run(f"wait_for '[ -c /dev/ttyACM0 ]'; wait_for 'usb-poke {serial.node} driver 0 | grep -q driver=cdc_acm'")
    host.run("truncate -s 4M /tmp/disk.img")
    storage = synthetic.gadget("disk", "storage", "/tmp/disk.img")
    host.disk(storage)
