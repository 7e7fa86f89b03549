#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clang-tidy has nothing to say about src/. Which checks are on, and why others are not: .clang-tidy."""

import concurrent.futures
import json
import os
import subprocess
import sys
from pathlib import Path

import tree


def compiled_files(build, source):
    """The files of src/ that the build compiles, the largest first: they take longest."""
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        paths = {(Path(entry["directory"]) / entry["file"]).resolve() for entry in json.load(file)}
    return sorted((path for path in paths if source in path.parents), key=lambda path: -path.stat().st_size)


def tidy(tool, build, path):
    result = subprocess.run([tool, "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option", str(path)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 0 and "warning:" not in result.stdout:
        return []
    return [f"{path}:\n{result.stdout or result.stderr}"]


def main():
    options = tree.arguments(__doc__, build="the build folder, for its compile_commands.json")
    tool, decides = tree.llvm_tool("clang-tidy")
    build = Path(options.build or options.root / "build").resolve()
    if not (build / "compile_commands.json").exists():
        sys.exit(f"{build} has no compile_commands.json: run meson setup {build}")
    checked = compiled_files(build, (options.root / "src").resolve())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: tidy(tool, build, path), checked)
    tree.finish_llvm("clang-tidy", decides, [finding for findings in results for finding in findings], checked)


if __name__ == "__main__":
    main()
