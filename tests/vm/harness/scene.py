# SPDX-License-Identifier: MIT
"""A host, a daemon and a guest that all tests of a module share; the first test that asks sets them up.

The module has a class Scene and imports the fixtures:

    from harness.scene import scene, scene_keeper  # noqa: F401 fixtures

    class Scene:
        def __init__(self, host, folder, build):
            # folder is for images; build has the compiled programs for VM tests
            self.host, self.usb, self.guest = ...
            self.peers = [...]                        # optional: peers to close at the end

The guest ends when it hears "end". After a test that fails, the next test begins with a new host.
"""

from pathlib import Path

import pytest


class SceneKeeper:
    """The scene, if there is one."""

    def __init__(self, host_keeper, make):
        self.host_keeper = host_keeper
        self.make = make
        self.scene = None
        self.peers = []

    def get(self):
        if self.scene is None:
            host = self.host_keeper.get()
            host.logs = [host.log]
            self.scene = self.make(host)
            self.peers += getattr(self.scene, "peers", [])
        return self.scene

    def finish(self):
        """End the scene in order, and demand that it ends clean. Returns the ended scene, None if there was none."""
        ended, self.scene = self.scene, None
        if ended is not None:
            ended.guest.say("end")
            ended.guest.finish()
            ended.usb.stop()
            assert ended.host.bad_lines() == []
        return ended

    def drop(self):
        self.scene = None
        # Closing a peer may unplug its device of QEMU, so close peers only after the scene has ended.
        while self.peers:
            self.peers.pop().socket.close()
        # This ends the guest and the daemon too.
        self.host_keeper.drop()


@pytest.fixture(scope="module")
def scene_keeper(request, host_keeper, tmp_path_factory):
    build = Path(request.config.getoption("--daemon")).resolve().parent / "tests" / "vm"
    keeper = SceneKeeper(host_keeper, lambda host: request.module.Scene(host, tmp_path_factory.mktemp("scene"), build))
    yield keeper
    try:
        keeper.finish()
    finally:
        keeper.drop()


@pytest.fixture
def scene(request, scene_keeper):  # pylint: disable=redefined-outer-name
    one = scene_keeper.get()
    request.node.logs, request.node.host = one.host.logs, one.host
    yield one
    if getattr(request.node, "failed", False):
        scene_keeper.drop()
    elif scene_keeper.scene is one:
        assert one.host.bad_lines() == []
