# SPDX-License-Identifier: MIT
"""Parts of the VM tests: the USB controller under test, the virtual machines, and stick images."""
