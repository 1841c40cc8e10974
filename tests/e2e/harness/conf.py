# SPDX-License-Identifier: Apache-2.0
"""A configuration of the test's own, like the demo's, with settings changed."""
import os

from .ports import port_block
from .server import Server, program, waybill


def render(folder, port, sections=None, top=None, listen=None):
    """`top`, `listen` and each section are {name: value as written}."""
    top = {"hostname": '"mx.example.org"', "data": f'"{folder}/data"', "trust": '{"127.0.0.2"}',
           "postmaster": '"alice@example.org"', **(top or {})}
    listen = {"address": f'{{"127.0.0.1:{port}"}}', **(listen or {})}
    domain = {"mailboxes": f'"maildir:{folder}/mail/{{domain}}/{{user}}"', "users": f'"file:{folder}/users"',
              "aliases": f'"file:{folder}/aliases"', **(sections or {}).get("domain", {})}
    text = "".join(f"{name} = {value}\n" for name, value in top.items())
    text += block('listen "smtp"', listen) + block('domain "example.org"', domain)
    for name, settings in (sections or {}).items():
        if name != "domain":
            text += block(name, settings)
    return text


def block(head, settings):
    return head + " {\n" + "".join(f"    {name} = {value}\n" for name, value in settings.items()) + "}\n"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Configured(Server):
    """waybilld with alice, bob and the alias team; reconfigure() writes the file anew."""

    def reconfigure(self, **changes):
        write(self.conf, render(self.dir, self.port, **changes))


def configured_server(folder, **changes):
    folder = str(folder)
    port = port_block()
    conf = os.path.join(folder, "waybill.conf")
    server = Configured(folder, port, [program("waybilld"), "-c", conf], conf)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    os.makedirs(os.path.join(folder, "mail"), exist_ok=True)
    write(os.path.join(folder, "users"), "alice\nbob\n")
    write(os.path.join(folder, "aliases"), "team: alice, bob\n")
    server.reconfigure(**changes)
    return server


__all__ = ["Configured", "block", "configured_server", "render", "waybill", "write"]
