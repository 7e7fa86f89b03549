# SPDX-License-Identifier: MIT
"""Fixtures of the VM tests.

pytest tests/vm [--daemon PATH] [--controller usbvfiod|qemu-xhci]
"""

import subprocess
from pathlib import Path

import pytest

from harness.controller import CONTROLLERS
from harness.machine import Machine

PROJECT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    group = parser.getgroup("usbvfiod")
    group.addoption("--daemon", default=str(PROJECT / "build" / "usbvfiod"), help="the usbvfiod to test")
    group.addoption("--controller", choices=sorted(CONTROLLERS), default="usbvfiod",
                    help="qemu-xhci: QEMU's own controller instead, to test the tests")


def pytest_configure(config):
    config.addinivalue_line("markers", "usbvfiod_only: not for QEMU's own controller")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--controller") == "usbvfiod":
        return
    for item in items:
        if item.get_closest_marker("usbvfiod_only"):
            item.add_marker(pytest.mark.skip(reason="QEMU's own controller cannot do that"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Adds the end of each log to the report of a failed test."""
    report = (yield).get_result()
    if not report.failed:
        return
    for log in getattr(item, "logs", []):
        if log.exists():
            lines = log.read_text(errors="replace").splitlines()
            report.sections.append((str(log), "\n".join(lines[-40:])))


@pytest.fixture(scope="session")
def rig():
    """The folder with QEMU, kernel and initramfs."""
    result = subprocess.run([PROJECT / "scripts" / "rig"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        pytest.exit("scripts/rig failed", returncode=1)
    return Path(result.stdout.strip())


@pytest.fixture
def controller(request, tmp_path):
    """controller(DEVICE..., options=[...], qemu_properties={...}): a USB controller with these devices plugged in.

    The options are usbvfiod's, the properties those of QEMU's vfio-user-pci.
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
    """boot(CONTROLLER, JOB, ...): a running VM; the further arguments are Machine's."""
    # Depends on the controller's fixture so that the VM ends before the daemon does.
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
