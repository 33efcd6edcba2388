#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Every option is either asked for by code, or its row says that it has no effect, is obsolete, or waits
for something that is not built. Run with the source folder as argument; TAP.
"""

import glob
import os
import re
import sys

# These name options without asking for their values, or are about options as such. ms-msg-alert mails
# one table with options whose own features may still wait.
NOT_ASKING = ("conf/waits.c", "conf/compat.c", "tools/migrate_rows.c", "conf/print_", "tools/ms_jobs.c")
IDLE = {"OPT_LATER", "OPT_NO_EFFECT", "OPT_OBSOLETE"}


def rows(top):
    """{id: flags} of options.def"""
    with open(os.path.join(top, "src/conf/options.def"), encoding="utf-8") as f:
        text = re.sub(r'"(?:\\.|[^"\\])*"', '""', f.read())  # commas inside texts
    found = {}
    for match in re.finditer(r"^ROW\((\w+),(.*?)\)\n", text, re.M | re.S):
        found[match.group(1)] = set(re.findall(r"\bOPT_[A-Z_]+\b", match.group(2)))
    return found


def mentions(top):
    """{id: files under src that name it}"""
    found = {}
    for path in glob.glob(os.path.join(top, "src", "**", "*.[ch]"), recursive=True):
        name = os.path.relpath(path, os.path.join(top, "src"))
        if name.startswith(NOT_ASKING):
            continue
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        for option in re.findall(r"\bOPT_([A-Z0-9_]+)\b", text):
            found.setdefault(option, set()).add(name)
    return found


def main():
    options, named = rows(sys.argv[1]), mentions(sys.argv[1])
    idle = {o for o, flags in options.items() if flags & IDLE}
    unused = sorted(o for o in options if o not in idle and o not in named)
    # a file of conf/ may treat an option in its own way while nobody asks for it yet
    lies = sorted(o for o in idle if any(not f.startswith("conf/") for f in named.get(o, ())))
    checks = [
        (len(options) > 420, f"{len(options)} rows found"),
        (not unused, f"{len(options) - len(idle)} are in use, and code asks for each {unused}"),
        (not lies, f"{len(idle)} are said to have no effect, and no code asks for them {lies}"),
    ]
    for n, (good, text) in enumerate(checks, 1):
        print(f"{'ok' if good else 'not ok'} {n} - {text}")
    print(f"1..{len(checks)}")
    return 0 if all(good for good, _ in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
