# SPDX-License-Identifier: MIT
"""What the style checks share: the files of the tree, and how a check ends.

Files are found by walking, not by asking git: a file counts before it is committed, and in an unpacked archive.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SKIP = 77  # meson's word for a test that could not be done

# Versions of the LLVM tools differ in what they want. This one (Debian 12) decides.
LLVM_VERSION = "14"


def arguments(doc, **further):
    """The command line: --root for all, and FURTHER, name = help of an option with a value."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the tree to check")
    for name, text in further.items():
        parser.add_argument(f"--{name}", help=text)
    return parser.parse_args()


def files(root, *folders):
    """All files below the folders (all of the tree without any), sorted. Build folders and hidden ones are left out, and git's
    own, which is a file in a worktree."""
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
    """Print what was found and end the check."""
    for finding in findings:
        print(finding)
    if not checked:
        print("there was nothing to check: is this the right folder?")
    print(f"{len(checked)} files checked, {len(findings)} findings")
    sys.exit(1 if findings or not checked else 0)


def llvm_tool(name):
    """The tool's path, and whether it is of the version that decides. Ends the check as skipped if there is none."""
    path = shutil.which(f"{name}-{LLVM_VERSION}") or shutil.which(name)
    if not path:
        print(f"{name} is not installed")
        sys.exit(SKIP)
    text = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    version = re.search(r"version (\d+)", text)
    return path, bool(version) and version.group(1) == LLVM_VERSION


def finish_llvm(name, decides, findings, checked):
    """As finish(), but a version that does not decide only reports."""
    if findings and not decides:
        print("\n".join(findings))
        print(f"only told, not failed: {name} {LLVM_VERSION} decides, and this one is of another version")
        sys.exit(SKIP)
    finish(findings, checked)
