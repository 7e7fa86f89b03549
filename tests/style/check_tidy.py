#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clang-tidy reports nothing in src/. The file .clang-tidy says which checks are on, and why others are off.

A file that has passed is skipped while its preprocessed text, the settings and the version of clang-tidy stay the same. The build
folder keeps a list of such files.
"""

import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import tree


NOTES = "clang-tidy-passed.json"

# The analyzer stops after this many states of a function, and spends most of its time on them. Its default, 225000, took twice the
# time and found nothing more when we measured it.
STATES_MAX = 100000
# clang before 16 rejects gcc's -ftrivial-auto-var-init=zero.
COMMAND = ["--quiet", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-ftrivial-auto-var-init=uninitialized",
           "--extra-arg=-Xclang", "--extra-arg=-analyzer-config",
           "--extra-arg=-Xclang", f"--extra-arg=max-nodes={STATES_MAX}"]


def compiled_files(build, source):
    """{file of src/: its entry}, the largest file first because it takes longest."""
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        entries = {(Path(entry["directory"]) / entry["file"]).resolve(): entry for entry in json.load(file)}
    paths = sorted((path for path in entries if source in path.parents), key=lambda path: -path.stat().st_size)
    return {path: entries[path] for path in paths}


def preprocessed(entry):
    """The text that the compiler sees, with comments, which may contain directives for clang-tidy. b"" on failure."""
    words, command = iter(shlex.split(entry["command"])), []
    for word in words:
        if word in ("-o", "-MF", "-MQ"):
            next(words)
        elif word not in ("-c", "-MD"):
            command.append(word)
    return subprocess.run([*command, "-E", "-C"], cwd=entry["directory"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False).stdout


def tidy(tool, build, path, entry, settings, passed):
    """(findings in the file, the note to keep if there are none)"""
    text = preprocessed(entry)
    note = hashlib.sha256(settings + text).hexdigest()
    if text and note in passed:
        return [], note
    result = subprocess.run([tool, "-p", str(build), *COMMAND, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, check=False)
    if result.returncode == 0 and "warning:" not in result.stdout:
        return [], note
    return [f"{path}:\n{result.stdout or result.stderr}"], None


def read_notes(path):
    try:
        return set(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()


def main():
    options = tree.arguments(__doc__, build="the build folder, for its compile_commands.json")
    tool, decides = tree.llvm_tool("clang-tidy")
    build = Path(options.build or options.root / "build").resolve()
    if not (build / "compile_commands.json").exists():
        sys.exit(f"{build} has no compile_commands.json: run meson setup {build}")
    checked = compiled_files(build, (options.root / "src").resolve())
    version = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, check=True).stdout
    settings = version + " ".join(COMMAND).encode() + (options.root / ".clang-tidy").read_bytes()
    passed = read_notes(build / NOTES)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda item: tidy(tool, build, *item, settings, passed), checked.items()))
    notes = sorted(note for _, note in results if note)
    print(f"{len(passed.intersection(notes))} files are as they were when last found good")
    (build / NOTES).write_text(json.dumps(notes), encoding="utf-8")
    tree.finish_llvm("clang-tidy", decides, [finding for findings, _ in results for finding in findings], checked)


if __name__ == "__main__":
    main()
