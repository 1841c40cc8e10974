# SPDX-License-Identifier: Apache-2.0
"""Reading what was delivered."""
import os


class Mail:
    """A delivered file: header fields in order, and the content below the trace fields."""

    TRACE = ("return-path", "delivered-to", "received")

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.raw = f.read()
        head, _, self.body = self.raw.replace(b"\r\n", b"\n").partition(b"\n\n")
        self.fields = []
        for line in head.split(b"\n"):
            if line[:1] in (b" ", b"\t") and self.fields:
                self.fields[-1] = (self.fields[-1][0], self.fields[-1][1] + b"\n" + line)
            else:
                name, _, value = line.partition(b":")
                self.fields.append((name.decode("latin-1"), value.lstrip(b" ")))

    def field(self, name):
        """The value of the first field of this name, unfolded, or None."""
        for found, value in self.fields:
            if found.lower() == name.lower():
                return value.replace(b"\n", b"").replace(b"\t", b" ").decode("utf-8")
        return None

    def content(self):
        """The file without the fields that the server put in front, with LF line ends as a Maildir has them."""
        text = self.raw.replace(b"\r\n", b"\n")
        lines = text.split(b"\n")
        at = 0
        received = False
        while at < len(lines):
            name = lines[at].partition(b":")[0].decode("latin-1").lower()
            if name not in self.TRACE or (name == "received" and received):
                break
            received = received or name == "received"
            at += 1
            while at < len(lines) and lines[at][:1] in (b" ", b"\t"):
                at += 1
        return b"\n".join(lines[at:])


def files(folder):
    """Delivered files of a Maildir, new and cur; none when it does not exist yet."""
    found = []
    for sub in ("new", "cur"):
        path = os.path.join(folder, sub)
        if os.path.isdir(path):
            found += [os.path.join(path, name) for name in sorted(os.listdir(path))]
    return found


def holding(folder, token):
    """Mails of which the bytes hold the token."""
    if isinstance(token, str):
        token = token.encode()
    found = []
    for path in files(folder):
        try:
            mail = Mail(path)
        except FileNotFoundError:
            continue
        if token in mail.raw:
            found.append(mail)
    return found
