#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each header of src/ compiles alone and when included twice, and its guard has its name."""

import concurrent.futures
import os
import re
import subprocess

import tree

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def check(root, compiler, path):
    name = path.relative_to(root / "src").as_posix()
    guard = re.sub(r"[/.]", "_", name).upper()
    text = path.read_text(encoding="utf-8")
    findings = []
    if f"#ifndef {guard}\n#define {guard}\n" not in text or f"#endif /* {guard} */\n" not in text:
        findings.append(f"src/{name}: the guard is not {guard}")
    result = subprocess.run([*compiler, "-I", str(root / "src"), *FLAGS], input=f'#include "{name}"\n' * 2, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode != 0:
        findings.append(f"src/{name}: does not compile alone:\n{result.stdout}")
    return findings


def main():
    options = tree.arguments(__doc__, compiler="command line of the compiler (default: gcc)")
    compiler = (options.compiler or "gcc").split()
    headers = [path for path in tree.c_files(options.root, "src") if path.suffix == ".h"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: check(options.root, compiler, path), headers)
    tree.finish([finding for findings in results for finding in findings], headers)


if __name__ == "__main__":
    main()
