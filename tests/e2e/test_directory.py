# SPDX-License-Identifier: Apache-2.0
"""Users and aliases: files that are read again when they change, and `waybill user`."""
import os
import re

from harness.conf import write
from harness.deadline import until
from harness.server import message, token


def rcpt_code(server, address):
    """For a trusted client, whose asking again and again for somebody unknown is no guessing."""
    with server.client("127.0.0.2") as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        return c.cmd(f"RCPT TO:<{address}>").code


def until_code(server, address, code):
    until(lambda: rcpt_code(server, address) == code, f"{address} gets {code}", 10)


def test_a_user_that_was_added_gets_mail_without_a_restart(server):
    """The users file is read again when it changes."""
    s = server()
    assert rcpt_code(s, "carol@example.org") == 550
    assert s.tool("user", "add", "carol@example.org").returncode == 0
    until_code(s, "carol@example.org", 250)
    mark = token()
    s.deliver(message(mark), ["carol@example.org"]).is_(250)
    s.mail("carol", mark)
    assert s.tool("user", "remove", "carol@example.org").returncode == 0
    until_code(s, "carol@example.org", 550)


def test_user_list_shows_the_users_and_exit_codes_tell(server):
    """0 done, 1 the answer is no, 2 wrong use."""
    s = server(start=False)
    done = s.tool("user", "list")
    assert done.returncode == 0
    assert "alice" in done.stdout and "bob" in done.stdout
    assert s.tool("user", "add", "alice@example.org").returncode == 1
    assert s.tool("user", "remove", "nobody@example.org").returncode == 1
    assert s.tool("user", "add", "x@elsewhere.test").returncode != 0
    assert s.tool("user", "add", "not an address").returncode in (1, 2)
    assert s.tool("user", "add").returncode == 2


def test_comments_and_order_of_the_users_file_survive_a_change(server):
    """The file belongs to the administrator."""
    s = server(start=False)
    path = os.path.join(s.dir, "users")
    write(path, "# staff\nbob\n\nalice\n")
    assert s.tool("user", "add", "carol@example.org").returncode == 0
    with open(path) as f:
        assert re.match(r"# staff\nbob\n\nalice\ncarol(@example\.org)?\n\Z", f.read())


def test_files_edited_in_place_or_replaced_are_read_again(server):
    """As editors do it: a new file under the old name."""
    s = server()
    path = os.path.join(s.dir, "users")
    write(path + ".new", "alice\nbob\ndave\n")
    os.rename(path + ".new", path)
    until_code(s, "dave@example.org", 250)
    write(path, "alice\nbob\nerin\n")
    until_code(s, "erin@example.org", 250)
    until_code(s, "dave@example.org", 550)


def test_an_alias_that_was_changed_leads_elsewhere(server):
    """The aliases file is read again when it changes."""
    s = server()
    write(os.path.join(s.dir, "aliases"), "team: bob\nnews: alice\n")
    until_code(s, "news@example.org", 250)
    mark = token()
    s.deliver(message(mark), ["team@example.org", "news@example.org"]).is_(250)
    s.mail("bob", mark)
    s.mail("alice", mark)


def test_nested_aliases_loops_and_duplicates(server):
    """RFC 5321 section 3.9.1: each mailbox once, and a loop ends."""
    s = server(start=False)
    write(os.path.join(s.dir, "aliases"), "team: alice, bob\nall: team, alice, all, others\nothers: all, bob\n")
    s.start()
    mark = token()
    s.deliver(message(mark), ["all@example.org"]).is_(250)
    s.mail("alice", mark)
    s.mail("bob", mark)
    s.settled()
    assert len(s.mails("alice", mark)) == 1 and len(s.mails("bob", mark)) == 1


def test_a_broken_line_is_reported_and_the_rest_works(server):
    """File and line stand in the log; the others are served."""
    s = server(start=False)
    write(os.path.join(s.dir, "aliases"), "team: alice, bob\nbad: |/bin/sh\n: x\nnews: alice\n")
    s.start()
    assert rcpt_code(s, "news@example.org") == 250
    s.wait_log(r"aliases:[23]\b")


def test_a_state_that_is_not_understood_is_neither_open_nor_unknown(server):
    """Somebody who wrote "disbled" meant something: senders wait, and three places name the line."""
    s = server(start=False)
    users = os.path.join(s.dir, "users")
    write(users, "alice\nbob: disabled # on leave\nbad1: disbled\nbad2:disabled, copy-to=alice@example.org\nines:x:1000:1000::/:\n")
    checked = s.tool("check", "config")
    assert checked.returncode == 0 and "2 warnings" in checked.stdout, checked.stdout
    assert re.search(r"users:3: disbled: .*perhaps disabled is meant", checked.stdout), checked.stdout
    assert re.search(r"users:4: disabled, copy-to=alice@example.org: one state", checked.stdout), checked.stdout
    s.start()
    s.wait_log(r"ev=directory-problem .*users:3: disbled: .*perhaps disabled is meant")
    s.wait_log(r"ev=directory-problem .*users:4: ")
    codes = {name: rcpt_code(s, f"{name}@example.org") for name in ("alice", "bob", "bad1", "bad2", "ines")}
    assert codes == {"alice": 250, "bob": 450, "bad1": 451, "bad2": 451, "ines": 250}
    shown = s.tool("mailbox", "show", "bad1@example.org")
    assert shown.returncode == 1 and "users:3: disbled: " in shown.stdout and "451 4.3.0" in shown.stdout, shown.stdout
    assert "bad1@example.org" in s.tool("user", "list").stdout
    assert s.tool("mailbox", "disable", "bad1@example.org").returncode == 0
    assert s.tool("mailbox", "enable", "bad2@example.org").returncode == 0
    with open(users) as f:
        assert f.read().splitlines()[2:4] == ["bad1: disabled", "bad2"]
    until_code(s, "bad1@example.org", 450)
    assert rcpt_code(s, "bad2@example.org") == 250


def test_an_alias_that_nothing_here_serves_is_known_and_waits(server):
    """An operator's fault is no sender's: 451, and the line is named; never "unknown"."""
    s = server(start=False)
    write(os.path.join(s.dir, "aliases"),
          'lists: "|/usr/lib/mailman/mail/mailman post lists"\nnull: /dev/null\nhole: :blackhole:\nsome: alice, |/bin/cat\n')
    checked = s.tool("check", "config")
    assert checked.returncode == 0 and all(re.search(rf"warning: .*aliases:{line}: ", checked.stdout) for line in range(1, 5))
    s.start()
    s.wait_log(r"ev=directory-problem .*aliases:2: /dev/null: mail is not thrown away here")
    codes = {name: rcpt_code(s, f"{name}@example.org") for name in ("lists", "null", "hole", "some", "nobody")}
    assert codes == {"lists": 451, "null": 451, "hole": 451, "some": 250, "nobody": 550}
    shown = s.tool("mailbox", "show", "lists@example.org")
    assert shown.returncode == 1 and "aliases:1: " in shown.stdout and "451 4.3.0" in shown.stdout, shown.stdout
    assert "not known here" not in shown.stdout


def test_an_included_file_is_read_again_and_one_that_is_missing_makes_its_alias_wait(server):
    """As sendmail has it: `:include:`, with whole names, others inside, and comments."""
    s = server(start=False)
    staff, more = os.path.join(s.dir, "staff"), os.path.join(s.dir, "more")
    write(staff, f"# all of us\nAlice <alice@example.org>\n:include:{more}\n")
    write(os.path.join(s.dir, "aliases"), f"staff: :include:{staff}\nteam: bob\n")
    s.start()
    s.wait_log(r"table-unreadable.*more")
    s.wait_log(r"directory-problem.*more: this included file cannot be read")
    assert rcpt_code(s, "staff@example.org") == 451
    assert rcpt_code(s, "team@example.org") == 250
    write(more, "bob\n")
    until_code(s, "staff@example.org", 250)
    mark = token()
    s.deliver(message(mark), ["staff@example.org"]).is_(250)
    s.mail("alice", mark)
    s.mail("bob", mark)
    os.unlink(more)
    until_code(s, "staff@example.org", 451)
    shown = s.tool("mailbox", "show", "staff@example.org")
    assert shown.returncode == 1 and "waits until it can" in shown.stdout, shown.stdout


def test_mail_in_the_queue_waits_for_an_included_file(server):
    """Nobody is left out because a list cannot be read now."""
    s = server(start=False, sections={"queue": {"retry": '{"1s"}', "paused": "yes"}})
    staff = os.path.join(s.dir, "staff")
    write(staff, "alice, bob\n")
    write(os.path.join(s.dir, "aliases"), f"staff: :include:{staff}\n")
    s.start()
    mark = token()
    s.deliver(message(mark), ["staff@example.org"]).is_(250)
    os.unlink(staff)
    until_code(s, "staff@example.org", 451)
    assert s.tool("queue", "resume").returncode == 0
    s.wait_log(r"key=directory-unavailable")
    assert s.queued() == 1
    write(staff, "alice, bob\n")
    s.mail("alice", mark)
    s.mail("bob", mark)
    s.settled()


def test_postmaster_is_accepted_without_any_user_of_that_name(server):
    """RFC 5321 section 4.5.1."""
    s = server()
    mark = token()
    s.deliver(message(mark), ["postmaster"]).is_(250)
    s.mail("alice", mark)


def test_a_mailbox_that_cannot_be_written_keeps_the_message_in_the_queue(server):
    """RFC 5321 section 4.5.4: failure of delivery is not loss; a retry delivers."""
    s = server(sections={"queue": {"retry": '{"1s"}'}})
    box = s.maildir("alice")
    os.makedirs(os.path.dirname(box), exist_ok=True)
    write(box, "a file where the folder should be")
    mark = token()
    s.deliver(message(mark), ["alice@example.org", "bob@example.org"]).is_(250)
    s.mail("bob", mark)
    s.wait_log(r"mailbox-(io-error|misconfigured)")
    assert s.queued() == 1
    os.unlink(box)
    s.mail("alice", mark)
    s.settled()
    assert len(s.mails("bob", mark)) == 1
