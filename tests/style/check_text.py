#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The text of the files: licence lines, no marks for later, no paths or hosts of one machine, clean lines, true samples, and no
known misspelling (if codespell is installed).
"""

import re
import shutil
import subprocess

import tree

# Files that are not text: images, corpora of fuzzers.
BINARY = re.compile(r"(^|/)(corpus|corpora)/|\.(png|img|bin|gz|xz|pcap)$")
# These files, and all that begin with #!, must name the licence. For others (meson.build, data) LICENSE holds.
SOURCE = re.compile(r"\.(c|h|py|sh|scd|job)$")
C_HEAD = re.compile(r"/\* SPDX-License-Identifier: MIT\n \* ([^ \n]+) - \S")
SPDX = "SPDX-License-Identifier: MIT"

# The patterns are split so that they do not match themselves.
MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
PLACES = re.compile(r"(?<![\w.$}~-])/(wo" r"rk|fa" r"rm|roo" r"t|ho" r"me)/")
MIRRORS = re.compile(r"\b(?:deb|ftp|security|archive|mirrors?|pypi|registry|proxy|cache|snapshot|ports)"
                     r"(?:\.[a-z0-9-]+)+\.(?:org|com|net|io|de|cn|internal|local|lan)\b"
                     r"|\b[a-z0-9-]+\.(?:internal|lan|corp)\b|\bpy" r"pi\.org\b")

# Correct words that codespell takes for misspellings.
WORDS = "crate,ths,nd,iff"


def check_c_head(name, text):
    match = C_HEAD.match(text)
    if not match:
        return [f'{name}:1: must begin with the licence and "file name - one phrase"']
    if match.group(1) != name.rsplit("/", 1)[-1]:
        return [f"{name}:2: calls itself {match.group(1)}"]
    return []


def check_lines(name, text):
    findings = []
    prose = name.endswith(".md")
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{name}:{number}:"
        if not prose and MARKS.search(line):
            findings.append(f"{where} a mark for later: do it, or write an issue")
        if PLACES.search(line):
            findings.append(f"{where} a path of one machine")
        if MIRRORS.search(line):
            findings.append(f"{where} the name of a package mirror or of a private host")
        if line != line.rstrip():
            findings.append(f"{where} ends in white space")
    if text and not text.endswith("\n"):
        findings.append(f"{name}: the last line has no end")
    return findings


def check_file(name, data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return [f"{name}: is not UTF-8"]
    findings = check_lines(name, text)
    if name.endswith((".c", ".h")):
        findings += check_c_head(name, text)
    elif text and (SOURCE.search(name) or text.startswith("#!")) and SPDX not in "".join(text.splitlines(True)[:4]):
        findings.append(f"{name}: has no line {SPDX}")
    return findings


def check_samples(root):
    """The samples in CONTRIBUTING.md are in the sources, word for word."""
    path = root / "CONTRIBUTING.md"
    if not path.exists():
        return []
    sources = "".join(source.read_text(encoding="utf-8") for source in tree.c_files(root, "src"))
    samples = re.findall(r"^```c\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [f"CONTRIBUTING.md: the sources have this otherwise:\n{sample}" for sample in samples if sample not in sources]


def check_spelling(root, names):
    if not shutil.which("codespell"):
        print("codespell is not installed: spelling is not checked")
        return []
    result = subprocess.run(["codespell", "--ignore-words-list", WORDS, *names], cwd=root, stdout=subprocess.PIPE,
                            text=True, check=False)
    return result.stdout.splitlines()


def main():
    options = tree.arguments(__doc__)
    names = [path.relative_to(options.root).as_posix() for path in tree.files(options.root)
             if not path.is_symlink()]
    names = [name for name in names if not BINARY.search(name) and not name.endswith((".pyc", ".o"))]
    findings = []
    for name in names:
        findings += check_file(name, (options.root / name).read_bytes())
    findings += check_samples(options.root)
    findings += check_spelling(options.root, names)
    tree.finish(findings, names)


if __name__ == "__main__":
    main()
