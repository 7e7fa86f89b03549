#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lists files and functions that are too long to read at one go. Never fails because of them.

A function extends from a { in the first column to the next } there: clang-format puts no other brace there.
"""

import re

import tree

FILE_LINES = 500
FUNCTION_LINES = 70

NAME = re.compile(r"(\w+)\(")


def long_functions(lines):
    """(name, first line, number of lines) of each long function."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start + 1 > FUNCTION_LINES:
                # the head may take several lines; it begins in the first column
                head = start - 1
                while head > 1 and lines[head - 1][:1].isspace():
                    head -= 1
                name = NAME.search(lines[head - 1])
                yield name.group(1) if name else "?", head, number - start + 1
            start = None


def main():
    options = tree.arguments(__doc__)
    checked = tree.c_files(options.root, "src", "tests", "bench")
    long_files = functions = 0
    for path in checked:
        name = path.relative_to(options.root).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > FILE_LINES:
            long_files += 1
            print(f"{name}: {len(lines)} lines; a file of over {FILE_LINES} lines can usually be split")
        for function, line, length in long_functions(lines):
            functions += 1
            print(f"{name}:{line}: {function}() has {length} lines; a function of over {FUNCTION_LINES} lines is hard to follow")
    print(f"{long_files} long files, {functions} long functions")
    tree.finish([], checked)


if __name__ == "__main__":
    main()
