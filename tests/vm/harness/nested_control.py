# SPDX-License-Identifier: MIT
"""Control of a daemon in the VM that plays the host: usbvfioctl, also as an agent, and readers of the daemon's log.

A test module imports the fixtures that it uses:

    from harness.nested_control import control, nobody  # noqa: F401 fixtures
"""

import json
import re
import shlex
import signal
from pathlib import Path

import pytest


def fresh(device):
    """The device with its current numbers: a reset may have changed them."""
    return device.host.find_path(device.path)


class Log:
    """The log of a daemon or an agent, with a position up to which the test has read it."""

    def __init__(self, one):
        """one: an object with a host and a task, such as a controller or an Agent."""
        self.host = one.host
        self.file = f"/share/tasks/{one.task.number}.out"
        self.seen = 0

    def expect(self, words):
        """Wait for a matching line after the last match; returns it."""
        words = shlex.quote(words)
        found = self.host.run(f"file={self.file} from={self.seen + 1} words={words}\n"
                              "wait_for 'tail -n +$from $file | grep -q \"$words\"'\n"
                              "tail -n +$from $file | grep -n -m 1 \"$words\"").strip()
        number, line = found.split(":", 1)
        self.seen += int(number)
        return line

    def skip(self):
        """Ignore everything logged so far."""
        self.seen = int(self.host.run(f"wc -l <{self.file}"))

    def lines(self, count):
        """Wait for this many new lines, whatever they say."""
        self.host.run(f"wait_for '[ $(wc -l <{self.file}) -ge {self.seen + count} ]'")

    def port(self):
        """Wait until a device is plugged in; returns its port."""
        return int(re.search(r" port (\d+): ", self.expect("INFO port [0-9]*: ")).group(1))


class Agent:
    """usbvfioctl agent. It ends with the test."""

    def __init__(self, control, *rules):
        self.host = control.host
        self.pid_file = f"{control.folder}/agent-{next(self.host.numbers)}.pid"
        self.task = self.host.start(f"echo $$ >{self.pid_file}\nexec {control.command} agent {shlex.join(rules)}\n")
        control.agents.append(self)
        self.log = Log(self)
        self.log.expect("connected to the daemon")

    def kill(self, number=signal.SIGKILL):
        self.host.run(f"kill -{int(number)} $(cat {self.pid_file})")
        self.task.wait()

    def stop(self):
        if self.task.status is None:
            self.kill(signal.SIGTERM)
            assert self.task.status == 0, self.task.output


class Watch:
    """usbvfioctl watch. It ends with its daemon."""

    def __init__(self, control):
        self.host = control.host
        sockets = len(control.usb.fds())
        self.task = self.host.start(f"exec {control.command} --json watch")
        self.log = Log(self)
        # The watch prints nothing until something happens. Once it is connected, the daemon serves it before later
        # clients.
        control.await_fds(sockets + 1)
        control.devices()

    def expect(self, name):
        """Wait for the next event of that name; returns it."""
        return json.loads(self.log.expect(f'"event":"{name}"'))

    def names(self):
        """The events so far."""
        return [json.loads(line)["event"] for line in self.task.output.splitlines()]


class Two:
    """Two daemons, each with a controller, for one guest."""

    def __init__(self, *controllers):
        self.controllers = controllers

    def qemu_arguments(self):
        return [word for one in self.controllers for word in one.qemu_arguments()]


class Control:
    """usbvfioctl and the daemon that it controls, self.usb."""

    def __init__(self, host, program, devices=(), start=None, options=(), **arguments):
        """start: called instead of host.controller()."""
        self.host = host
        self.folder = f"/run/control-{next(host.numbers)}"
        # Any user may run the daemon.
        host.run(f"mkdir -m 777 {self.folder}")
        self.path = f"{self.folder}/control.sock"
        self.program = host.install(program)
        self.command = f"{self.program} --socket {self.path}"
        self.agents = []
        self.start = lambda: (start or host.controller)(
            *devices, options=["--hotplug-socket-path", self.path, *options], **arguments)
        self.usb = self.start()

    def restart(self):
        """Start another daemon on the same socket; it knows nothing of the previous one."""
        self.usb = self.start()

    def run(self, *words):
        return self.host.run(f"{self.command} {' '.join(words)}")

    def refuses(self, *words):
        """Demand exit status 1; returns the output."""
        return self.host.run(f"{self.command} {' '.join(words)} 2>&1; [ $? = 1 ]")

    def json(self, *words):
        return json.loads(self.run("--json", *words))

    def devices(self):
        return self.json("list")["devices"]

    def rules(self):
        """{id: the daemon's description of the rule}"""
        return {rule["rule_id"]: rule for rule in self.json("rules", "list")["rules"]}

    def legacy(self):
        """BUS:DEV of all devices in the list of the legacy dialect."""
        lines = [line.split() for line in self.run("--legacy list").splitlines()]
        return [":".join(words) for words in lines if words[0].isdigit()]

    def agent(self, *rules):
        return Agent(self, *rules)

    def watch(self):
        return Watch(self)

    def await_fds(self, count):
        """Wait until the daemon has at least this many file descriptors open."""
        self.host.run(f"pid=$(cat {self.usb.folder}/pid); wait_for '[ $(ls /proc/$pid/fd | wc -l) -ge {count} ]'")

    def kill(self):
        """Kill the daemon, as the OOM killer would."""
        self.usb.signal(signal.SIGKILL)
        self.usb.task.wait()
        self.usb.stopped = True


@pytest.fixture
def control(host, request):
    """control(DEVICE..., start=..., options=...): a Control."""
    program = Path(request.config.getoption("--daemon")).with_name("usbvfioctl")
    started = []

    def start(*devices, **arguments):
        started.append(Control(host, program, devices, **arguments))
        return started[-1]

    yield start
    for one in started:
        for agent in one.agents:
            agent.stop()


# Enters the daemon's chroot and becomes the user nobody, with the node $NODE, if set, open as file descriptor 5.
AS_NOBODY = """#!/bin/sh
[ -z "$NODE" ] || exec 5<>"$NODE"
chown -R 65534:65534 "${NOTIFY_SOCKET%/*}"
root=$2
cp /bin/busybox "$root/"
mkdir -p "$root/etc"
echo nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
echo nogroup:x:65534: >"$root/etc/group"
program=$3
shift 3
exec chroot "$root" /busybox start-stop-daemon -S -c nobody:nogroup -x "$program" -- "$@"
"""


@pytest.fixture
def nobody(host):
    """nobody(DEVICE..., node="", ...): the daemon of an unprivileged user, with that node open as descriptor 5."""
    host.run(f"cat >/tmp/as-nobody <<'END'\n{AS_NOBODY}\nEND\nchmod 755 /tmp/as-nobody")

    def start(*devices, node="", **arguments):
        usb = host.controller(*devices, launcher=["env", f"NODE={node}", "/tmp/as-nobody"], **arguments)
        assert usb.status("Uid") == 65534
        assert usb.status("CapEff") == 0
        return usb

    return start
