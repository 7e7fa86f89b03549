# SPDX-License-Identifier: MIT
"""Fixtures of the VM tests.

pytest tests/vm [--daemon PATH] [--controller usbvfiod|qemu-xhci] [--rounds N]
"""

import subprocess
import warnings
from pathlib import Path

import pytest

from harness.controller import CONTROLLERS
from harness.machine import Machine
from harness.nested import Host, HostError
from harness.nested_controller import NESTED_CONTROLLERS

PROJECT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    group = parser.getgroup("usbvfiod")
    group.addoption("--daemon", default=str(PROJECT / "build" / "usbvfiod"), help="the usbvfiod to test")
    group.addoption("--controller", choices=sorted(CONTROLLERS), default="usbvfiod",
                    help="qemu-xhci: QEMU's own controller (and usb-host) instead, to test the tests")
    group.addoption("--rounds", type=int, default=1, help="run each test this many times, to hunt for rare failures")


def pytest_generate_tests(metafunc):
    rounds = metafunc.config.getoption("--rounds")
    if rounds > 1:
        metafunc.fixturenames.append("one_round")
        metafunc.parametrize("one_round", range(rounds))


def pytest_configure(config):
    config.addinivalue_line("markers", "usbvfiod_only: skipped with QEMU's own controller")
    config.addinivalue_line("markers", "nested: runs in a VM that plays the host; set for each test that uses the fixture host")
    config.addinivalue_line("markers", "long: takes a minute or more; run by scripts/check --long, which CI calls")
    config.addinivalue_line("markers", "soak: takes many minutes; run by scripts/check --soak")
    config.addinivalue_line("markers", "sanitized: a nested test that also runs with the sanitized usbvfiod")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "host_keeper" in item.fixturenames:
            item.add_marker(pytest.mark.nested)
    if config.getoption("--controller") == "usbvfiod":
        return
    for item in items:
        if item.get_closest_marker("usbvfiod_only"):
            item.add_marker(pytest.mark.skip(reason="QEMU's own controller cannot do that"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Add the end of each log to the report of a failed test."""
    report = (yield).get_result()
    if not report.failed:
        return
    item.failed = True
    for log in getattr(item, "logs", []):
        if log.exists():
            lines = log.read_text(errors="replace").splitlines()
            report.sections.append((str(log), "\n".join(lines[-40:])))
    host = getattr(item, "host", None)
    if host is not None:
        try:
            words = "\n".join(host.kernel_log().splitlines()[-40:])
        except (AssertionError, OSError) as error:
            words = str(error)
        report.sections.append(("the host's kernel", words))


@pytest.fixture(scope="session")
def rig():
    """The folder that holds QEMU, the kernel and the initramfs."""
    result = subprocess.run([PROJECT / "scripts" / "rig"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        pytest.exit("scripts/rig failed", returncode=1)
    return Path(result.stdout.strip())


@pytest.fixture
def controller(request, tmp_path):
    """controller(DEVICE..., options=[...], qemu_properties={...}): a USB controller with these devices plugged in.

    options go to usbvfiod, qemu_properties to QEMU's vfio-user-pci.
    """
    kind = CONTROLLERS[request.config.getoption("--controller")]
    started = []
    request.node.logs = getattr(request.node, "logs", [])

    def start(*devices, options=(), **properties):
        log = tmp_path / f"usbvfiod-{len(started)}.log"
        request.node.logs.append(log)
        started.append(kind(request.config.getoption("--daemon"), devices, log, options, **properties))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def boot(request, rig, tmp_path, controller):
    """boot(CONTROLLER, JOB, ...): a running VM; further arguments go to Machine."""
    # Depends on the fixture controller so that the VM ends before the daemon does.
    machines = []
    request.node.logs = getattr(request.node, "logs", [])

    def start(usb, job="", **arguments):
        machine = Machine(rig, tmp_path / f"vm{len(machines)}", usb, job, **arguments)
        request.node.logs.append(machine.log)
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        machine.close()


class HostKeeper:
    """The host that the tests of a module share; the first test that asks boots it."""

    def __init__(self, rig, factory, kind, arguments):
        self.rig = rig
        self.factory = factory
        self.kind = kind
        self.arguments = arguments
        self.host = None

    def get(self):
        if self.host is None:
            try:
                self.host = self._boot()
            except HostError as error:
                # Emulation on a loaded machine may time out: retry once, with a warning.
                warnings.warn(f"the host VM did not boot, trying again: {error}")
                self.host = self._boot()
        return self.host

    def _boot(self):
        return Host(self.rig, self.factory.mktemp("host"), self.kind, **self.arguments)

    def drop(self):
        if self.host is not None:
            self.host.close()
        self.host = None


@pytest.fixture(scope="module")
def host_keeper(request, rig, tmp_path_factory):
    kind = NESTED_CONTROLLERS[request.config.getoption("--controller")], request.config.getoption("--daemon")
    keeper = HostKeeper(rig, tmp_path_factory, kind, getattr(request.module, "HOST", {}))
    yield keeper
    keeper.drop()


@pytest.fixture
def host(request, host_keeper):
    """The VM that plays the host of passthrough; see harness/nested.py.

    A module may define HOST, a dictionary of arguments for Host.
    """
    one = host_keeper.get()
    request.node.logs = getattr(request.node, "logs", [])
    one.logs = request.node.logs
    one.logs.append(one.log)
    yield one
    try:
        one.tidy()
    except BaseException:
        host_keeper.drop()
        raise
    if getattr(request.node, "failed", False):
        host_keeper.drop()
