# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications asked for by the client (RFC 3461) and told by the server (RFC 3464)."""
import email
import re
import smtplib
import time

import pytest

from harness.deadline import until
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


class Notice:
    """A report as its reader's program sees it."""

    def __init__(self, mail):
        self.message = email.message_from_bytes(mail.raw)
        assert self.message.get_content_type() == "multipart/report"
        assert self.message.get_param("report-type") == "delivery-status"
        assert mail.field("Return-Path") == "<>"
        text, status, original = self.message.get_payload()
        self.text = text.get_payload(decode=True).decode()
        self.about, *self.recipients = status.get_payload()
        self.original = original

    def fields(self, name):
        return [(r[name] or "").replace("; ", ";") for r in self.recipients]


def notices(server, user):
    """The reports that a mailbox here got so far."""
    return [Notice(m) for m in server.mails(user, "multipart/report")]


def one_notice(server, user, seconds=15):
    return until(lambda: notices(server, user), f"a report for {user}", seconds)[0]


def settled(server):
    until(lambda: server.queued() == 0, "the queue is empty", 20)


REFUSE = {"RCPT": b"550 5.1.1 no such user\r\n"}
LATER = {"RCPT": b"450 4.2.0 not now\r\n"}


def test_a_failure_names_what_the_sender_knows(server):
    """RFC 3464 sections 2.2 and 2.3; RFC 3461 sections 4.2, 4.3, 4.4 and 6.3."""
    mark = token()
    with Remote(REFUSE) as remote:
        s = server(sections=via(remote))
        submit(s, mark, {"x@remote.test": "ORCPT=rfc822;old+2Bx@z.test"}, mail="RET=HDRS ENVID=QQ+2B314")
        n = one_notice(s, "bob")
    assert n.about["Original-Envelope-Id"] == "QQ+314"
    assert n.fields("Original-Recipient") == ["rfc822;old+x@z.test"]
    assert n.fields("Final-Recipient") == ["rfc822;x@remote.test"]
    assert n.fields("Action") == ["failed"] and n.fields("Status") == ["5.1.1"]
    assert "550 5.1.1 no such user" in n.fields("Diagnostic-Code")[0]
    assert n.original.get_content_type() == "text/rfc822-headers" and mark in n.original.as_string()
    settled(s)


def test_the_whole_message_comes_back_when_asked_for(server):
    """RFC 3461 section 4.3."""
    with Remote(REFUSE) as remote:
        s = server(sections=via(remote))
        submit(s, token(), {"x@remote.test": ""}, mail="RET=FULL")
        assert one_notice(s, "bob").original.get_content_type() == "message/rfc822"


@pytest.mark.parametrize("parameters", ["NOTIFY=NEVER", "NOTIFY=SUCCESS", "NOTIFY=DELAY"])
def test_a_failure_that_nobody_asked_for_is_not_told(server, parameters):
    """RFC 3461 section 4.1."""
    with Remote(REFUSE) as remote:
        s = server(sections=via(remote))
        submit(s, token(), {"x@remote.test": parameters})
        s.wait_log(r"not-bounced", 15)
        settled(s)
        assert not notices(s, "bob")


def test_only_those_who_asked_stand_in_a_report(server):
    """RFC 3461 section 4.1: NOTIFY is for each recipient."""
    with Remote(REFUSE) as remote:
        s = server(sections=via(remote))
        submit(s, token(), {"x@remote.test": "NOTIFY=NEVER", "y@remote.test": "NOTIFY=FAILURE", "z@remote.test": ""})
        n = one_notice(s, "bob")
        settled(s)
        assert len(notices(s, "bob")) == 1
    assert sorted(n.fields("Final-Recipient")) == ["rfc822;y@remote.test", "rfc822;z@remote.test"]


def test_a_failure_of_the_null_sender_goes_to_the_postmaster_alone(server):
    """RFC 5321 section 4.5.5: no notice for a notice. alice is the postmaster."""
    with Remote(REFUSE) as remote:
        s = server(sections=via(remote))
        submit(s, token(), {"x@remote.test": "NOTIFY=SUCCESS,FAILURE"}, sender="")
        n = one_notice(s, "alice")
        settled(s)
    assert n.fields("Action") == ["failed"] and len(notices(s, "alice")) == 1


def test_the_postmaster_gets_copies_where_the_configuration_says_so(server):
    """bounce.copies, also of what the sender does not want to hear."""
    with Remote(REFUSE) as remote:
        s = server(sections={**via(remote), "bounce": {"copies": "yes"}})
        submit(s, token(), {"x@remote.test": "NOTIFY=NEVER"})
        assert one_notice(s, "alice").fields("Final-Recipient") == ["rfc822;x@remote.test"]
        submit(s, token(), {"y@remote.test": ""})
        one_notice(s, "bob")
        until(lambda: len(notices(s, "alice")) == 2, "the second copy")
        settled(s)
        assert len(notices(s, "bob")) == 1


def test_a_delivery_here_is_told_when_asked_for(server):
    """RFC 3461 section 4.1: SUCCESS; 6.2: action delivered."""
    mark = token()
    s = server()
    submit(s, mark, {"alice@example.org": "NOTIFY=SUCCESS"}, mail="RET=FULL ENVID=a1")
    n = one_notice(s, "bob")
    assert n.fields("Action") == ["delivered"] and n.fields("Status")[0].startswith("2.")
    assert n.about["Original-Envelope-Id"] == "a1"
    assert n.original.get_content_type() == "text/rfc822-headers"  # RFC 3461 section 4.3: FULL is for failures
    s.mail("alice", mark)
    settled(s)
    assert len(notices(s, "bob")) == 1


def test_nothing_is_told_of_success_unasked(server):
    """RFC 3461 section 4.1."""
    s = server()
    for parameters in ("", "NOTIFY=FAILURE,DELAY", "NOTIFY=NEVER"):
        submit(s, token(), {"alice@example.org": parameters})
    submit(s, token(), {"alice@example.org": "NOTIFY=SUCCESS"}, sender="")
    settled(s)
    assert not notices(s, "bob") and not notices(s, "alice")


@pytest.mark.parametrize("extensions, told", [(EXTENSIONS, True), ((*EXTENSIONS, "DSN"), False)])
def test_passing_on_to_a_server_without_dsn_is_told(server, extensions, told):
    """RFC 3461 section 5.2.2: relayed; a server with DSN gives the notice itself (5.2.1)."""
    mark = token()
    with Remote(extensions=extensions) as remote:
        s = server(sections=via(remote))
        submit(s, mark, {"x@remote.test": "NOTIFY=SUCCESS"})
        remote.message(mark)
        settled(s)
        found = notices(s, "bob")
    assert [n.fields("Action") for n in found] == ([["relayed"]] if told else [])


def test_an_alias_with_several_members_is_told_as_expanded(server):
    """RFC 3461 section 5.2.7: the members' deliveries are not told."""
    mark = token()
    with Remote() as remote:
        s = server(sections=via(remote))
        submit(s, mark, {"team@example.org": "NOTIFY=SUCCESS ORCPT=rfc822;team@example.org"}, sender="carol@remote.test")
        s.mail("alice", mark), s.mail("bob", mark)
        report = remote.message("multipart/report")
        settled(s)
        assert len(remote.messages) == 1
    assert report["recipients"] == ["carol@remote.test"] and report["sender"] == ""
    assert b"Action: expanded" in report["data"] and b"team@example.org" in report["data"]
    assert b"alice" not in report["data"].partition(b"message/delivery-status")[2].partition(b"rfc822-headers")[0]


DELAYS = {"queue": {"retry": '{"1s"}'}, "bounce": {"delay-after": '{"2s", "6s"}'}}


def test_delays_are_told_at_their_times_and_not_again_after_a_restart(server):
    """RFC 3461 section 4.1: DELAY, by default too."""
    with Remote(LATER) as remote:
        s = server(sections={**via(remote), **DELAYS})
        submit(s, token(), {"x@remote.test": "ORCPT=rfc822;x@z.test", "y@remote.test": "NOTIFY=NEVER"}, mail="ENVID=e1")
        n = one_notice(s, "bob")
        assert n.fields("Action") == ["delayed"] and n.fields("Final-Recipient") == ["rfc822;x@remote.test"]
        assert n.fields("Status")[0].startswith("4.") and n.fields("Will-Retry-Until")[0]
        assert n.about["Original-Envelope-Id"] == "e1"
        s.stop()
        s.start()
        s.wait_log(r"(?s)(told-delay.*){2}", 20)
        time.sleep(4)  # one retry wait and a grace after the start: a third one would be here
        assert len(re.findall("told-delay", s.log())) == 2
        until(lambda: len(notices(s, "bob")) == 2, "the second notice")


MEANT = {  # recipient: (what is said of it, the action, the status)
    "gone@remote.test": (b"550 no such user here\r\n", "failed", "5.1.1"),
    "odd@remote.test": (b"550 not today\r\n", "failed", "5.0.0"),
    "own@remote.test": (b"550 5.2.1 no such user here\r\n", "failed", "5.2.1"),
    "full@remote.test": (b"452 mailbox full\r\n", "delayed", "4.2.2"),
    "over@remote.test": (b"552 5.2.2 over quota\r\n", "delayed", "4.2.2"),
}


def test_the_status_says_what_a_reply_without_a_code_means(server):
    """RFC 3463; RFC 3464 section 2.3.4: a program learns as much as a person."""
    def rcpt(_, argument):
        return MEANT[argument[argument.index("<") + 1:argument.index(">")]][0]
    with Remote({"RCPT": rcpt}) as remote:
        s = server(sections={**via(remote), **DELAYS})
        submit(s, token(), {recipient: "" for recipient in MEANT})
        until(lambda: len(notices(s, "bob")) == 2, "a failure and a delay")
        found = {r["Final-Recipient"].partition("; ")[2]: (r["Action"], r["Status"]) for n in notices(s, "bob")
                 for r in n.recipients}
    assert found == {recipient: (action, status) for recipient, (_, action, status) in MEANT.items()}


def test_a_server_that_is_down_is_a_delay_too(server):
    """The recipients were never tried, and their sender is told all the same."""
    with Remote() as remote:
        hop = via(remote)
    s = server(sections={**hop, **DELAYS})
    submit(s, token(), {"x@remote.test": ""})
    assert one_notice(s, "bob").fields("Action") == ["delayed"]


@pytest.mark.parametrize("parameters, delays", [("NOTIFY=FAILURE", '{"1s"}'), ("", "{}")])
def test_delays_that_nobody_wants_are_not_told(server, parameters, delays):
    """RFC 3461 section 4.1; an empty delay-after."""
    with Remote(LATER) as remote:
        s = server(sections={**via(remote), **DELAYS, "bounce": {"delay-after": delays}})
        submit(s, token(), {"x@remote.test": parameters})
        until(lambda: remote.count("RCPT") >= 3, "three attempts", 20)
        assert "told-delay" not in s.log() and not notices(s, "bob")


def test_smtplib_asks_for_notices(server):
    """The parameters as a library writes them."""
    mark = token()
    s = server()
    with smtplib.SMTP("127.0.0.1", s.port, source_address=("127.0.0.2", 0)) as c:
        assert c.ehlo()[0] == 250 and c.has_extn("dsn") and c.has_extn("binarymime")
        c.sendmail("bob@example.org", ["alice@example.org"], message(mark).decode(), mail_options=["RET=HDRS", "ENVID=x1"],
                   rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;alice@example.org"])
    n = one_notice(s, "bob")
    assert n.fields("Action") == ["delivered"] and n.fields("Original-Recipient") == ["rfc822;alice@example.org"]
