#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No files of one folder of src/ use each other in a circle.

A file uses another file of its folder if its object needs a symbol that the other object defines, or if its .c includes the
other's header. The check reads objects because a search for names could be wrong. Headers of a folder must not include each
other in a circle either.
"""

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# nm's letters for symbols that an object needs, and for those that others can link with.
NEEDED, DEFINED = "U", "TDBRVWCi"


def objects(build, root):
    """{file of src: its object} of this build, from the compiler's command lines.

    A file that two programs compile counts once. A file that an option leaves out is not checked in this build.
    """
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        folder = Path(entry["directory"])
        source, output = (folder / entry["file"]).resolve(), folder / entry["output"]
        if source.is_relative_to(root / "src") and (source not in found or output.is_file()):
            found[source] = output
    return found


def symbols(output):
    """The symbols that the object needs, and those that it defines."""
    needed, defined = set(), set()
    text = subprocess.run(["nm", str(output)], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in text.splitlines():
        *_, kind, name = line.split()
        if kind == NEEDED:
            needed.add(name)
        elif kind in DEFINED:
            defined.add(name)
    return needed, defined


def calls(found):
    """{file: {file of its folder: a symbol that it needs from there}}"""
    uses = defaultdict(dict)
    by_folder = defaultdict(dict)
    for source, output in found.items():
        by_folder[source.parent][source] = symbols(output)
    for sources in by_folder.values():
        owner = {name: source for source, (_, defined) in sources.items() for name in defined}
        for source, (needed, defined) in sources.items():
            for name in sorted(needed - defined):
                if name in owner:
                    uses[source].setdefault(owner[name], name)
    return uses


def includes(path, root):
    """The headers of the file's own folder that it includes."""
    text = path.read_text(encoding="utf-8")
    headers = [root / "src" / name for name in INCLUDE.findall(text)]
    return [header for header in headers if header.parent == path.parent and header != path]


def circles(uses):
    """The knots of the graph {node: {node: why}}: sets of nodes that reach each other (Tarjan's algorithm)."""
    number, least, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = least[node] = len(number)
        stack.append(node)
        for other in uses.get(node, ()):
            if other not in number:
                visit(other)
            if other in stack:
                least[node] = min(least[node], least[other])
        if least[node] == number[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    for node in list(uses):
        if node not in number:
            visit(node)
    return found


def check(root, build):
    found = objects(build, root)
    findings = []
    sources = [path.resolve() for path in tree.c_files(root, "src")]
    for path in [path for path, output in found.items() if not output.is_file()]:
        findings.append(f"{path.relative_to(root)}: is not compiled in {build}: build all first")
        del found[path]

    uses, headers = calls(found), defaultdict(dict)
    for path in sources:
        for header in includes(path, root):
            if path.suffix == ".h":
                headers[path][header] = f"#include of {header.name}"
            elif header.with_suffix(".c").is_file() and header.stem != path.stem:
                uses[path].setdefault(header.with_suffix(".c"), f"#include of {header.name}")
    for graph in (uses, headers):
        for knot in circles(graph):
            names = sorted(path.name for path in knot)
            folder = min(knot).parent.relative_to(root)
            findings.append(f"{folder}: {len(names)} files use each other in a circle: {' '.join(names)}")
            findings += [f"    {path.name} -> {other.name}: {why}" for path in sorted(knot)
                         for other, why in sorted(graph[path].items()) if other in knot]
    return findings, sources


def main():
    options = tree.arguments(__doc__, build="the build folder, with everything built")
    root = options.root.resolve()
    tree.finish(*check(root, Path(options.build or root / "build").resolve()))


if __name__ == "__main__":
    main()
