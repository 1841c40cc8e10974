# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications asked for by the client (RFC 3461) and told by the server (RFC 3464)."""
import pytest

from harness.remote import EXTENSIONS, Remote
from harness.server import message, token


def via(remote):
    return {'route "*"': {"via": "{" + remote.via + "}"}}


def submit(server, mark, recipients, sender="bob@example.org", mail=""):
    """`recipients`: {mailbox: parameters}"""
    with server.client(source="127.0.0.2") as c:
        c.cmd(f"MAIL FROM:<{sender}> {mail}".rstrip()).is_(250)
        for mailbox, parameters in recipients.items():
            c.cmd(f"RCPT TO:<{mailbox}> {parameters}".rstrip()).is_(250)
        c.cmd("DATA").is_(354)
        c.send(message(mark) + b".\r\n").reply().is_(250)


@pytest.mark.parametrize("parameters", ["NOTIFY=", "NOTIFY=SOMETIMES", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY NOTIFY=DELAY",
                                        "ORCPT=nobody", "ORCPT=rfc822;a=b", "ORCPT=rfc822;a@b ORCPT=rfc822;a@b"])
def test_bad_parameters_of_rcpt_are_501(demo, parameters):
    """RFC 3461 sections 4.1 and 4.2."""
    with demo.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org> " + parameters).is_(501)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)


def test_what_was_asked_for_reaches_a_server_that_knows_dsn(server):
    """RFC 3461 section 5.2.1."""
    mark = token()
    with Remote(extensions=(*EXTENSIONS, "DSN")) as remote:
        s = server(sections=via(remote))
        submit(s, mark, {"x@remote.test": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old+2Bx@z.test", "y@remote.test": "",
                         "z@remote.test": "NOTIFY=NEVER"}, mail="RET=HDRS ENVID=QQ314")
        remote.message(mark)
        said = {argument.partition("<")[2].partition(">")[0]: argument.upper() for _, verb, argument in remote.commands
                if verb in ("MAIL", "RCPT")}
    assert "RET=HDRS" in said["bob@example.org"] and "ENVID=QQ314" in said["bob@example.org"]
    assert "NOTIFY=SUCCESS,FAILURE" in said["x@remote.test"] and "ORCPT=RFC822;OLD+2BX@Z.TEST" in said["x@remote.test"]
    assert "NOTIFY" not in said["y@remote.test"] and "ORCPT" not in said["y@remote.test"]
    assert "NOTIFY=NEVER" in said["z@remote.test"]


def test_a_server_without_dsn_is_told_nothing_of_it(server):
    """RFC 3461 section 5.2.2."""
    mark = token()
    with Remote() as remote:
        s = server(sections=via(remote))
        submit(s, mark, {"x@remote.test": "NOTIFY=FAILURE ORCPT=rfc822;x@remote.test"}, mail="RET=HDRS ENVID=QQ314")
        remote.message(mark)
        said = " ".join(argument for _, verb, argument in remote.commands if verb in ("MAIL", "RCPT"))
    assert not any(word in said for word in ("RET=", "ENVID=", "NOTIFY=", "ORCPT="))
