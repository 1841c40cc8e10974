# SPDX-License-Identifier: Apache-2.0
"""`waybill check config`: what the configuration names and cannot be found is a warning with its line."""
import pytest

from harness.server import waybill

CONF = """hostname = "mx.n.test"
data = "{folder}"
listen "smtp" {{ address = {{"127.0.0.1:2525"}} }}
postmaster = "{postmaster}"
domain "n.test" {{
    mailboxes = "maildir:{folder}/{{user}}"
    users = "file:{folder}/users"
    aliases = "file:{folder}/aliases"
    catch-all = "{catch_all}"
}}
deny {{
    file = "{folder}/deny"
}}
srs {{
    secret-file = "{folder}/secret"
}}
"""

FILES = {"users": "ann\n", "aliases": "team: ann, bob@elsewhere.test\nlist: :include:{folder}/list\n", "list": "ann\n",
         "deny": "", "secret": "0123456789abcdef0123456789abcdef\n"}


@pytest.fixture
def check(tmp_path):
    def run(without=(), postmaster="ann@n.test", catch_all="team@n.test"):
        for name, text in FILES.items():
            if name not in without:
                (tmp_path / name).write_text(text.format(folder=tmp_path))
        conf = tmp_path / "waybill.conf"
        conf.write_text(CONF.format(folder=tmp_path, postmaster=postmaster, catch_all=catch_all))
        done = waybill("check", "config", str(conf))
        assert (done.returncode, done.stderr) == (0, ""), done
        lines = [line[len(str(conf)) + 1:] for line in done.stdout.splitlines() if ": warning: " in line]
        return [line.replace(str(tmp_path), "") for line in lines]
    return run


@pytest.mark.parametrize("who", ["ann@n.test", "ANN@N.test", "team@n.test", "list@n.test"])
def test_what_is_there_is_fine(check, who):
    assert check(postmaster=who, catch_all=who) == []
    assert check(catch_all="who@elsewhere.test") == []


def test_a_mailbox_that_nobody_has_is_named(check):
    assert check(postmaster="nosuch@n.test") == [
        '4: warning: postmaster: "nosuch@n.test" is neither a user nor an alias of its domain; add it with waybill user add']
    assert check(catch_all="nosuch@N.test") == [
        '5: warning: catch-all: "nosuch@n.test" is neither a user nor an alias of its domain; add it with waybill user add']


@pytest.mark.parametrize("name, line, setting", [("users", 7, "users"), ("aliases", 8, "aliases"),
                                                 ("deny", 12, "deny: file"), ("secret", 15, "srs: secret-file")])
def test_a_file_that_is_not_there_is_named(check, name, line, setting):
    said = check(without=[name])
    assert len(said) == 1 and said[0].startswith(f"{line}: warning: {setting}: there is no file \""), said
