#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Includes point one way.

A layer includes only layers below it (docs/ARCHITECTURE.md), and siblings do not include each other. xhci includes only the
boundary of usbdev. A header *_priv.h is for its folder only. A folder includes only the listed headers of its parts. Only vm.c
joins the layers of the daemon. Tests and benches may include everything.
"""

import re
import sys

import tree

ALLOWED = {
    "util": set(),
    "mem": {"util"},
    "pci": {"util"},
    "usbdev": {"util"},
    "control": {"util"},
    "rules": {"util"},
    "vuser": {"mem", "util"},
    "xhci": {"mem", "util"},
    "agent": {"control", "rules", "util"},
    "ctl": {"agent", "control", "rules", "util"},
    "daemon": {"util", "mem", "pci", "usbdev", "control", "rules", "vuser", "xhci"},
}
# further single headers: (layer, header)
ALSO = {("xhci", "usbdev/usbdev.h")}
# Folders that are a part of their parent folder: the headers that the parent may include, and the layers and single headers that
# the part may include besides util.
PARTS = {
    "usbdev/host/urb": ({"usbdev/host/urb/urbs.h"}, {"usbdev/usbdev.h"}),
    "daemon/attach": ({"daemon/attach/attach.h", "daemon/attach/devices.h", "daemon/attach/node.h"},
                      {"rules", "usbdev", "daemon/sandbox/sandbox.h", "daemon/vm.h", "daemon/client_path.h"}),
    "daemon/sandbox": ({"daemon/sandbox/sandbox.h", "daemon/sandbox/access.h"}, set()),
}
# A file of the daemon may include one of these layers; vm.c may include all.
JOINED = {"mem", "pci", "vuser", "xhci"}
JOINER = "daemon/vm.c"

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def refusal(name, bracket, header):
    """Why the file src/NAME may not include HEADER; None if it may."""
    layer, folder = name.split("/")[0], name.rsplit("/", 1)[0]
    target = header.split("/")[0]
    if bracket == "<":
        return "our own headers are included in quotes" if target in ALLOWED else None
    if "/" not in header:
        return "include it as layer/file.h"
    if ".." in header.split("/"):
        return "the path starts at src/"
    if target not in ALLOWED:
        return f"{target} is no layer"
    if header.endswith("_priv.h") and header.rsplit("/", 1)[0] != folder:
        return "it is private to its folder"
    below = header.rsplit("/", 1)[0]
    if folder in PARTS and below != folder:
        seen = PARTS[folder][1]
        if target != "util" and target not in seen and header not in seen:
            return f"{folder} must not know {below}"
    if below in PARTS and below.rsplit("/", 1)[0] == folder:
        shown = PARTS[below][0]
        return None if header in shown else f"of {below} it may include {' and '.join(sorted(shown))} only"
    if layer == target:
        # usbdev/stick, usbdev/keyboard...: back ends are siblings too
        if below not in (layer, folder) and header not in PARTS.get(folder, ((), ()))[1]:
            return f"{folder} must not know {below}"
        return None
    if below in PARTS:
        return "it is a part of " + header.rsplit("/", 2)[0]
    if target in ALLOWED[layer] or (layer, header) in ALSO:
        return None
    return f"{layer} must not know {target}"


def check_file(name, text):
    layer = name.split("/")[0]
    if layer not in ALLOWED or "/" not in name:
        return [f"src/{name}: {layer} is no layer; add it here and to docs/ARCHITECTURE.md"]
    findings, joined = [], set()
    for match in INCLUDE.finditer(text):
        header = match.group(2)
        line = text.count("\n", 0, match.start(2)) + 1
        why = refusal(name, match.group(1), header)
        if why:
            findings.append(f"src/{name}:{line}: {header}: {why}")
        joined |= JOINED & {header.split("/")[0]}
    if layer == "daemon" and name != JOINER and len(joined) > 1:
        findings.append(f"src/{name}: knows {' and '.join(sorted(joined))}; only {JOINER} joins layers")
    return findings


def main():
    options = tree.arguments(__doc__)
    checked = tree.c_files(options.root, "src")
    findings = []
    for path in checked:
        findings += check_file(path.relative_to(options.root / "src").as_posix(), path.read_text(encoding="utf-8"))
    tree.finish(findings, checked)


if __name__ == "__main__":
    sys.exit(main())
