#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The programs have the protections that compiler and linker offer against the exploitation of faults.

The check reads the programs if a protection shows there, our objects if others' code in the program hides it, and the compiler's
command lines if it shows in neither. Builds without optimization or with a sanitizer need no FORTIFY.
"""

import json
import re
import shlex
from pathlib import Path

import elf
import tree

PROGRAMS = ["usbvfiod", "usbvfioctl"]
FLAGS = ["-fstack-protector-strong", "-fstack-clash-protection", "-ftrivial-auto-var-init=zero"]
FORTIFY_LEAST = 2

# sub $4096,%rsp; then gcc touches that page of a large frame by orq $0,(%rsp), clang by movq $0,(%rsp)
STACK_PROBES = (b"\x48\x81\xec\x00\x10\x00\x00\x48\x83\x0c\x24\x00",
                b"\x48\x81\xec\x00\x10\x00\x00\x48\xc7\x04\x24\x00\x00\x00\x00")


def check_program(program, fortified):
    """The protections that PROGRAM, an Elf, lacks."""
    dynamic, findings = program.dynamic(), []
    flags_1 = dynamic.get(elf.DT_FLAGS_1, 0)
    segments = {kind: flags for kind, flags, _, _ in program.segments}
    loads = [flags for kind, flags, _, _ in program.segments if kind == elf.PT_LOAD]
    imports = program.imports()
    if program.type != elf.ET_DYN or not flags_1 & elf.DF_1_PIE:
        findings.append("is not position-independent (-pie)")
    if elf.PT_GNU_RELRO not in segments:
        findings.append("has no RELRO (-z relro)")
    if not flags_1 & elf.DF_1_NOW and not dynamic.get(elf.DT_FLAGS, 0) & elf.DF_BIND_NOW:
        findings.append("its RELRO is partial (-z now)")
    if segments.get(elf.PT_GNU_STACK, elf.PF_X) & elf.PF_X:
        findings.append("its stack can be executed (-z noexecstack)")
    if any(flags & elf.PF_X and flags & elf.PF_W for flags in loads):
        findings.append("has memory to write and to execute")
    # without -z separate-code, the first segment has the code together with headers, which must not be executable
    if loads and loads[0] & elf.PF_X:
        findings.append("has its data in the segment of its code (-z separate-code)")
    if "__stack_chk_fail" not in imports:
        findings.append("has no stack protector")
    if fortified and not any(name.endswith("_chk") for name in imports):
        findings.append("has none of the C library's checking functions (_FORTIFY_SOURCE)")
    if program.machine == elf.MACHINE_X86_64 and not any(probe in program.code() for probe in STACK_PROBES):
        findings.append("never touches the pages of a large frame (-fstack-clash-protection)")
    return findings


def fortify_level(words):
    level = 0
    for word in words:
        match = re.match(r"-D_FORTIFY_SOURCE=(\d)|-U_FORTIFY_SOURCE", word)
        if match:
            level = int(match.group(1) or 0)
    return level


def may_fortify(words):
    optimized = [word for word in words if word.startswith("-O")]
    return bool(optimized) and optimized[-1] != "-O0" and not any(word.startswith("-fsanitize") for word in words)


def check_object(entry):
    """The protections that an object of src/ lacks."""
    words, findings = shlex.split(entry["command"]), []
    findings += [f"is compiled without {flag}" for flag in FLAGS if flag not in words]
    if may_fortify(words) and fortify_level(words) < FORTIFY_LEAST:
        findings.append(f"is compiled without -D_FORTIFY_SOURCE={FORTIFY_LEAST} or more")
    compiled = elf.Elf((Path(entry["directory"]) / entry["output"]).read_bytes())
    both = elf.FEATURE_IBT | elf.FEATURE_SHSTK
    if compiled.machine == elf.MACHINE_X86_64 and compiled.x86_features() & both != both:
        findings.append("has code that indirect jumps reach anywhere (-fcf-protection)")
    return findings


def main():
    options = tree.arguments(__doc__, build="the build folder")
    build = Path(options.build or options.root / "build")
    source = (options.root / "src").resolve()
    with open(build / "compile_commands.json", encoding="utf-8") as file:
        entries = [entry for entry in json.load(file)
                   if source in (Path(entry["directory"]) / entry["file"]).resolve().parents]
    findings = []
    for entry in entries:
        findings += [f"{entry['output']}: {finding}" for finding in check_object(entry)]
    fortified = any(may_fortify(shlex.split(entry["command"])) for entry in entries)
    for name in PROGRAMS:
        program = elf.Elf((build / name).read_bytes())
        findings += [f"{name}: {finding}" for finding in check_program(program, fortified)]
    tree.finish(findings, entries)


if __name__ == "__main__":
    main()
