# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests.

demo         one demo that the tests of a file share; tests find their own mail by its mark
fresh_demo   a demo of the test's own, for tests that kill, stop or fill
server       a maker: server(sections={"limits": {...}}) starts waybilld with such a configuration

Each server's spool takes some hundred MiB at once, so what a test wrote goes when it passed; what a
failing test wrote stays to be looked at.

Clients from 127.0.0.2 are trusted, from 127.0.0.1 and 127.0.0.3 strangers. No test sleeps to wait
for something. Stopping a server checks its exit code, that no process is left, and its log for
sanitizer reports.
"""
import os
import shutil
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness.conf import configured_server  # noqa: E402
from harness.server import Server, demo_server  # noqa: E402

LOG_SHOWN_BYTES_MAX = 6000
FAILED = pytest.StashKey()


failed_files = set()  # of tests of which one failed


@pytest.fixture
def tmp_path(tmp_path, request):
    yield tmp_path
    if not request.node.stash.get(FAILED, False):
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory, request):
    """A maker of folders that last as long as the tests of a file: module_folder("nsd")."""
    made = []

    def make(name):
        made.append(tmp_path_factory.mktemp(name))
        return made[-1]
    yield make
    if request.node.path not in failed_files:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def demo(module_folder):
    server = demo_server(module_folder("demo")).start()
    try:
        yield server
        server.stop()
    finally:
        server.kill_all()


@pytest.fixture
def fresh_demo(tmp_path):
    server = demo_server(tmp_path).start()
    try:
        yield server
        server.stop()
    finally:
        server.kill_all()


@pytest.fixture
def server(tmp_path):
    started = []

    def make(start=True, **changes):
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        made = configured_server(folder, **changes)
        started.append(made)
        return made.start() if start else made
    try:
        yield make
        for made in started:
            made.stop()
    finally:
        for made in started:
            made.kill_all()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.stash[FAILED] = True
        failed_files.add(item.path)
        for server in Server.running:
            text = server.log()[server.log_shown:]
            report.sections.append((f"log of {server.dir}", text[-LOG_SHOWN_BYTES_MAX:]))


def pytest_runtest_setup(item):
    for server in Server.running:
        server.log_shown = len(server.log())
