#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kit itself: real servers take mail, a gateway that looks at nothing moves it, all arrives."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import mta, packages, script, sink, tap, wait  # noqa: E402

MESSAGES = 20


def message(n):
    return (f"From: sender@origin.test\nTo: rcpt@dest.test\nSubject: kit {n}\n"
            f"Message-ID: <kit-{n}@origin.test>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\n"
            f"Line one of {n}\n.leading dot\n\n" + "word " * n + "\n").encode()


def try_server(kind, folder):
    target = sink.Sink()
    server = kind(os.path.join(folder, kind.name), target.port)
    server.start()
    try:
        client = sink.Client(server.port)
        for n in range(MESSAGES):
            client.send(sink.with_case(message(n), f"{kind.name}-{n}"))
        client.close()
        queued = server.ids(server.in_queue)
        tap.equal(len(queued), MESSAGES, f"{kind.name}: accepts and only queues")
        tap.equal(target.deliveries, [], f"{kind.name}: delivers nothing by itself")
        heads = b"".join(server.header_text(server.in_queue, i) for i in queued)
        tap.equal(heads.lower().count(b"\nx-sallyport-case: "), MESSAGES,
                  f"{kind.name}: headers can be read from the queue files")
        bodies = {mta.body_of(server, server.in_queue, i) for i in queued}
        tap.equal(bodies, {sink.split_message(message(n))[1] for n in range(MESSAGES)},
                  f"{kind.name}: bodies can be read from the queue files")
        server.null_gateway()
        server.flush()
        wait.until(lambda: len(target.deliveries) >= MESSAGES, 60, "deliveries")
        tap.equal({d.case: d.body for d in target.deliveries},
                  {f"{kind.name}-{n}": sink.split_message(message(n))[1] for n in range(MESSAGES)},
                  f"{kind.name}: the outgoing instance delivers all, bodies as they were")
        wait.until(lambda: server.ids(server.out_queue) == [], 60, "empty outgoing queue")
        tap.ok(True, f"{kind.name}: the outgoing queue is empty")
    finally:
        server.stop()
        target.stop()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root: mail servers and their users")
    with script.folder() as folder:
        for kind in (mta.Sendmail, mta.Exim):
            try:
                try_server(kind, folder)
            except packages.Missing as why:
                tap.skip(kind.name, why)
            except wait.Late as late:
                tap.ok(False, f"{kind.name}: {late}")
    tap.done()


if __name__ == "__main__":
    main()
