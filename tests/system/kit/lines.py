# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that a running program appends to: a line counts when its end is there."""

import json


def whole(path):
    """The whole lines so far; none of a file that is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as f:
            return [line[:-1] for line in f if line.endswith("\n")]
    except FileNotFoundError:
        return []


def records(path):
    """A message log's objects."""
    return [json.loads(line) for line in whole(path)]
