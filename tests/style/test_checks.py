#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The style checks reject what they should: each gets a small tree without faults, then one with a single fault."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]

HEADER = """/* SPDX-License-Identifier: MIT
 * ring.h - a header
 */
#ifndef XHCI_RING_H
#define XHCI_RING_H

#include <stdint.h>

#include "usbdev/usbdev.h"

uint32_t xhci_ring_size(void);

#endif /* XHCI_RING_H */
"""

BOUNDARY = """/* SPDX-License-Identifier: MIT
 * usbdev.h - a header
 */
#ifndef USBDEV_USBDEV_H
#define USBDEV_USBDEV_H

#endif /* USBDEV_USBDEV_H */
"""

SOURCE = """/* SPDX-License-Identifier: MIT
 * ring.c - a source
 */
#include "xhci/ring.h"

uint32_t xhci_ring_size(void)
{
	return 16;
}
"""

# A program with a frame of more than a page, and a copy whose length is known only at run time.
PROGRAM = """#include <string.h>
int main(int argc, char **argv)
{
	volatile char large[20000];
	char name[16];
	large[argc] = 1;
	memcpy(name, argv[0], (unsigned)argc);
	return large[0] + name[argc];
}
"""

TREE = {
    "src/xhci/ring.h": HEADER,
    "src/xhci/ring.c": SOURCE,
    "src/usbdev/usbdev.h": BOUNDARY,
    "tests/README.md": "Words.\n",
}


class Checks(unittest.TestCase):
    @staticmethod
    def make_tree(root, files):
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name in (".clang-format", ".clang-tidy"):
            (root / name).write_bytes((PROJECT / name).read_bytes())
        build = root / "build"
        build.mkdir()
        commands = [{"directory": str(build), "file": f"../{name}",
                     "command": f"cc -I../src -MD -MQ a.o -MF a.d -o a.o -c ../{name}"}
                    for name in files if name.endswith(".c")]
        (build / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")

    def run_in(self, root, check, *arguments):
        """Run a check; returns its exit status and output."""
        result = subprocess.run([sys.executable, HERE / f"check_{check}.py", "--root", root, *arguments],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode == 77:
            self.skipTest(result.stdout)
        return result.returncode, result.stdout

    def run_check(self, check, changed, *arguments):
        """Run a check in TREE with the CHANGED files; returns its exit status and output."""
        with tempfile.TemporaryDirectory() as folder:
            self.make_tree(Path(folder), {**TREE, **changed})
            return self.run_in(Path(folder), check, *arguments)

    def accepts(self, check, changed=None):
        status, text = self.run_check(check, changed or {})
        self.assertEqual(status, 0, text)
        return text

    def rejects(self, check, changed, words):
        status, text = self.run_check(check, changed)
        self.assertEqual(status, 1, text)
        self.assertIn(words, text)

    def include(self, name, header, words):
        self.rejects("layers", {name: f"#include {header}\n"}, words)

    def test_right_tree(self):
        for check in ("layers", "headers", "format", "tidy", "text", "sizes"):
            with self.subTest(check):
                self.accepts(check)

    def test_empty_tree_is_no_success(self):
        status, text = self.run_check("layers", {}, "--root", "/nonexistent")
        self.assertEqual(status, 1, text)

    def test_layers(self):
        self.include("src/xhci/port.c", '"vuser/server.h"', "xhci must not know vuser")
        self.include("src/xhci/port.c", '"usbdev/emulated.h"', "xhci must not know usbdev")
        self.include("src/usbdev/stick/stick.c", '"xhci/xhci.h"', "usbdev must not know xhci")
        self.include("src/usbdev/stick/stick.c", '"mem/guest_mem.h"', "usbdev must not know mem")
        self.include("src/usbdev/stick/stick.c", '"usbdev/keyboard/keyboard.h"', "must not know usbdev/keyboard")
        self.include("src/usbdev/usbdev.c", '"usbdev/stick/stick.h"', "must not know usbdev/stick")
        self.include("src/usbdev/host/urb/urbs.c", '"usbdev/host/host.h"', "must not know usbdev/host")
        self.include("src/usbdev/host/host.c", '"usbdev/host/urb/pool.h"', "usbdev/host/urb/urbs.h only")
        self.include("src/usbdev/stick/stick.c", '"usbdev/host/urb/urbs.h"', "must not know usbdev/host/urb")
        self.include("src/daemon/main.c", '"usbdev/host/urb/urbs.h"', "it is a part of usbdev/host")
        self.include("src/daemon/main.c", '"daemon/attach/steps.h"', "daemon/attach/attach.h")
        self.include("src/daemon/attach/steps.c", '"daemon/commands.h"', "daemon/attach must not know daemon")
        self.include("src/daemon/attach/steps.c", '"control/json.h"', "daemon/attach must not know control")
        self.include("src/daemon/attach/open.c", '"daemon/sandbox/calls.h"', "must not know daemon/sandbox")
        self.include("src/daemon/sandbox/paths.c", '"daemon/attach/node.h"', "must not know daemon/attach")
        self.include("src/daemon/sandbox/paths.c", '"rules/rule.h"', "daemon/sandbox must not know rules")
        self.include("src/util/log.c", '"mem/guest_mem.h"', "util must not know mem")
        self.include("src/vuser/dma.c", '"pci/function.h"', "vuser must not know pci")
        self.include("src/daemon/vm.c", '"xhci/xhci_priv.h"', "private")
        self.include("src/daemon/vm.c", '"server.h"', "layer/file.h")
        self.include("src/daemon/vm.c", "<vuser/server.h>", "in quotes")
        self.include("src/daemon/vm.c", '"tests/lib/vmm.h"', "tests is no layer")
        self.include("src/daemon/vm.c", '"mem/../xhci/xhci.h"', "starts at src/")
        self.include("src/extra/file.c", '"util/log.h"', "extra is no layer")

    def test_only_one_file_joins_layers(self):
        both = '#include "pci/function.h"\n#include "xhci/xhci.h"\n'
        self.rejects("layers", {"src/daemon/main.c": both}, "knows pci and xhci")
        self.accepts("layers", {"src/daemon/vm.c": both})

    def test_layers_accept_what_is_allowed(self):
        self.accepts("layers", {
            "src/vuser/dma.c": '#include "mem/guest_mem.h"\n#include "util/log.h"\n',
            "src/usbdev/stick/bot.c": '#include "usbdev/emulated.h"\n#include "usbdev/stick/device.h"\n',
            "src/usbdev/host/host.c": '#include "usbdev/host/urb/urbs.h"\n',
            "src/daemon/attach/steps.c": '#include "daemon/sandbox/sandbox.h"\n#include "daemon/vm.h"\n',
            "src/daemon/main.c": '#include "daemon/attach/attach.h"\n#include "daemon/sandbox/sandbox.h"\n',
            "src/daemon/options.c": '#include "xhci/xhci.h"\n',
            "tests/unit/xhci/test_port.c": '#include "xhci/xhci_priv.h"\n#include "vuser/server.h"\n',
        })

    def circles(self, files, built=True):
        """Run the check of circles in a tree of these FILES, compiled if BUILT; returns its exit status and output."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            self.make_tree(root, files)
            commands = []
            for name in sorted(name for name in files if name.endswith(".c")):
                output = name.replace("/", "_") + ".o"
                compile_it = ["gcc", "-I../src", "-c", f"../{name}", "-o", output]
                commands.append({"directory": str(root / "build"), "file": f"../{name}", "output": output, "command": " ".join(compile_it)})
                if built:
                    subprocess.run(compile_it, cwd=root / "build", check=True)
            (root / "build" / "compile_commands.json").write_text(json.dumps(commands), encoding="utf-8")
            return self.run_in(root, "circles")

    def test_circles(self):
        right = {"src/util/low.h": "void low(void);\n", "src/util/low.c": '#include "util/low.h"\nvoid low(void) {}\n',
                 "src/util/high.h": "void high(void);\n",
                 "src/util/high.c": '#include "util/high.h"\n#include "util/low.h"\nvoid high(void) { low(); }\n',
                 "src/mem/other.c": "void high(void);\nvoid other(void) { high(); }\n"}
        status, said = self.circles(right)
        self.assertEqual(status, 0, said)
        for planted, words in (
                ({"src/util/low.c": "void high(void);\nvoid low(void) { high(); }\n"},
                 "src/util: 2 files use each other in a circle: high.c low.c"),
                ({"src/util/low.c": "extern int table;\nvoid low(void) { table = 1; }\n",
                  "src/util/high.c": "int table;\nvoid low(void);\nvoid high(void) { low(); }\n"}, "low.c -> high.c: table"),
                ({"src/util/low.c": '#include "util/high.h"\nvoid low(void) {}\n'}, "low.c -> high.c: #include of high.h"),
                ({"src/util/low.h": '#pragma once\n#include "util/high.h"\n', "src/util/high.h": '#pragma once\n#include "util/low.h"\n',
                  "src/util/low.c": "", "src/util/high.c": ""}, "circle: high.h low.h"),
        ):
            with self.subTest(words):
                status, said = self.circles({**right, **planted})
                self.assertEqual(status, 1, said)
                self.assertIn(words, said)

    def test_circles_are_looked_for_in_what_is_built(self):
        status, said = self.circles({"src/util/low.c": "void low(void) {}\n"}, built=False)
        self.assertEqual(status, 1, said)
        self.assertIn("build all first", said)

    def test_headers(self):
        self.rejects("headers", {"src/xhci/ring.h": HEADER.replace("#include <stdint.h>\n", "")}, "does not compile")
        self.rejects("headers", {"src/xhci/ring.h": HEADER.replace("XHCI_RING_H", "RING_H")}, "the guard is not XHCI")
        self.rejects("headers", {"src/xhci/ring.h": HEADER.replace("uint32_t", "struct a { int b; };\nuint32_t")
                                 .replace("#ifndef XHCI_RING_H\n#define XHCI_RING_H\n", "")
                                 .replace("#endif /* XHCI_RING_H */\n", "")}, "does not compile")

    def test_format(self):
        self.rejects("format", {"src/xhci/ring.c": SOURCE.replace("\treturn", "    return")}, "not formatted")
        self.rejects("format", {"tests/lib/a.c": "int  a;\n"}, "not formatted")

    def test_tidy(self):
        wrong = SOURCE.replace("return 16;", "uint32_t *p = 0;\n\n\treturn *p;")
        self.rejects("tidy", {"src/xhci/ring.c": wrong}, "NullDereference")

    def test_tidy_remembers_only_what_was_good(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            self.make_tree(root, TREE)
            source = root / "src/xhci/ring.c"
            for text, status, words in (
                    (SOURCE, 0, "0 files are as they were"),
                    (SOURCE, 0, "1 files are as they were"),
                    (SOURCE.replace("return 16;", "uint32_t *p = 0;\n\n\treturn *p;"), 1, "NullDereference"),
                    (SOURCE.replace("return 16;", "uint32_t *p = 0;\n\n\treturn *p;"), 1, "NullDereference"),
                    (SOURCE, 0, "0 files are as they were"),
            ):
                source.write_text(text, encoding="utf-8")
                got, said = self.run_in(root, "tidy")
                self.assertEqual(got, status, said)
                self.assertIn(words, said)

    def harden(self, without, instead=()):
        """Build programs WITHOUT some flags and with others INSTEAD, and run the check of hardening on them."""
        flags = ["-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full",
                 "-ftrivial-auto-var-init=zero", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
        links = ["-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,-z,separate-code"]
        words = [word for word in flags + links if word not in without] + list(instead)
        compiled = [word for word in words if not word.startswith(("-Wl", "-pie", "-no-pie"))]
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            self.make_tree(root, {"src/main.c": PROGRAM})
            build = root / "build"
            compile_it = ["gcc", *compiled, "-c", "../src/main.c", "-o", "main.o"]
            entry = {"directory": str(build), "file": "../src/main.c", "output": "main.o", "command": " ".join(compile_it)}
            (build / "compile_commands.json").write_text(json.dumps([entry]), encoding="utf-8")
            subprocess.run(compile_it, cwd=build, check=True)
            for program in ("usbvfiod", "usbvfioctl"):
                subprocess.run(["gcc", *words, "main.o", "-o", program], cwd=build, check=True)
            return self.run_in(root, "hardening")

    def test_hardening(self):
        status, said = self.harden([])
        self.assertEqual(status, 0, said)
        for without, instead, finding in (
                (["-fPIE", "-pie"], ["-fno-pie", "-no-pie"], "not position-independent"),
                (["-Wl,-z,relro"], ["-Wl,-z,norelro"], "no RELRO"),
                (["-Wl,-z,now"], ["-Wl,-z,lazy"], "RELRO is partial"),
                (["-Wl,-z,noexecstack"], ["-Wl,-z,execstack"], "stack can be executed"),
                (["-Wl,-z,separate-code"], ["-Wl,-z,noseparate-code"], "in the segment of its code"),
                (["-fstack-protector-strong"], ["-fno-stack-protector"], "has no stack protector"),
                (["-fstack-protector-strong"], [], "without -fstack-protector-strong"),
                (["-fstack-clash-protection"], [], "touches the pages"),
                (["-fstack-clash-protection"], [], "without -fstack-clash-protection"),
                (["-fcf-protection=full"], ["-fcf-protection=none"], "indirect jumps"),
                (["-ftrivial-auto-var-init=zero"], [], "without -ftrivial-auto-var-init=zero"),
                (["-D_FORTIFY_SOURCE=2"], [], "checking functions"),
                (["-D_FORTIFY_SOURCE=2"], ["-D_FORTIFY_SOURCE=1"], "without -D_FORTIFY_SOURCE=2"),
        ):
            with self.subTest(finding):
                status, said = self.harden(without, instead)
                self.assertEqual(status, 1, said)
                self.assertIn(finding, said)

    def test_fortify_is_not_demanded_without_optimization(self):
        status, said = self.harden(["-O2", "-D_FORTIFY_SOURCE=2"])
        self.assertEqual(status, 0, said)

    def units(self, *changes):
        """Run the check of units on this tree's units with CHANGES, pairs of old and new text."""
        with tempfile.TemporaryDirectory() as folder:
            build = Path(folder)
            (build / "contrib").mkdir()
            for source in (PROJECT / "contrib/systemd").glob("*.service.in"):
                text = source.read_text().replace("@bindir@", "/usr/bin")
                for old, new in changes:
                    text = text.replace(old, new)
                (build / "contrib" / source.stem).write_text(text)
            for name in ("usbvfiod", "usbvfioctl"):
                (build / name).write_text("#!/bin/sh\n")
                (build / name).chmod(0o755)
            return self.run_in(PROJECT, "units", "--build", str(build))

    def test_units(self):
        status, said = self.units()
        self.assertEqual(status, 0, said)
        # several faults at a time, because systemd-analyze is slow
        status, said = self.units(("LockPersonality", "LockPersonalety"), ("PrivateNetwork=yes", "PrivateNetwork=no"),
                                  ("LimitNOFILE=4096", "LimitNOFILE=4095"), ("ExitStatus=2", "ExitStatus=1"), ("io_uring_setup", "accept4"))
        self.assertEqual(status, 1, said)
        for finding in ("Unknown key", "exposure level", "FD_LIMIT_NEED", "EXIT_WRONG_USAGE", "refuses accept4"):
            self.assertIn(finding, said)
        status, said = self.units(("/usr/bin/usbvfiod", "/usr/bin/usbvfiot"), ("@keyring", "@keys"))
        self.assertEqual(status, 1, said)
        for finding in ("usbvfiot is not executable", "no group @keys"):
            self.assertIn(finding, said)

    def test_text(self):
        for planted, words in (
                ("/* TO" "DO: later */\n", "a mark for later"),
                ("/* see /wo" "rk/notes.txt */\n", "a path of one machine"),
                ("/* from deb" ".debian.org */\n", "package mirror"),
                ("/* from apt.some" ".internal */\n", "package mirror"),
                ("int a; \n", "white space"),
                ("int a;", "no end"),
        ):
            with self.subTest(words):
                self.rejects("text", {"src/xhci/ring.c": SOURCE + planted}, words)
        self.rejects("text", {"src/xhci/ring.c": SOURCE.replace("MIT", "GPL")}, "the licence")
        self.rejects("text", {"src/xhci/ring.c": SOURCE.replace("ring.c", "rings.c")}, "calls itself rings.c")
        self.rejects("text", {"scripts/run": "#!/bin/sh\n"}, "has no line SPDX")
        self.accepts("text", {"CONTRIBUTING.md": "```c\n\treturn 16;\n```\n"})
        self.rejects("text", {"CONTRIBUTING.md": "```c\n\treturn 17;\n```\n"}, "the sources have this otherwise")

    def test_text_leaves_git_alone(self):
        place = "/ho" "me/someone/"
        self.accepts("text", {".git": f"gitdir: {place}tree/.git/worktrees/one\n"})
        self.rejects("text", {".hidden": f"gitdir: {place}\n"}, "path of one machine")

    def test_sizes_only_tells(self):
        text = self.accepts("sizes", {"src/xhci/ring.c": SOURCE.replace("\treturn", "\n" * 70 + "\treturn")})
        self.assertIn("src/xhci/ring.c:6: xhci_ring_size() has 73 lines", text)
        self.assertIn("600 lines", self.accepts("sizes", {"src/xhci/ring.c": "\n" * 600}))


if __name__ == "__main__":
    unittest.main()
