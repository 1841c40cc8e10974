# SPDX-License-Identifier: Apache-2.0
"""SIGHUP and `waybill reload`: a good configuration is taken, a bad one is refused."""
import signal

from harness.conf import block, render, write
from harness.deadline import until
from harness.raw import Raw
from harness.server import message, token


def greeting(server):
    try:
        with Raw(server.port) as c:
            return c.reply().text
    except Exception:  # while it changes hands
        return ""


def test_a_good_reload_changes_new_sessions_and_keeps_open_ones(server):
    """No session is dropped."""
    s = server()
    mark = token()
    with s.client() as c:
        c.begin()
        s.reconfigure(top={"hostname": '"new.example.org"'}, sections={"limits": {"recipients": "123"}})
        s.send_signal(signal.SIGHUP)
        until(lambda: "new.example.org" in greeting(s), "the new name is in the greeting", 10)
        with s.raw() as other:
            other.reply()
            assert "RCPTMAX=123" in other.cmd("EHLO client.test").text
        c.cmd("NOOP").is_(250)
        c.data(message(mark)).is_(250)
        c.quit()
    s.mail("alice", mark)


def test_a_bad_reload_names_line_and_nearest_word_and_changes_nothing(server):
    """The old configuration stays."""
    s = server()
    since = len(s.log())
    text = render(s.dir, s.port, top={"hostname": '"other.example.org"'})
    text += 'greylisting = "5m"\nqueue {\n    pausd = yes\n}\n'
    write(s.conf, text)
    line = text.splitlines().index("    pausd = yes") + 1
    with s.client() as c:
        s.send_signal(signal.SIGHUP)
        s.wait_log(rf"waybill\.conf:{line}\b.*pausd.*paused", since=since)
        s.wait_log(rf"waybill\.conf:{line - 2}\b.*greylisting", since=since)
        c.cmd("NOOP").is_(250)
    assert "other.example.org" not in greeting(s)
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark)


def test_a_configuration_that_is_not_utf8_is_refused_with_its_line(server):
    """The answer is JSON, whatever bytes the file holds."""
    s = server()
    with open(s.conf, "ab") as f:
        f.write(b"gr\xffeylist\xc3 { delay = \"5m\" }\n")
    done = s.tool("reload")
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "waybill.conf:" in done.stderr


def test_waybill_reload_says_whether_it_was_taken(server):
    """Exit code 0 for done, 1 for refused; the reason is on standard error."""
    s = server()
    s.reconfigure(top={"hostname": '"new.example.org"'})
    done = s.tool("reload")
    assert done.returncode == 0, done.stderr
    until(lambda: "new.example.org" in greeting(s), "the new name", 10)
    write(s.conf, render(s.dir, s.port, top={"hostnam": '"x.example.org"'}))
    done = s.tool("reload")
    assert done.returncode == 1
    assert "hostnam" in done.stderr + done.stdout
    assert "new.example.org" in greeting(s)


def test_reloads_under_load_refuse_nobody(server):
    """Listening sockets are handed over, not closed."""
    s = server()
    marks = []
    for i in range(10):
        s.reconfigure(sections={"limits": {"recipients": str(200 + i)}})
        s.send_signal(signal.SIGHUP)
        for _ in range(5):
            marks.append(token())
            s.deliver(message(marks[-1])).is_(250)
    for mark in marks:
        s.mail("alice", mark)


def test_a_domain_can_be_added_by_a_reload(server):
    """Queued and new mail follow the configuration of today."""
    s = server()
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@second.example>").is_(550, "5.7.1")
    write(s.conf, render(s.dir, s.port) + block('domain "second.example"', {
        "mailboxes": f'"maildir:{s.dir}/mail/{{domain}}/{{user}}"', "users": f'"file:{s.dir}/users"'}))
    s.send_signal(signal.SIGHUP)

    def accepted():
        with s.client() as c:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            return c.cmd("RCPT TO:<alice@second.example>").code == 250
    until(accepted, "the new domain is accepted", 10)
    mark = token()
    s.deliver(message(mark), ["alice@second.example"]).is_(250)
    s.mail("alice", mark, domain="second.example")


def test_a_bad_configuration_at_the_start_is_exit_code_and_message(server):
    """File, line, and the nearest word, before anything runs."""
    s = server(start=False)
    write(s.conf, render(s.dir, s.port) + "limitz {\n}\n")
    s.spawn()
    assert s.process.wait(10) != 0
    s.process = None
    said = s.log() + s.output()
    assert "waybill.conf:" in said and "limitz" in said and "limits" in said


def test_check_config_tells_before_a_reload_does(server):
    """Exit code 0 or 1; all errors at once."""
    s = server(start=False)
    assert s.tool("check", "config").returncode == 0
    write(s.conf, render(s.dir, s.port) + "limitz {\n}\nqueu {\n}\n")
    done = s.tool("check", "config")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "limitz" in said and "queu" in said and "waybill.conf:" in said
