# SPDX-License-Identifier: Apache-2.0
"""smtp-source from Debian's Postfix package, unpacked by tools/peers."""
import os
import platform
import subprocess

import pytest

from .server import TOP


def smtp_source(port, *args, source=None, timeout=60):
    """Runs smtp-source against the port; skips the test when the program cannot be had."""
    found = subprocess.run([os.path.join(TOP, "tools", "peers")], capture_output=True, text=True, timeout=120)
    if found.returncode != 0:
        pytest.skip("smtp-source cannot be fetched: " + found.stderr.strip()[-200:])
    root = os.path.join(found.stdout.strip(), "root")
    arch = platform.machine() + "-linux-gnu"
    libs = [root + "/usr/lib/postfix", f"{root}/usr/lib/{arch}", f"{root}/lib/{arch}"]
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs))
    command = [root + "/usr/sbin/smtp-source", *args, f"inet:127.0.0.1:{port}"]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
