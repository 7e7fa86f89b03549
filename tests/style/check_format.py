#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The C files have the format of .clang-format. To fix one, run clang-format -i FILE."""

import re
import subprocess

import tree


def main():
    options = tree.arguments(__doc__)
    tool, decides = tree.llvm_tool("clang-format")
    checked = tree.c_files(options.root, "src", "tests", "bench")
    findings = []
    if checked:
        result = subprocess.run([tool, "--style=file", "--dry-run", "-Werror", *checked], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        wrong = re.findall(r"^(.*?):(\d+):\d+: error:", result.stdout, re.MULTILINE)
        lines = {}
        for name, line in wrong:
            lines.setdefault(name, []).append(line)
        findings = [f"{name}: not formatted, lines {' '.join(found)}" for name, found in lines.items()]
        if result.returncode != 0 and not findings:
            findings = [result.stdout]
    tree.finish_llvm("clang-format", decides, findings, checked)


if __name__ == "__main__":
    main()
