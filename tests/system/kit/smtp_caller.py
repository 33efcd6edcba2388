#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
One SMTP client at one source address, for tests with many of them. Either it attacks: connections
as fast as they can be had, a message over each, until standard input closes and, where it is asked for, it
was refused more often than let in; or it is honest: a message every so often. On standard input: a JSON object; at the end: one JSON object with counts.

    source, host, port   addresses
    message              file with the message; honest: {case} in it becomes CASE-N
    case                 prefix of our case header
    every                seconds from one message to the next; 0: attack
    seconds              how long at most
    until_refused        attack: go on until most were refused
"""

import contextlib
import json
import select
import smtplib
import socket
import sys
import time


def count(counts, name):
    counts[name] = counts.get(name, 0) + 1


def talk(s, job, wire, counts):
    """Whether the server has taken the message: what comes after that cannot change it."""
    code, _ = s.connect(job["host"], job["port"])
    count(counts, "connected")
    if code != 220:
        count(counts, "greeting_refused")
        return False
    s.sendmail("sender@origin.test", ["rcpt@dest.test"], wire)
    count(counts, "accepted")
    with contextlib.suppress(OSError, smtplib.SMTPException):
        s.quit()
    return True


def send(job, wire, counts):
    s = smtplib.SMTP(timeout=60, source_address=(job["source"], 0), local_hostname="client.test")
    try:
        return talk(s, job, wire, counts)
    except ConnectionRefusedError:
        count(counts, "refused")
    except (socket.timeout, TimeoutError):
        count(counts, "timed_out")
    except smtplib.SMTPException:
        count(counts, "smtp_error")
    except OSError:
        count(counts, "broken")
    finally:
        s.close()
    return False


def told_to_end():
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and sys.stdin.readline() == ""


def goes_on(job, counts, began, due):
    """Wait for the next message's time."""
    if job["every"] == 0:
        mostly = counts.get("refused", 0) > counts.get("accepted", 0)
        return time.monotonic() - began < job["seconds"] and not (told_to_end() and (mostly or not job["until_refused"]))
    if due - began >= job["seconds"]:
        return False
    time.sleep(max(0.0, due - time.monotonic()))
    return True


def main():
    job = json.loads(sys.stdin.readline())
    with open(job["message"], "rb") as f:
        message = f.read()
    counts, sent, began = {}, [], time.monotonic()
    n, due = 0, began
    while goes_on(job, counts, began, due):
        case = f"{job['case']}-{n}"
        wire = message.replace(b"{case}", case.encode()).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if send(job, wire, counts) and job["every"]:
            sent.append([case, time.monotonic()])
        n += 1
        due += job["every"]
    print(json.dumps({"source": job["source"], "tried": n, "counts": counts, "sent": sent,
                      "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
