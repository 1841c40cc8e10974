# SPDX-License-Identifier: Apache-2.0
"""A host that keeps no mail itself: it relays for those whom it trusts, and has a postmaster."""
import os

from harness.conf import write
from harness.ports import port_block
from harness.server import Server, program


def relay_only(folder):
    port = port_block()
    conf = os.path.join(folder, "waybill.conf")
    write(conf, f'hostname = "relay.example.org"\ndata = "{folder}/data"\ntrust = {{"127.0.0.2"}}\n'
                f'listen "smtp" {{ address = {{"127.0.0.1:{port}"}} }}\n'
                f'route "*" {{ via = "smtp://127.0.0.1:{port + 1}" }}\n')
    return Server(folder, port, [program("waybilld"), "-c", conf], conf)


def test_a_host_without_domains_relays_for_the_trusted_and_refuses_strangers(tmp_path):
    """RFC 5321 section 3.6: a relay is no directory that is down."""
    server = relay_only(str(tmp_path)).start()
    try:
        with server.client("127.0.0.2") as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<x@elsewhere.test>").is_(250)
        with server.client() as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<x@elsewhere.test>").is_(550, "5.7.1")
            c.cmd("RCPT TO:<postmaster>").is_(250)
        server.stop()
    finally:
        server.kill_all()
