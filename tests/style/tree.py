# SPDX-License-Identifier: MIT
"""The common part of the style checks: they find files and report findings the same way.

A walk through the folders finds the files, not git, so that files count before they are committed, and in an unpacked archive.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SKIP = 77  # meson's exit status for a skipped test

# Versions of the LLVM tools disagree. This one (Debian 12) decides.
LLVM_VERSION = "14"


def arguments(doc, **further):
    """Parse the command line: --root, and the options FURTHER (name = help), which take a value."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to check")
    for name, text in further.items():
        parser.add_argument(f"--{name}", help=text)
    return parser.parse_args()


def files(root, *folders):
    """All files below the folders, sorted; without folders, all files of the tree.

    Leaves out build folders, hidden folders and .git, which is a file in a worktree.
    """
    found = []
    for folder in folders or [""]:
        for place, subfolders, names in os.walk(root / folder):
            at_root = Path(place) == root
            subfolders[:] = [name for name in subfolders
                             if not name.startswith(".") and name != "__pycache__"
                             and not (at_root and name.startswith("build"))
                             and not (Path(place) / name / "build.ninja").exists()]
            found += [Path(place) / name for name in names if name != ".git"]
    return sorted(found)


def c_files(root, *folders):
    return [path for path in files(root, *folders) if path.suffix in (".c", ".h")]


def finish(findings, checked):
    """Print the findings and end the check."""
    for finding in findings:
        print(finding)
    if not checked:
        print("there was nothing to check: is this the right folder?")
    print(f"{len(checked)} files checked, {len(findings)} findings")
    sys.exit(1 if findings or not checked else 0)


def llvm_tool(name):
    """The tool's path, and whether it has the version that decides. Ends the check as skipped if the tool is missing."""
    path = shutil.which(f"{name}-{LLVM_VERSION}") or shutil.which(name)
    if not path:
        print(f"{name} is not installed")
        sys.exit(SKIP)
    text = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    version = re.search(r"version (\d+)", text)
    return path, bool(version) and version.group(1) == LLVM_VERSION


def finish_llvm(name, decides, findings, checked):
    """Like finish(), but with another version than the deciding one the check only reports and does not fail."""
    if findings and not decides:
        print("\n".join(findings))
        print(f"reported, not failed: {name} {LLVM_VERSION} decides, and this is another version")
        sys.exit(SKIP)
    finish(findings, checked)
