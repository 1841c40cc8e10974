# SPDX-License-Identifier: Apache-2.0
"""NSD, an authoritative name server that was not written here, with zones of the test's own; and one that hangs."""
import contextlib
import shutil
import socket
import subprocess
import time

import pytest

from .conf import write
from .deadline import until
from .ports import port_block

HEAD = """\
server:
    ip-address: 127.0.0.1@{port}
    username: ""
    zonesdir: "{dir}"
    database: ""
    pidfile: "{dir}/nsd.pid"
    xfrdfile: "{dir}/xfrd"
    zonelistfile: "{dir}/zonelist"
    server-count: 1
remote-control:
    control-enable: no
"""

ZONE = """\
zone:
    name: {name}
    zonefile: {name}.zone
"""

SOA = """\
$ORIGIN {name}.
$TTL 60
@           IN SOA ns.test. hostmaster.test. 1 3600 600 86400 60
@           IN NS  ns.test.
"""


@contextlib.contextmanager
def name_server(folder, zones):
    """Serves {zone: its records} and gives the port; the test is skipped where NSD is not installed."""
    program = shutil.which("nsd", path="/usr/sbin:/usr/bin:/sbin")
    if program is None:
        pytest.skip("nsd is not installed; tools/install-deps test brings it")
    port = port_block()
    write(folder / "nsd.conf", HEAD.format(port=port, dir=folder) + "".join(ZONE.format(name=name) for name in zones))
    for name, records in zones.items():
        write(folder / f"{name}.zone", SOA.format(name=name) + records)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([program, "-d", "-c", str(folder / "nsd.conf")], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)
    try:
        until(lambda: "nsd started" in (folder / "log").read_text(), "nsd has started", 10)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def silent_name_server():
    """Takes questions and answers none; gives the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


def answer_after_waiting(s, source, other):
    """What alice's sender from there is told at RCPT, and after how many seconds; other() must be quick meanwhile."""
    with s.client(source) as slow:
        slow.cmd("EHLO client.test")
        slow.cmd("MAIL FROM:<x@y.test>").is_(250)
        began = time.monotonic()
        slow.send(b"RCPT TO:<alice@example.org>\r\n")
        for _ in range(10):
            before = time.monotonic()
            other().is_(250)
            assert time.monotonic() - before < 1
        return slow.reply(), time.monotonic() - began
