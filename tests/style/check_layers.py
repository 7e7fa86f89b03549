#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Includes point one way.

Layers see only those below them (docs/ARCHITECTURE.md), siblings do not know each other, xhci sees of usbdev nothing but the
boundary, what ends in _priv.h stays in its folder, a folder sees one header of a part of it, and vm.c alone joins the layers of the
daemon. Tests and benches are free.
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
    "ctl": {"control", "rules", "util"},
    "daemon": {"util", "mem", "pci", "usbdev", "control", "rules", "vuser", "xhci"},
}
# single headers beyond that
ALSO = {("xhci", "usbdev/usbdev.h")}
# Folders that are a part of the one they lie in, which sees of them one header and they nothing of it.
PARTS = {"usbdev/host/urb": "usbdev/host/urb/urbs.h"}
# Of these a file of the daemon may know one, and vm.c all.
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
    if layer == target:
        # usbdev/stick, usbdev/keyboard...: back ends are siblings too
        below, above = header.rsplit("/", 1)[0], folder
        if below in PARTS and below.rsplit("/", 1)[0] == above:
            return None if header == PARTS[below] else f"of {below} it may include {PARTS[below]} only"
        if below not in (layer, above):
            return f"{above} must not know {below}"
        return None
    if header.rsplit("/", 1)[0] in PARTS:
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
