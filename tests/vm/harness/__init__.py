# SPDX-License-Identifier: MIT
"""Parts of the VM tests: the USB controller under test, the virtual machine, and stick images."""
