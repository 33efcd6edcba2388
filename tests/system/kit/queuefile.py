# SPDX-License-Identifier: GPL-2.0-or-later
"""
Queue files written the way the servers write them: body first, header file under another name,
then renamed. For tests that need many messages fast, or broken ones.
"""

import itertools
import os
import time

_numbers = itertools.count()
_B60 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
_B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def split_headers(message):
    """(list of header fields with their folded lines, body) of a message with LF line ends."""
    fields, at = [], 0
    while at < len(message):
        end = message.find(b"\n", at)
        end = len(message) if end < 0 else end
        line = message[at:end]
        if line == b"":
            return fields, message[end + 1:]
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += b"\n" + line
        elif b":" in line:
            fields.append(line)
        else:  # no header field: the body begins without an empty line
            return fields, message[at:]
        at = end + 1
    return fields, b""


def _put(path, data, mode=0o600):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    finally:
        os.close(fd)


class SendmailWriter:
    def __init__(self, queue, owner=None):
        self.queue = queue
        self._owner = owner

    @staticmethod
    def new_id():
        n = next(_numbers)
        t = time.gmtime()
        when = "".join(_B60[v % 60] for v in (t.tm_year - 1900, t.tm_mon - 1, t.tm_mday, t.tm_hour,
                                              t.tm_min, t.tm_sec))
        return when + _B60[n // 60 % 60] + _B60[n % 60] + f"{(os.getpid() * 7 + n // 3600) % 10**6:06d}"

    def header_text(self, fields, sender, recipients, client_ip):
        now = str(int(time.time())).encode()
        lines = [b"V8", b"T" + now, b"K0", b"N0", b"P30000", b"Fs",
                 b"$_client.test [" + client_ip.encode() + b"]", b"$rESMTP", b"$sclient.test",
                 b"${daemon_flags}", b"S<" + sender.encode() + b">"]
        for r in recipients:
            lines += [b"rRFC822; " + r.encode(), b"RPFD:<" + r.encode() + b">"]
        lines += [b"H??" + f for f in fields]
        return b"\n".join(lines) + b"\n.\n"

    def write(self, message, sender="sender@origin.test", recipients=("rcpt@dest.test",),
              client_ip="192.0.2.7"):
        fields, body = split_headers(message)
        name = self.new_id()
        self.put("df" + name, body)
        self.put("tf" + name, self.header_text(fields, sender, recipients, client_ip))
        os.rename(self.path("tf" + name), self.path("qf" + name))
        return name

    def path(self, name):
        return os.path.join(self.queue, name)

    def put(self, name, data):
        _put(self.path(name), data)
        if self._owner is not None:
            os.chown(self.path(name), *self._owner)


class EximWriter:
    def __init__(self, queue, owner=None):
        self.queue = queue
        self._owner = owner  # (uid, gid)

    @staticmethod
    def new_id():
        now, out = int(time.time()), ""
        for _ in range(6):
            now, digit = divmod(now, 62)
            out = _B62[digit] + out
        n, low = next(_numbers), ""
        for _ in range(6):
            n, digit = divmod(n, 62)
            low = _B62[digit] + low
        return f"{out}-{low}-{_B62[os.getpid() // 62 % 62]}{_B62[os.getpid() % 62]}"

    @staticmethod
    def header_text(name, fields, sender, recipients, client_ip):
        lines = [name + "-H", "Debian-exim 101 101", f"<{sender}>", f"{int(time.time())} 0",
                 "--helo_name client.test", f"-host_address [{client_ip}]:25",
                 "-received_protocol esmtp", "-body_linecount 1", "-deliver_firsttime", "XX",
                 str(len(recipients)), *recipients, ""]
        text = "\n".join(lines).encode() + b"\n"
        for f in fields:
            flag = {b"from": b"F", b"to": b"T", b"subject": b" ", b"received": b"P",
                    b"message-id": b"I"}.get(f.split(b":")[0].strip().lower(), b" ")
            text += b"%03d" % (len(f) + 1) + flag + b" " + f + b"\n"
        return text

    def write(self, message, sender="sender@origin.test", recipients=("rcpt@dest.test",),
              client_ip="192.0.2.7"):
        fields, body = split_headers(message)
        name = self.new_id()
        self.put(name + "-D", name.encode() + b"-D\n" + body)
        self.put("hdr." + name, self.header_text(name, fields, sender, recipients, client_ip))
        os.rename(self.path("hdr." + name), self.path(name + "-H"))
        return name

    def path(self, name):
        return os.path.join(self.queue, name)

    def put(self, name, data):
        _put(self.path(name), data, 0o640)
        if self._owner is not None:
            os.chown(self.path(name), *self._owner)
