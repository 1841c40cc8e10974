# SPDX-License-Identifier: Apache-2.0
"""Policy services, asked by Postfix's protocol: postgrey, and services that say, or fail to say, whatever a test wants."""
import json
import re
import threading
import time

import pytest

from harness.deadline import until
from harness.name_server import answer_after_waiting, name_server, silent_name_server
from harness.peers import whole_postfix
from harness.policy_service import CLOSE, HANG, PolicyService, Postgrey, said
from harness.raw import Raw
from harness.server import message, token

STRANGER = "127.0.0.3"


def told(s):
    """The server, when every smtpd knows at which stages to ask at once."""
    until(lambda: s.log().count("ev=stages ") >= len(s.roles("smtpd")), "policy has said it")
    return s


def section(service, **settings):
    return {"address": service.address, **settings}


@pytest.fixture
def asking(server):
    """A maker: a server that asks the service, with settings of its section."""
    def make(service, top=None, **settings):
        return server(sections={'policy-service "test"': section(service, **settings), **(top or {})})
    return make


def rcpt(s, recipient="alice@example.org", sender="a@b.test", source=STRANGER):
    """The reply to the first RCPT of a session of its own."""
    with s.client(source) as c:
        c.cmd(f"MAIL FROM:<{sender}>").is_(250)
        return c.cmd(f"RCPT TO:<{recipient}>")


def sent(s, mark):
    """Whether the recipient was accepted; then the message was, too."""
    with s.client(STRANGER) as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        return c.cmd("RCPT TO:<alice@example.org>").code == 250 and c.data(message(mark)).is_(250)


def send(s, mark, sender="a@b.test", recipient="alice@example.org"):
    with s.client(STRANGER) as c:
        return c.begin(sender, recipient).data(message(mark))


def counts(s):
    listed = json.loads(s.tool("check", "list", "--json").stdout)
    return {one["name"]: one for one in listed["services"]}


def services_down(s):
    return s.status()["services_down"]


def replies_to(s, *recipients):
    """The codes of one transaction's recipients."""
    with s.client(STRANGER) as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        return [c.cmd(f"RCPT TO:<{local}@example.org>").code for local in recipients]


@pytest.mark.parametrize("stages", ['{"connect"}', '{"helo"}', '{"sender"}'])
@pytest.mark.parametrize("early", ["no", "yes"])
def test_a_deferral_holds_for_every_recipient(asking, stages, early):
    """Whatever was said of another one before, and however early the service was asked."""
    with PolicyService(said("DEFER_IF_REJECT not sure")) as service:
        s = asking(service, stages=stages, top={"checks": {"early-refusals": early}})
        if early == "yes":
            told(s)
        assert replies_to(s, "alice", "nobody", "nobody1", "alice", "nobody2") == [250, 450, 450, 250, 450]
        if early == "no":
            service.answer = lambda question: said("DEFER_IF_PERMIT not yet")
            assert replies_to(s, "alice", "nobody", "alice", "nobody", "alice") == [450, 550, 450, 550, 450]


def test_postgrey_lets_a_sender_in_that_comes_back(server, tmp_path):
    mark = token()
    with Postgrey(tmp_path, delay=3) as postgrey:
        s = server(sections={'policy-service "postgrey"': section(postgrey)})
        began = time.monotonic()
        first = rcpt(s)
        first.is_(450, "4.2.0")
        assert "Greylisted" in first.text and "[s " in first.text
        if time.monotonic() - began < 1.5:
            rcpt(s).is_(450, "4.2.0")
        until(lambda: sent(s, mark), "postgrey lets it in")
        assert time.monotonic() - began > 2, "it waited for nothing"
        rcpt(s).is_(250)
        rcpt(s, sender="other@b.test").is_(450, "4.2.0")
        rcpt(s, source="127.0.0.2").is_(250)  # trusted
        log = postgrey.log()
    assert re.search(r"action=greylist, reason=new, .*client_address=127\.0\.0\.3, sender=a@b\.test, recipient=alice@example\.org", log)
    assert "action=pass, reason=triplet found" in log
    assert re.search(rb"X-Greylist: delayed \d+ seconds by postgrey", s.mail("alice", mark).raw)
    s.wait_log('key=service-deferred check=policy-service why="postgrey said .*DEFER_IF_PERMIT 4.2.0 Greylisted')


# --- the client's name ---

NAMED, FORGED, TWICE, NAMELESS = "127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4"
ZONES = {
    "127.in-addr.arpa": """\
1.1.0 IN PTR mx.debian.org.
2.1.0 IN PTR forged.debian.org.
3.1.0 IN PTR forged.debian.org.
3.1.0 IN PTR mx.debian.org.
""",
    "debian.org": """\
mx IN A 127.0.1.1
mx IN A 127.0.1.3
forged IN A 192.0.2.1
""",
}


@pytest.fixture
def dns(tmp_path):
    """The section that asks a name server which knows these names."""
    folder = tmp_path / "nsd"
    folder.mkdir()
    with name_server(folder, ZONES) as port:
        yield {"servers": f'{{"127.0.0.1:{port}"}}', "trust-anchor": '""'}


def names(question):
    return question["client_name"], question["reverse_client_name"]


def test_postgrey_knows_the_clients_of_its_list(server, tmp_path, dns):
    """debian.org is in the list that comes with it; whoever only says that he belongs to it waits."""
    with Postgrey(tmp_path, delay=300) as postgrey:
        s = server(sections={'policy-service "postgrey"': section(postgrey), "dns": dns})
        rcpt(s, source=NAMED).is_(250)
        rcpt(s, source=FORGED).is_(450, "4.2.0")
        rcpt(s, source=NAMELESS).is_(450, "4.2.0")
        assert "client_name=mx.debian.org" in postgrey.log() and "client_name=unknown" in postgrey.log()


def test_the_clients_name_is_told_at_each_stage(asking, dns):
    with PolicyService(said("DUNNO")) as service:
        s = told(asking(service, stages='{"connect", "helo", "sender", "recipient", "end"}',
                        top={"checks": {"early-refusals": "yes"}, "dns": dns}))
        for source, expected in ((NAMED, ("mx.debian.org", "mx.debian.org")), (FORGED, ("unknown", "forged.debian.org")),
                                 (TWICE, ("mx.debian.org", "mx.debian.org")), (NAMELESS, ("unknown", "unknown"))):
            service.asked.clear()
            with s.client(source) as c:
                c.begin("a@b.test", "alice@example.org").data(message(token())).is_(250)
            stages = [q["protocol_state"] for q in service.asked]
            assert stages == ["CONNECT", "EHLO", "MAIL", "RCPT", "END-OF-MESSAGE"]
            assert [names(q) for q in service.asked] == [expected] * 5, source


def test_a_name_that_was_only_looked_up_is_followed_after_a_reload(server, dns):
    """Where a service comes that was not there, the name of a client that was here before leads back too."""
    with PolicyService(said("DUNNO")) as service:
        both = {"reverse-name": {"must-exist": "yes"}, "dns": dns}
        s = server(sections=both)
        rcpt(s, source=NAMED).is_(250)
        s.reconfigure(sections={**both, 'policy-service "test"': section(service)})
        assert s.tool("reload").returncode == 0
        until(lambda: rcpt(s, source=NAMED).code == 250 and service.asked, "it is asked")
    assert names(service.asked[0]) == ("mx.debian.org", "mx.debian.org")


def test_a_service_that_comes_by_a_reload_hears_names(server, dns):
    """The policy process had no resolver before."""
    with PolicyService(said("DUNNO")) as service:
        s = server(sections={"dns": dns})
        s.reconfigure(sections={"dns": dns, 'policy-service "test"': section(service)})
        assert s.tool("reload").returncode == 0
        until(lambda: rcpt(s, source=NAMED).code == 250 and service.asked, "it is asked")
    assert names(service.asked[0]) == ("mx.debian.org", "mx.debian.org")


def test_without_an_answer_of_the_dns_the_service_is_asked_all_the_same(asking):
    """Whom no service is asked about does not wait for the DNS."""
    with PolicyService(said("550 asked")) as service, silent_name_server() as port:
        s = asking(service, **{"only-for": '{"127.0.0.3"}'},
                   top={"dns": {"servers": f'{{"127.0.0.1:{port}"}}', "trust-anchor": '""'}})
        reply, seconds = answer_after_waiting(s, STRANGER, lambda: rcpt(s, source="127.0.0.4"))
        assert "asked" in reply.is_(550).text
        assert 3 < seconds < 7
    assert [names(q) for q in service.asked] == [("unknown", "unknown")]


@pytest.mark.parametrize("actions, code, enhanced, text", [
    (["DUNNO"], 250, "2.1.5", None),
    (["OK"], 250, "2.1.5", None),
    (["REJECT"], 554, "5.7.1", "Refused by a policy service"),
    (["REJECT 5.7.23 SPF says no"], 554, "5.7.23", "SPF says no"),
    (["550 go away"], 550, "5.7.1", "go away"),
    (["552 5.2.2 too much"], 552, "5.2.2", "too much"),
    (["571 5.7.1 of no class"], 550, "5.7.1", "of no class"),
    (["DEFER"], 450, "4.7.1", "Put off by a policy service"),
    (["451 5.3.0 of another class"], 451, "4.3.0", "of another class"),
    (["DEFER_IF_PERMIT 4.2.0 Greylisted"], 450, "4.2.0", "Greylisted"),
    (["DEFER_IF_REJECT later"], 250, "2.1.5", None),
    (["HOLD and see"], 250, "2.1.5", None),
    (["WARN odd", "DUNNO"], 250, "2.1.5", None),
    (["REDIRECT bob@example.org"], 250, "2.1.5", None),
    (["PREPEND X-A: b", "550 no"], 550, "5.7.1", "no"),
    (["DUNNO", "450 first", "550 second"], 450, "4.7.1", "first"),
    (["DEFER_IF_PERMIT later", "550 no"], 550, "5.7.1", "no"),
    (["550 tab\there \\ and \xe4 \u20ac"], 550, "5.7.1", r"tab\x09here \ and \xc3\xa4 \xe2\x82\xac"),
    (["550 " + "x" * 5000], 550, "5.7.1", "x" * 400),
])
def test_each_action(asking, actions, code, enhanced, text):
    with PolicyService(said(*actions)) as service:
        s = asking(service)
        reply = rcpt(s).is_(code, enhanced)
        assert len(reply.lines) == 1 and len(reply.raw) <= 512
        if text is not None:
            assert re.sub(r" \[s \w+\]$", "", reply.text).partition(" ")[2] == text, reply
        rcpt(s, source="127.0.0.2").is_(250)
        assert len(service.asked) == 1


def test_what_is_refused_later_is_put_off_if_the_service_wants(asking):
    """DEFER_IF_REJECT turns a later refusal for good into one for now, and DEFER_IF_PERMIT yields to it."""
    with PolicyService(said("DEFER_IF_REJECT not sure")) as service:
        s = asking(service, stages='{"sender"}')
        rcpt(s).is_(250)
        reply = rcpt(s, "nobody@example.org").is_(450, "4.7.1")
        assert "not sure" in reply.text
        rcpt(s, "x@elsewhere.test").is_(450)
        service.answer = lambda question: said("DEFER_IF_PERMIT not now")
        rcpt(s).is_(450, "4.7.1")
        rcpt(s, "nobody@example.org").is_(550, "5.1.1")
        with s.client(STRANGER) as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<alice@example.org>").is_(450)
            c.cmd("RCPT TO:<bob@example.org>").is_(450)
    assert {q["protocol_state"] for q in service.asked} == {"MAIL"}


def test_a_yes_opens_no_relay(asking):
    """OK excuses from what stands behind it at the same stage, not from what holds for everybody."""
    with PolicyService(said("OK")) as service:
        s = asking(service, stages='{"connect", "helo", "sender", "recipient"}', top={
            "checks": {"order": '{"policy-service", "sender-domain", "deny", "relay", "recipient", "mailbox"}'},
            "deny": {"recipient": '{"bob@example.org"}'}})
        rcpt(s, "x@elsewhere.test").is_(550, "5.7.1")
        rcpt(s, "nobody@example.org").is_(550, "5.1.1")
        rcpt(s, "bob@example.org").is_(250)
        rcpt(s, sender="root@localhost").is_(250)
        service.answer = lambda question: said("OK" if question["protocol_state"] == "MAIL" else "DUNNO")
        rcpt(s, sender="root@localhost").is_(250)
        rcpt(s, "bob@example.org", sender="root@localhost").is_(550, "5.7.1")
        service.answer = lambda question: said("DUNNO")
        rcpt(s, sender="root@localhost").is_(550, "5.1.8")


def test_a_field_stands_before_the_message(asking):
    marks = [token(), token()]
    with PolicyService(lambda q: said(f"PREPEND X-{q['protocol_state']}: {q['sender']} {q['recipient']}",
                                      "PREPEND X-Two:  twice", "DUNNO")) as service:
        s = asking(service, stages='{"helo", "sender", "recipient"}')
        with s.client(STRANGER) as c:
            c.begin("a@b.test", "alice@example.org", "bob@example.org").data(message(marks[0])).is_(250)
            c.begin("z@b.test", "alice@example.org").data(message(marks[1])).is_(250)
    raw = s.mail("alice", marks[0]).raw
    head = raw[:raw.index(b"Received:")]
    assert [line for line in head.splitlines() if line.startswith(b"X-")] == [
        b"X-MAIL: a@b.test", b"X-Two:  twice", b"X-RCPT: a@b.test alice@example.org",
        b"X-RCPT: a@b.test bob@example.org"], raw
    assert b"X-RCPT: a@b.test" not in s.mail("alice", marks[1]).raw and b"X-EHLO" not in raw
    s.wait_log("ev=policy-service-ignored .*action=PREPEND")
    assert s.log().count("action=PREPEND") == 1
    assert counts(s)["test"]["ignored"] == 2


def test_a_field_cannot_end_the_header(asking):
    mark = token()
    with PolicyService(b"action=PREPEND X-A: b\r\raction=x\n\n") as service:
        s = asking(service)
        rcpt(s).is_(451, "4.3.0")
        service.answer = lambda question: said("PREPEND X-Good: 1", "PREPEND no field", "PREPEND X-B\xe4d: 1", "DUNNO")
        send(s, mark).is_(250)
    raw = s.mail("alice", mark).raw
    assert b"X-Good: 1\n" in raw and b"no field" not in raw and b"X-B" not in raw


def test_a_discarded_message_vanishes(asking):
    mark, kept = token(), token()
    with PolicyService(lambda q: said("DISCARD" if q["sender"] == "bad@b.test" else "DUNNO")) as service:
        s = asking(service, stages='{"end"}')
        send(s, mark, sender="bad@b.test").is_(250)
        with s.client(STRANGER) as c:
            c.begin("bad@b.test", "alice@example.org").data(message(mark, b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 9000)).is_(250)
        send(s, kept).is_(250)
        s.mail("alice", kept)
        until(lambda: s.log().count("ev=discarded m=") == 2, "both are told in the log")
        s.settled()
    assert not s.mails("alice", mark)
    sizes = [int(q["size"]) for q in service.asked]
    assert sizes[1] > 600_000 and [q["protocol_state"] for q in service.asked] == ["END-OF-MESSAGE"] * 3


@pytest.mark.parametrize("stage", ["recipient", "end"])
def test_a_held_message_waits_for_the_postmaster(asking, stage):
    """For all its recipients, across a death of the queue, large or small; released, it is delivered."""
    mark, other = token(), token()
    with PolicyService(lambda q: said("HOLD look at it" if q["sender"] == "odd@b.test" else "DUNNO")) as service:
        s = asking(service, stages=f'{{"{stage}"}}')
        for body in (b"Hello.\r\n", (b"y" * 70 + b"\r\n") * 9000):
            with s.client(STRANGER) as c:
                c.begin("odd@b.test", "alice@example.org", "bob@example.org").data(message(mark, body)).is_(250)
        send(s, other).is_(250)
        s.mail("alice", other)
        until(lambda: s.log().count("ev=held m=") == 2, "both are held")
        until(lambda: s.queued() == 2, "the other one is settled")
        s.kill_role("queue")
        until(lambda: s.log().count("ev=spool-open") == 2, "the next queue knows what is there")
        send(s, other).is_(250)
        until(lambda: len(s.mails("alice", other)) == 2, "others are delivered")
        until(lambda: s.queued() == 2, "both are there")
        listed = s.tool("queue", "list", "--json").stdout
        assert listed.count('"state":"held"') == 4, listed
        assert not s.mails("alice", mark) and not s.mails("bob", mark)
        assert s.tool("queue", "release", "--state", "held").returncode == 0
        until(lambda: len(s.mails("alice", mark)) == 2 and len(s.mails("bob", mark)) == 2, "all are delivered")
        assert "ignored service=test action=HOLD" not in s.log()


def test_what_is_asked_at_each_stage(asking):
    with PolicyService(said("DUNNO")) as service:
        s = asking(service, stages='{"connect", "helo", "sender", "recipient", "end"}')
        with s.client(STRANGER) as c:
            c.cmd("MAIL FROM:<a@b.test> SIZE=1000").is_(250)
            c.cmd("RCPT TO:<alice@example.org>").is_(250)
            c.cmd("RCPT TO:<bob@example.org>").is_(250)
            accepted = c.data(message(token())).is_(250)
            c.begin("", "alice@example.org").data(message(token())).is_(250)
    stages = [(q["protocol_state"], q["helo_name"], q["sender"], q["recipient"], q["recipient_count"]) for q in service.asked]
    helo = service.asked[1]["helo_name"]
    assert stages == [
        ("CONNECT", "", "", "", "0"), ("EHLO", helo, "", "", "0"), ("MAIL", helo, "a@b.test", "", "0"),
        ("RCPT", helo, "a@b.test", "alice@example.org", "0"), ("RCPT", helo, "a@b.test", "bob@example.org", "0"),
        ("END-OF-MESSAGE", helo, "a@b.test", "", "2"), ("MAIL", helo, "", "", "0"),
        ("RCPT", helo, "", "alice@example.org", "0"), ("END-OF-MESSAGE", helo, "", "alice@example.org", "1")]
    one = service.asked[3]
    assert one["request"] == "smtpd_access_policy" and one["size"] == "1000" and one["protocol_name"] == "ESMTP"
    assert (one["client_address"], one["server_address"], one["server_port"]) == (STRANGER, "127.0.0.1", str(s.port))
    assert int(one["client_port"]) > 1023 and one["client_name"] == "unknown"
    assert [q["protocol_name"] for q in service.asked[:2]] == ["SMTP", "ESMTP"]
    instances = [q["instance"] for q in service.asked]
    assert [q["queue_id"] for q in service.asked] == [""] * 4 + [instances[0]] * 2 + ["", "", instances[6]]
    assert instances[0] in accepted.text
    assert len(set(instances[:6])) == 1 and instances[6] == instances[7] != instances[0]


POSTFIX = """\
smtpd_delay_reject = no
mynetworks =
smtpd_peername_lookup = yes
smtpd_client_restrictions = {ask}
smtpd_helo_restrictions = {ask}
smtpd_sender_restrictions = {ask}
smtpd_recipient_restrictions = reject_unauth_destination, {ask}
smtpd_end_of_data_restrictions = {ask}
"""


def converse(port):
    """What a client says whom both are asked about."""
    text = b"Subject: x\r\n\r\nx\r\n.\r\n"
    with Raw(port, STRANGER) as c:
        c.reply().is_(220)
        c.cmd("EHLO Client.Test").is_(250)
        for sender, recipients in (("A@b.test", ("alice@example.org", "bob@example.org")), ("", ("Alice@Example.org",))):
            c.cmd(f"MAIL FROM:<{sender}> SIZE=1000").is_(250)
            for recipient in recipients:
                c.cmd(f"RCPT TO:<{recipient}>").is_(250)
            c.cmd("DATA").is_(354)
            c.send(text).reply().is_(250)
    with Raw(port, STRANGER) as c:
        c.reply().is_(220)
        c.cmd("HELO client.test").is_(250)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)


def same_for_both(question):
    """But for what is one's own. Postfix has an instance from the first recipient on, and says in answer to EHLO that
    it speaks SMTP still."""
    own = {"client_port", "server_port", "instance", "compatibility_level", "mail_version"}
    if question["protocol_state"] == "EHLO":
        own.add("protocol_name")
    return {name: bool(value) if name == "queue_id" else value for name, value in question.items() if name not in own}


def test_it_is_asked_what_postfix_asks(asking, tmp_path):
    """The same dialogue, by the same service, in the same order."""
    with PolicyService(said("DUNNO")) as service:
        peer = whole_postfix(tmp_path)
        with open(f"{peer.dir}/conf/main.cf", "a", encoding="ascii") as f:
            f.write(POSTFIX.format(ask=f"check_policy_service inet:127.0.0.1:{service.port}"))
        peer.start()
        try:
            service.asked.clear()
            converse(peer.port)
        finally:
            peer.stop()
        theirs = [same_for_both(q) for q in service.asked]
        s = told(asking(service, stages='{"connect", "helo", "sender", "recipient", "end"}',
                        top={"checks": {"early-refusals": "yes"}}))
        service.asked.clear()
        converse(s.port)
    ours = [same_for_both(q) for q in service.asked]
    assert len(theirs) > 10
    for mine, other in zip(ours, theirs):
        assert mine == other
    assert len(ours) == len(theirs)


def test_early_refusals_speak_at_the_stage(asking):
    with PolicyService(lambda q: said({"CONNECT": "550 not you"}.get(q["protocol_state"], "DUNNO"))) as service:
        s = told(asking(service, stages='{"connect", "helo", "sender"}', top={"checks": {"early-refusals": "yes"}}))
        with s.raw(STRANGER) as c:
            c.reply().is_(554, "5.7.1")
            c.cmd("EHLO x.test").is_(503)
        for state, code, expected in [("CONNECT", "450 later", 421), ("EHLO", "450 later", 450), ("MAIL", "550 no", 550)]:
            service.answer = lambda q, state=state, code=code: said(code if q["protocol_state"] == state else "DUNNO")
            with s.raw(STRANGER) as c:
                replies = [c.reply().code]
                for command in ["EHLO x.test", "MAIL FROM:<a@b.test>"] if replies[0] == 220 else []:
                    replies.append(c.cmd(command).code)
                assert expected in replies and expected == [code for code in replies if code >= 400][0]


@pytest.mark.parametrize("answer", [HANG, CLOSE, said("550 no"), said("DISCARD")])
def test_postmaster_is_reached_whatever_services_say(asking, answer):
    """Nobody else slips in behind him, and what is for others too is asked about as a whole."""
    mark = token()
    with PolicyService(answer) as service:
        s = asking(service, stages='{"connect", "helo", "sender", "recipient", "end"}', timeout="2s")
        rcpt(s, "postmaster").is_(250)
        with s.client(STRANGER) as c:
            began = time.monotonic()
            c.begin("a@b.test", "Postmaster@example.org").data(message(mark)).is_(250)
            assert time.monotonic() - began < 1.5 and service.asked == []
            refused = answer in (HANG, CLOSE) or b"550" in answer
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<postmaster@example.org>").is_(250)
            c.cmd("RCPT TO:<postmaster@elsewhere.test>").is_(550, "5.7.1")
            assert (c.cmd("RCPT TO:<alice@example.org>").code >= 400) == refused
    assert service.asked[0]["protocol_state"] == "CONNECT"
    s.mail("alice", mark)  # who is postmaster here


def test_what_was_not_asked_for_postmaster_is_asked_for_the_next(asking):
    """In the same message, and in the next one."""
    with PolicyService(lambda q: said("550 not you" if q["protocol_state"] in ("EHLO", "MAIL") else "DUNNO")) as service:
        s = asking(service, stages='{"helo", "sender", "recipient", "end"}')
        with s.client(STRANGER) as c:
            c.begin("a@b.test", "postmaster@example.org")
            c.cmd("RCPT TO:<alice@example.org>").is_(550)
            c.data(message(token())).is_(250)
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<alice@example.org>").is_(550)
            service.answer = lambda q: said("550 not that" if q["protocol_state"] == "MAIL" else "DUNNO")
            c.cmd("RCPT TO:<alice@example.org>").is_(550)
    assert [q["protocol_state"] for q in service.asked] == ["EHLO", "EHLO", "EHLO", "MAIL"]


def test_421_closes(asking):
    with PolicyService(said("421 4.7.0 enough")) as service:
        s = asking(service)
        with s.client(STRANGER) as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.cmd("RCPT TO:<alice@example.org>").is_(421, "4.7.0")
            assert c.is_closed()


def test_two_services_are_asked_in_their_order(server):
    with PolicyService(said("PREPEND X-One: 1", "DUNNO")) as one, PolicyService(said("550 two")) as two:
        s = server(sections={'policy-service "one"': section(one), 'policy-service "two"': section(two)})
        assert "two" in rcpt(s).is_(550).text
        one.answer = lambda question: said("OK")
        rcpt(s).is_(250)
    assert len(one.asked) == 2 and len(two.asked) == 1


def test_only_the_networks_that_are_meant(asking):
    with PolicyService(said("550 no")) as service:
        s = asking(service, **{"only-for": '{"127.0.0.3"}'})
        rcpt(s).is_(550)
        rcpt(s, source="127.0.0.4").is_(250)
    assert len(service.asked) == 1


def test_at_a_unix_socket(asking, tmp_path):
    with PolicyService(said("450 4.7.1 by path"), path=str(tmp_path / "policy")) as service:
        assert "by path" in rcpt(asking(service)).is_(450).text


# --- services that fail ---

BROKEN = {
    "closes": CLOSE,
    "dies in the middle": [b"action=DUN", CLOSE],
    "dies before the end": [b"action=DUNNO\n", CLOSE],
    "no action": b"\n",
    "no lines": b"DUNNO\n\n",
    "no action that is one": said("MAYBE later"),
    "one that is none among others": said("DUNNO", "reject_unknown_client"),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"action=DUN\0NO\n\n",
    "10 MB": b"x" * 10_000_000,
    "10 MB of lines": b"name=value\n" * 1_000_000,
    "too many actions": said(*["DUNNO"] * 100),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_service_that_is_broken_puts_mail_off(asking, how):
    with PolicyService(BROKEN[how]) as service:
        s = asking(service, timeout="2s")
        for _ in range(3):
            rcpt(s).is_(451, "4.3.0")
        rcpt(s, source="127.0.0.2").is_(250)
        service.answer = lambda question: said("DUNNO")
        rcpt(s).is_(250)
    s.wait_log("ev=policy-service-up service=test unanswered=3")
    assert s.log().count("ev=policy-service-down") == 1 and "address=127.0.0.1:" in s.log()
    assert counts(s)["test"]["unanswered"] == 3


def test_a_service_that_may_be_missed(asking):
    with PolicyService(CLOSE) as service:
        s = asking(service, **{"pass-when-down": "yes"})
        rcpt(s).is_(250)
        rcpt(s, "nobody@example.org").is_(550)
    rcpt(s).is_(250)
    s.wait_log("ev=policy-service-down .*service=test .*clients go on without it")


def test_nobody_listens(asking, tmp_path):
    service = PolicyService(said("DUNNO"))
    s = asking(service)
    rcpt(s).is_(451, "4.3.0")
    s.wait_log("ev=policy-service-down .*Connection refused")
    assert counts(s)["test"]["down"]
    down, = services_down(s)
    assert down["name"] == "test" and "Connection refused" in down["why"] and not down["passed"], down
    assert "policy service down: test for " in s.tool("status").stdout
    with service:
        rcpt(s).is_(250)
    assert not counts(s)["test"]["down"]
    until(lambda: services_down(s) == [], "status knows that it is back")
    s.reconfigure(sections={'policy-service "test"': {"address": f'"unix:{tmp_path}/none"'}})
    s.tool("reload")
    until(lambda: rcpt(s).code == 451, "the new address counts")
    s.wait_log("No such file")


def test_status_forgets_a_service_that_is_asked_no_more(asking):
    """And says what a reload made of one that is still down."""
    service = PolicyService(said("DUNNO"))
    s = asking(service)
    rcpt(s).is_(451)
    assert "    clients are told 451 until it answers\n" in s.tool("status").stdout
    since = services_down(s)[0]["since_ms"]
    s.reconfigure(sections={'policy-service "test"': section(service, **{"pass-when-down": "yes"})})
    s.tool("reload")
    until(lambda: services_down(s)[0]["passed"], "status knows that clients go on")
    assert "    clients go on without it\n" in s.tool("status").stdout
    assert services_down(s)[0]["since_ms"] == since
    s.reconfigure()
    s.tool("reload")
    until(lambda: services_down(s) == [], "it is no service of ours")


def test_status_of_several_services(server):
    with PolicyService(said("DUNNO")) as one, PolicyService(HANG) as other:
        s = server(sections={'policy-service "one"': section(one), 'policy-service "two"':
                             section(other, timeout="500ms", **{"pass-when-down": "yes"})})
        rcpt(s).is_(250)
        down, = services_down(s)
        assert (down["name"], down["why"], down["passed"]) == ("two", "it did not answer in time", True)
        s.kill_role("policy")
        until(lambda: services_down(s) == [], "the next process knows of nothing")


def test_a_service_that_hangs_delays_only_who_asks_it(asking):
    """Others go on meanwhile, and who asks waits for the time-out once."""
    with PolicyService(lambda q: HANG if q["sender"] == "slow@b.test" else said("DUNNO")) as service:
        s = asking(service, timeout="3s")
        waited = []

        def ask():
            began = time.monotonic()
            reply = rcpt(s, sender="slow@b.test")
            waited.append((reply.code, time.monotonic() - began))
        slow = [threading.Thread(target=ask) for _ in range(3)]
        for thread in slow:
            thread.start()
        until(lambda: len([q for q in service.asked if q["sender"] == "slow@b.test"]) == 3, "all three wait")
        began = time.monotonic()
        for _ in range(20):
            rcpt(s).is_(250)
        assert time.monotonic() - began < 2.5, "others waited too"
        # That others ask all the time makes nobody wait longer.
        while any(thread.is_alive() for thread in slow) and time.monotonic() - began < 20:
            rcpt(s).is_(250)
        for thread in slow:
            thread.join(20)
    assert [code for code, _ in waited] == [451] * 3
    assert all(2.8 < seconds < 6 for _, seconds in waited), waited
    s.wait_log("it did not answer in time")
    assert s.log().count("ev=policy-service-down") == 1


def test_a_late_answer_is_nobody_elses(asking):
    """It comes after the time-out, and the connection on which it comes is used no more."""
    late = threading.Event()

    def answer(question):
        if question["sender"] != "late@b.test":
            return said("DUNNO")
        late.wait(20)
        return said("550 late")
    with PolicyService(answer) as service:
        s = asking(service, timeout="500ms", connections="1")
        rcpt(s, sender="late@b.test").is_(451)
        late.set()
        for _ in range(5):
            rcpt(s).is_(250)
    assert service.connections == 2


def test_more_than_one_answer_is_nobody_elses(asking):
    with PolicyService([said("DUNNO") + said("550 for nobody")]) as service:
        s = asking(service)
        for _ in range(4):
            rcpt(s).is_(250)
    assert service.connections == 4


def test_an_answer_in_pieces(asking):
    with PolicyService([bytes([byte]) for byte in said("PREPEND X-A: b", "450 4.7.1 in pieces")]) as service:
        assert "in pieces" in rcpt(asking(service)).is_(450).text


def test_connections_are_kept_and_asked_anew(asking):
    """All questions go over one connection; one that was closed meanwhile costs nothing."""
    with PolicyService(said("DUNNO")) as service:
        s = asking(service)
        for _ in range(10):
            rcpt(s).is_(250)
        assert service.connections == 1
        service.close_all()
        rcpt(s).is_(250)
        service.stop()
        service.start()
        rcpt(s).is_(250)
        # It ends in the moment in which it is asked: the question goes over a new one.
        first = []

        def closes_once(question):
            first.append(question)
            return CLOSE if len(first) == 1 else said("550 again")
        service.answer = closes_once
        rcpt(s).is_(550)
    assert len(first) == 2 and first[0] == first[1]
    assert "policy-service-down" not in s.log()


def test_no_more_connections_than_allowed(asking):
    go = threading.Event()

    def answer(question):
        go.wait(20)
        return said("DUNNO")
    with PolicyService(answer) as service:
        s = asking(service, connections="2")
        codes = []
        clients = [threading.Thread(target=lambda: codes.append(rcpt(s).code)) for _ in range(8)]
        for client in clients:
            client.start()
        until(lambda: len(service.asked) == 2, "two are asked about")
        until(lambda: counts(s)["test"]["asked"] == 8, "all wait")
        assert len(service.asked) == 2
        go.set()
        for client in clients:
            client.join(20)
    assert codes == [250] * 8 and service.connections == 2


def test_a_reload_asks_another_service(asking):
    with PolicyService(said("550 old")) as old, PolicyService(said("550 new")) as new:
        s = asking(old)
        assert "old" in rcpt(s).text
        s.reconfigure(sections={'policy-service "test"': section(new)})
        s.tool("reload")
        until(lambda: "new" in rcpt(s).text, "the new one is asked")
        s.reconfigure()
        s.tool("reload")
        until(lambda: rcpt(s).code == 250, "none is asked")


def test_a_reload_while_a_service_is_asked(asking):
    """What the old one says afterwards counts for nothing, and its connection is used no more."""
    go = threading.Event()

    def late(question):
        go.wait(20)
        return said("550 old")
    with PolicyService(late) as old, PolicyService(said("550 new")) as new:
        s = asking(old)
        replies = []
        client = threading.Thread(target=lambda: replies.append(rcpt(s)))
        client.start()
        until(lambda: old.asked, "the old one is asked")
        s.reconfigure(sections={'policy-service "test"': section(new)})
        assert s.tool("reload").returncode == 0
        until(lambda: "new" in rcpt(s).text, "the new one is asked")
        go.set()
        client.join(20)
        assert "new" in replies[0].is_(550).text
        assert all("new" in rcpt(s).text for _ in range(5))
    assert len(old.asked) == 1


def test_a_dry_run_asks_nobody(asking):
    with PolicyService(said("550 no")) as service:
        s = asking(service, stages='{"sender", "recipient"}')
        words = ["check", "rcpt", "alice@example.org", "--from", "a@b.test", "--client", STRANGER]
        live = s.tool(*words)
        assert f"would ask test at 127.0.0.1:{service.port}" in live.stdout, live.stdout
        assert live.returncode == 0 and "250" in live.stdout
        steps = json.loads(s.tool(*words, "--json").stdout)["steps"]
        assert [one["opinion"] for one in steps if one["check"] == "policy-service"] == ["not-asked", "not-asked"]
        s.stop()
        assert "would ask test at" in s.tool(*words).stdout
        assert service.asked == []


def test_policy_killed_while_it_asks(asking):
    """The client is told to come back, or asked about anew; the next one is answered."""
    go = threading.Event()
    with PolicyService(lambda q: HANG if not go.is_set() else said("550 no")) as service:
        s = asking(service, timeout="15s")
        with s.client(STRANGER) as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.send(b"RCPT TO:<alice@example.org>\r\n")
            until(lambda: service.asked, "it was asked")
            go.set()
            s.kill_role("policy")
            assert c.reply().code in (451, 550)
        until(lambda: rcpt(s).code == 550, "the new process asks")


def test_no_message_slips_past_the_end(asking):
    """Where a service has to see the end of each message, none is taken that it did not see, policy dying meanwhile."""
    with PolicyService(said("550 seen")) as service:
        s = asking(service, stages='{"end"}')
        for _ in range(5):
            with s.client(STRANGER) as c:
                c.begin("a@b.test", "alice@example.org").cmd("DATA").is_(354)
                c.send(message(token()))
                s.kill_role("policy")
                assert c.send(b".\r\n").reply().code in (451, 550)
            until(lambda: rcpt(s).code == 250, "policy is back")
