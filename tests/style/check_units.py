#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The systemd units are right: systemd-analyze reports nothing and their exposure is within its limit; their numbers are those of the
source; and the service allows every system call that the daemon's sandbox allows.

The tests func-unit-* show that the daemon works under the service's filter.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tree

# Ten times the exposure level that "systemd-analyze security" may report, with some room because versions rate differently.
EXPOSURE = {"usbvfiod@.service": 18, "usbvfioctl-agent@.service": 22}


def run(*command):
    """The output of the command if it fails, otherwise an empty string."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.stdout.strip() if result.returncode else ""


def verify(folder, built, build):
    """systemd-analyze's findings in the units, which it reads with the paths of the programs in the build folder."""
    findings = []
    for source in built:
        text = re.sub(r"(?m)^(Exec\w+=)\S+/(usbvfiod|usbvfioctl)\b", rf"\1{build}/\2", source.read_text())
        (folder / source.name).write_text(text)
    paths = [str(folder / source.name) for source in built]
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # ignore findings in other units of this machine
    findings += [line for line in result.stdout.splitlines() if "usbvfio" in line]
    for name, limit in EXPOSURE.items():
        text = run("systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={limit}", str(folder / name))
        if text:
            findings.append(f"{name}: {text.splitlines()[-1]} (the limit is {limit / 10})")
    return findings


def groups():
    """{"@aio": [...]}: systemd's groups of system calls."""
    found, group = {}, None
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    for line in text.splitlines():
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if line.startswith("@"):
            group = found.setdefault(word, [])
        elif group is not None:
            group.append(word)
    return found


def expand(word, known):
    if not word.startswith("@"):
        return {word}
    if word not in known:
        raise ValueError(f"there is no group {word}")
    return set().union(*(expand(member, known) for member in known[word]))


def calls_allowed(unit, known):
    """The system calls that SystemCallFilter= allows."""
    calls = expand("@default", known)
    for value in re.findall(r"(?m)^SystemCallFilter=(.*)$", unit):
        words = set().union(*(expand(word, known) for word in value.lstrip("~").split()))
        calls = calls - words if value.startswith("~") else calls | words
    return calls


def calls_wanted(source):
    """The system calls that sandbox/calls.c allows, with any or with certain arguments."""
    listed = re.search(r"\ballowed\[\] = \{(.*?)\n\};", source, re.S)
    checked = re.search(r"\nstatic int add_checked\(.*?\n\}", source, re.S)
    wanted = set(re.findall(r"SCMP_SYS\((\w+)\)", listed.group(1))) if listed else set()
    return wanted | set(re.findall(r"SCMP_SYS\((\w+)\)", checked.group(0))) if checked else set()


def check_numbers(root, unit):
    findings = []
    for name, path, define in (("LimitNOFILE", "src/daemon/fd_limit.h", "FD_LIMIT_NEED"),
                               ("RestartPreventExitStatus", "src/daemon/main.c", "EXIT_WRONG_USAGE")):
        wanted = re.search(rf"#define {define}\s+(\d+)", (root / path).read_text())
        there = re.search(rf"(?m)^{name}=(\d+)$", unit)
        if not wanted or not there or wanted.group(1) != there.group(1):
            findings.append(f"usbvfiod@.service: {name}= is not {define} of {path}")
    return findings


def main():
    args = tree.arguments(__doc__, build="the build folder, which has contrib and the programs")
    build = Path(args.build).resolve()
    if not shutil.which("systemd-analyze"):
        print("systemd-analyze is not installed")
        sys.exit(tree.SKIP)
    built = [build / "contrib/usbvfiod@.service", build / "contrib/usbvfioctl-agent@.service",
             args.root / "contrib/systemd/usbvfiod@.socket"]
    unit = built[0].read_text()
    with tempfile.TemporaryDirectory(prefix="check_units-") as folder:
        findings = verify(Path(folder), built, build)
    findings += check_numbers(args.root, unit)
    try:
        allowed = calls_allowed(unit, groups())
    except ValueError as error:
        findings.append(f"usbvfiod@.service: {error}")
        allowed = None
    wanted = calls_wanted((args.root / "src/daemon/sandbox/calls.c").read_text())
    if len(wanted) < 40:
        findings.append("src/daemon/sandbox/calls.c: the list of calls was not found")
    elif allowed is not None:
        findings += [f"usbvfiod@.service: SystemCallFilter= refuses {call}, which the sandbox allows" for call in sorted(wanted - allowed)]
    tree.finish(findings, built)


main()
