# SPDX-License-Identifier: Apache-2.0
"""waybilld with an LMTP listener beside the SMTP one: at the port behind it, and at a UNIX socket."""
import os

from .raw import Raw


def lmtp_server(make, sections=None, users=None, **listen):
    """`make` is the fixture server; `listen` has more settings of the listener, `users` more users than alice and bob;
    `sections` may be a function of the server's folder."""
    made = make(start=False)
    made.lmtp_port = made.port + 1
    made.lmtp_path = os.path.join(made.dir, "lmtp")
    made.lmtp = {"address": f'{{"127.0.0.1:{made.lmtp_port}", "unix:{made.lmtp_path}"}}', "protocol": '"lmtp"', **listen}
    if users:
        with open(os.path.join(made.dir, "users"), "a", encoding="ascii") as f:
            f.write("".join(f"{user}\n" for user in users))
    more = sections(made.dir) if callable(sections) else sections or {}
    made.reconfigure(sections={'listen "lmtp"': made.lmtp, **more})
    return made.start()


def lmtp_client(server, way="tcp", source="127.0.0.1", timeout=30):
    """A client that was greeted and said LHLO."""
    return Raw(server.lmtp_port if way == "tcp" else server.lmtp_path, source, timeout).greeted(verb="LHLO")
