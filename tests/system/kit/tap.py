# SPDX-License-Identifier: GPL-2.0-or-later
"""TAP output: ok() prints one line, done() the plan and ends with the right exit code."""

import sys
import time

_count = 0
_failed = 0
_began = time.monotonic()


def ok(condition, text):
    global _count, _failed
    _count += 1
    if not condition:
        _failed += 1
    print(f"{'ok' if condition else 'not ok'} {_count} - {text}", flush=True)
    return bool(condition)


def equal(got, want, text):
    if not ok(got == want, text):
        note(f"got  {got!r}")
        note(f"want {want!r}")
    return got == want


def skip(text, why):
    global _count
    _count += 1
    print(f"ok {_count} - {text} # SKIP {why}", flush=True)


def note(text):
    for line in str(text).splitlines() or [""]:
        print(f"# {line}", flush=True)


def progress(text):
    """For long work: who looks at the log sees that it goes on."""
    note(f"{time.monotonic() - _began:6.1f} s  {text}")


def skip_all(why):
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def failures():
    return _failed


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)
