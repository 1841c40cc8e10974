# SPDX-License-Identifier: Apache-2.0
"""Other people's mail servers, unpacked by tools/peers; smtp-source and smtp-sink from Postfix's."""
import os
import platform
import subprocess
import sys

import pytest

from .ports import port_block
from .server import TOP


def peers_folder(name="postfix"):
    """Where tools/peers has unpacked the package; skips the test when it cannot be had."""
    found = subprocess.run([os.path.join(TOP, "tools", "peers"), name], capture_output=True, text=True, timeout=120)
    if found.returncode != 0:
        pytest.skip(f"the programs of {name} cannot be fetched: " + found.stderr.strip()[-200:])
    return found.stdout.strip()


def peer_environment(name):
    """The path of a program, and the environment in which it runs."""
    root = os.path.join(peers_folder(), "root")
    arch = platform.machine() + "-linux-gnu"
    libs = [root + "/usr/lib/postfix", f"{root}/usr/lib/{arch}"]
    return f"{root}/usr/sbin/{name}", dict(os.environ, LD_LIBRARY_PATH=":".join(libs))


def whole_postfix(folder, mode="maildir", sink=0):
    """The Postfix of bench/postfix.py, not started, that delivers into a Maildir, or passes all on to the port `sink`;
    skips the test where none can run."""
    sys.path.insert(0, os.path.join(TOP, "bench"))
    from postfix import Postfix
    if not Postfix.possible():
        pytest.skip("running Postfix unpacked needs root and unshare")
    os.chmod(folder, 0o755)
    for above in folder.parents:
        if not os.stat(above).st_mode & 1:
            os.chmod(above, os.stat(above).st_mode | 1)
    return Postfix(peers_folder(), str(folder), mode, sink=sink, port=port_block())


def smtp_source(port, *args, source=None, timeout=60):
    """Runs smtp-source against the port."""
    program, env = peer_environment("smtp-source")
    command = [program, *args, f"inet:127.0.0.1:{port}"]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
