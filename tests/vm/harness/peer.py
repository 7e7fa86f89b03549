# SPDX-License-Identifier: MIT
"""The peer of a device, such as the far end of its serial line."""

import shutil
import socket
import tempfile
import threading

from .console import TIMEOUT_S


class Peer:
    """The other end of a character device of the host's QEMU."""

    def __init__(self, host, name):
        folder = tempfile.mkdtemp(prefix="usbvfiod-")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/peer")
            listener.listen()
            host.qmp.command("chardev-add", id=name, backend={"type": "socket", "data": {
                "addr": {"type": "unix", "data": {"path": f"{folder}/peer"}}, "server": False}})
            self.socket = listener.accept()[0]
        self.socket.settimeout(TIMEOUT_S)
        shutil.rmtree(folder)

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, f"end of file after {len(data)} of {count} bytes"
            data += more
        return data

    def exchange(self, data, count):
        """Send and receive at the same time."""
        sender = threading.Thread(target=self.socket.sendall, args=(data,))
        sender.start()
        received = self.receive(count)
        sender.join()
        return received
