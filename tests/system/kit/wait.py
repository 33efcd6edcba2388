# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition with a deadline; nothing in the tests sleeps for a fixed time."""

import time


class Late(Exception):
    pass


def until(condition, seconds, what, every=0.02):
    """Poll until condition() is true and return its value; Late after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"{what}: not within {seconds} s")
        time.sleep(every)
