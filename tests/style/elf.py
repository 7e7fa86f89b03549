# SPDX-License-Identifier: MIT
"""Reads the parts of ELF (64 bits, little-endian) that the checks need: headers, the dynamic section, names of symbols, notes."""

import struct

MACHINE_X86_64 = 62

ET_DYN = 3
PT_GNU_STACK, PT_GNU_RELRO, PT_LOAD = 0x6474e551, 0x6474e552, 1
PF_X, PF_W = 1, 2
SHF_EXECINSTR = 4
DT_FLAGS, DT_FLAGS_1 = 30, 0x6ffffffb
DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 8, 1, 0x08000000

NOTE_PROPERTY = 5  # NT_GNU_PROPERTY_TYPE_0
PROPERTY_X86_FEATURES = 0xc0000002
FEATURE_IBT, FEATURE_SHSTK = 1, 2


class Elf:
    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not ELF of 64 bits, little-endian")
        self.data = data
        self.type, self.machine = struct.unpack_from("<HH", data, 16)
        segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
        _, segments, _, sections, names = struct.unpack_from("<HHHHH", data, 54)
        # (type, flags, offset, size in the file)
        self.segments = []
        for i in range(segments):
            kind, flags, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, segments_at + i * 56)
            self.segments.append((kind, flags, offset, size))
        heads = [struct.unpack_from("<IIQQQQ", data, sections_at + i * 64) for i in range(sections)]
        strings = heads[names][4] if heads else 0
        # {name: [(flags, content)]}: several sections of an object may have the same name
        self.sections = {}
        for name, kind, flags, _, offset, size in heads:
            content = b"" if kind == 8 else data[offset:offset + size]  # SHT_NOBITS
            self.sections.setdefault(self.string(strings + name), []).append((flags, content))

    def string(self, at):
        return self.data[at:self.data.index(b"\0", at)].decode()

    def content(self, name):
        return b"".join(content for _, content in self.sections.get(name, []))

    def dynamic(self):
        """{tag: its value}"""
        return dict(struct.iter_unpack("<QQ", self.content(".dynamic")))

    def imports(self):
        """Names of the symbols that other objects have to define."""
        names = self.content(".dynstr")
        found = set()
        for name, _, _, section, _, _ in struct.iter_unpack("<IBBHQQ", self.content(".dynsym")):
            if section == 0:
                found.add(names[name:names.index(b"\0", name)].decode())
        return found

    def code(self):
        return b"".join(content for sections in self.sections.values() for flags, content in sections
                        if flags & SHF_EXECINSTR)

    def x86_features(self):
        """The features that the notes claim for all code: FEATURE_IBT | FEATURE_SHSTK."""
        notes, at = self.content(".note.gnu.property"), 0
        while at + 16 <= len(notes):
            name_size, size, kind = struct.unpack_from("<III", notes, at)
            start = at + 12 + (name_size + 3) // 4 * 4
            at = start + (size + 7) // 8 * 8
            while kind == NOTE_PROPERTY and start + 12 <= at:
                tag, length, value = struct.unpack_from("<III", notes, start)
                if tag == PROPERTY_X86_FEATURES:
                    return value
                start += 8 + (length + 7) // 8 * 8
        return 0
