# SPDX-License-Identifier: Apache-2.0
"""Mail on its way out when the ground moves: policy killed, routes changed, replies without measure."""
import os
import signal

from harness.deadline import until
from harness.remote import Remote
from harness.ports import port_block
from test_relay_remotes import send, serve, wait_for


def test_a_killed_policy_does_not_stop_the_queue(server):
    """Units whose route cannot be asked wait for the next policy, and cost nothing meanwhile."""
    with Remote() as remote:
        s = serve(server, {"a.test": remote.via})
        assert s.tool("queue", "pause").returncode == 0
        for number in range(100):
            send(s, f"u{number}@a.test")
        assert s.tool("queue", "resume").returncode == 0
        for _ in range(3):
            for pid in s.roles("policy"):
                os.kill(pid, signal.SIGKILL)
        until(lambda: len(remote.messages) == 100, "all messages have left", 20)
        s.settled()
        assert len(remote.messages) == 100


def test_a_reply_without_measure_is_cut_and_nothing_is_sent_twice(server):
    """400 recipients with 4 KB of words each are more than one answer of relay could hold."""
    words = b"".join(b"250-" + b"x" * 500 + b"\r\n" for _ in range(9)) + b"250 2.0.0 kept\r\n"
    with Remote({".": words}) as remote:
        s = serve(server, {"a.test": remote.via})
        mark, identity = send(s, *[f"u{number}@a.test" for number in range(400)])
        until(lambda: len(wait_for(s, "delivered", identity)) == 400, "every recipient is settled", 20)
        s.settled()
        recipients = [each for message in remote.holding(mark) for each in message["recipients"]]
        assert len(recipients) == len(set(recipients)) == 400


def test_a_route_that_changes_while_mail_waits_is_the_one_that_holds(server):
    """Two domains share a next hop that is down; one gets another: each goes its way (as of today)."""
    port = port_block()
    down = f'"smtp://127.0.0.1:{port}"'
    with Remote() as other:
        s = serve(server, {"a.test": down, "b.test": down})
        mark, _ = send(s, "x@a.test", "y@b.test")
        until(lambda: "down since" in s.tool("queue").stdout, "the destination is down")
        s.reconfigure(sections={"queue": {"retry": '{"1s"}'}, 'route "a.test"': {"via": down},
                                'route "b.test"': {"via": other.via}})
        assert s.tool("reload").returncode == 0
        with Remote(port=port) as first:
            until(lambda: other.holding(mark) and first.holding(mark), "both have left", 20)
            assert [m["recipients"] for m in first.holding(mark)] == [["x@a.test"]]
            assert [m["recipients"] for m in other.holding(mark)] == [["y@b.test"]]
