# SPDX-License-Identifier: MIT
"""Reads a capture of USB traffic: pcap of link type 220; see pcap-savefile(5) and Linux's usbmon.rst."""

import struct
from dataclasses import dataclass

LINK_USB_LINUX_MMAPPED = 220
HEADER_BYTES = 64
BULK = 3


@dataclass
class Record:
    """One submission ("S") or completion ("C"). urb_bytes: length of the transfer; data may be truncated."""

    kind: str
    type: int
    endpoint: int
    device: int
    bus: int
    status: int
    urb_bytes: int
    data: bytes


def read(path):
    """All records. Demands that lengths fit each other, and that the file ends after a whole record."""
    data = path.read_bytes()
    magic, major, minor, _zone, _digits, most, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link) == (0xa1b2c3d4, 2, 4, LINK_USB_LINUX_MMAPPED)
    at = 24
    records = []
    while at < len(data):
        _seconds, _micros, captured, original = struct.unpack_from("<IIII", data, at)
        at += 16
        assert HEADER_BYTES <= captured <= min(original, most) and at + captured <= len(data)
        kind, kind_of, endpoint, device, bus = struct.unpack_from("<BBBBH", data, at + 8)
        status, urb_bytes, data_bytes = struct.unpack_from("<iII", data, at + 28)
        assert data_bytes == captured - HEADER_BYTES
        records.append(Record(chr(kind), kind_of, endpoint, device, bus, status, urb_bytes,
                              data[at + HEADER_BYTES:at + captured]))
        at += captured
    return records
