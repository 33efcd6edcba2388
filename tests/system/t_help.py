#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands say about themselves: --help, wrong options, exit codes, and what the manual pages say of them."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, script, tap  # noqa: E402

MANUAL = os.path.join(gateway.TOP, "docs", "man")
LINE_MAX = 96


def run(program, *words):
    return subprocess.run([os.path.join(gateway.build_dir(), program), *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def exit_codes(text):
    """Those that the paragraph 'Exit: ...' of a help text names."""
    return set(re.findall(r"\b([0-9]{1,2})\b", text.partition("Exit:")[2].partition("\n\n")[0]))


def manual(name):
    """The page as a reader sees it, in one line."""
    done = subprocess.run(["groff", "-man", "-rHY=0", "-Tascii", "-P-cbou", os.path.join(MANUAL, name)],
                          capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", done.stdout)


def commands():
    done = run("sallyport", "--help")
    tap.equal((done.returncode, done.stderr), (0, ""), "sallyport --help")
    return re.findall(r"^  ([a-z]+) +\S", done.stdout, re.M)


def one_command(name, page, source):
    done = run("sallyport", name, "--help")
    tap.equal((done.returncode, done.stderr), (0, ""), f"{name} --help")
    text = done.stdout
    tap.ok(text.startswith(f"Usage: sallyport {name}"), f"{name}: begins with its usage")
    tap.equal([x for x in text.splitlines() if len(x) > LINE_MAX or "\t" in x], [], f"{name}: lines fit a terminal")
    tap.equal(sorted({"0", "64"} - exit_codes(text)), [], f"{name}: tells its exit codes")
    for word in ("--no-such-option", "-Z"):
        done = run("sallyport", name, word)
        tap.equal((done.returncode, done.stdout), (64, ""), f"{name} {word}")
        tap.ok(text in done.stderr, f"{name} {word}: the usage follows")
    done = run("sallyport", name, "--config")
    tap.equal(done.returncode, 64, f"{name} --config without a file")
    tap.ok(re.search(rf"^\.B[IR]? \"?{name}\b", source, re.M), f"{name}: has an entry in sallyport(1)")
    tap.equal([o for o in sorted(long_options(text)) if o not in page], [], f"{name}: sallyport(1) has its options")
    codes = page.partition("EXIT STATUS")[2]
    tap.equal([c for c in sorted(exit_codes(text)) if not re.search(rf"\b{c}\b", codes)], [],
              f"{name}: sallyport(1) has its exit codes")


def helpers():
    """MailScanner's helper commands: those that do something tell what with --help."""
    page = manual("ms-helpers.8")
    for name in ("ms-peek", "ms-check", "ms-clean-quarantine", "ms-cron", "ms-msg-alert", "ms-d2mbox", "ms-df2mbox"):
        done = run("sallyport", name, "--help")
        tap.equal((done.returncode, done.stderr), (0, ""), f"{name} --help")
        tap.ok(done.stdout.startswith(f"Usage: {name}"), f"{name}: begins with its usage")
        tap.equal((run("sallyport", name, "--no-such-option").returncode), 64, f"{name} with a wrong option")
        tap.ok(name in page, f"{name} stands in ms-helpers(8)")


def no_configuration(names):
    """A file that is not there is a mistake of the configuration, for whatever command."""
    words = {"scan": ["-"], "config": ["--dump"], "explain": ["x"], "throttle": ["list"], "quarantine": ["list"]}
    with script.folder() as folder:
        for name in names:
            missing = os.path.join(folder, "none.conf")
            done = run("sallyport", name, *words.get(name, []), "-c", missing)
            tap.equal(done.returncode, 78, f"{name} without its configuration")
            tap.ok(missing in done.stdout + done.stderr, f"{name}: names the file")


def lost_output():
    """Who redirects into a full disk must not believe that all is well; nor may a file get the number of a closed
    standard output and what is printed with it."""
    with script.folder() as folder:
        conf = os.path.join(folder, "empty.conf")
        with open(conf, "w", encoding="utf-8"):
            pass
        mail = os.path.join(folder, "message")
        with open(mail, "w", encoding="utf-8") as f:
            f.write("Subject: x\n\nbody\n")
        questions = (["sallyport", "config", "--dump", "-c", conf], ["sallyport", "--help"],
                     ["sallyport", "ms-peek", "MTA", conf], ["sallyport", "ms-df2mbox", mail],
                     ["sallyportd", "--changed", "-c", conf])
        for words in questions:
            program = os.path.join(gateway.build_dir(), words[0])
            for to in (">/dev/full", ">&-", ">&- <&-"):
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {to}', program, *words[1:]], check=False,
                                      stderr=subprocess.PIPE, text=True, timeout=60)
                tap.equal(done.returncode, 74, f"{' '.join(words[:2])} {to}: exit 74")
                tap.ok("standard output cannot be written" in done.stderr, f"  and says so: {done.stderr.strip()}")
        with open(mail, encoding="utf-8") as f:
            tap.equal(f.read(), "Subject: x\n\nbody\n", "what was read is as it was")


def daemon():
    done = run("sallyportd", "--help")
    tap.equal(done.returncode, 0, "sallyportd --help")
    tap.equal(run("sallyportd", "--no-such-option").returncode, 64, "sallyportd with a wrong option")
    page = manual("sallyportd.8")
    tap.equal([o for o in sorted(long_options(done.stdout)) if o not in page], [], "sallyportd(8) has its options")
    version = run("sallyport", "--version").stdout.split()[-1]
    tap.ok(f"Sallyport version {version}\n" in run("sallyportd", "--version").stdout, f"one version, {version}")


def pages():
    for name in sorted(os.listdir(MANUAL)):
        done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", os.path.join(MANUAL, name)],
                              capture_output=True, text=True, check=True)
        tap.equal(done.stderr, "", f"{name}: groff has nothing to say")


def main():
    script.need()
    names = commands()
    tap.ok(len(names) >= 13, f"commands: {' '.join(names)}")
    page = manual("sallyport.1")
    with open(os.path.join(MANUAL, "sallyport.1"), encoding="utf-8") as f:
        source = f.read()
    for name in names:
        one_command(name, page, source)
    helpers()
    no_configuration(names)
    for words in ((), ("no-such-command",), ("--no-such-option",)):
        done = run("sallyport", *words)
        tap.equal((done.returncode, done.stdout), (64, ""), f"sallyport {' '.join(words) or '(nothing)'}")
        tap.ok("Usage: sallyport COMMAND" in done.stderr, "the usage follows")
    lost_output()
    daemon()
    pages()
    tap.done()


if __name__ == "__main__":
    main()
