#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""meson install into an empty folder: what is there, and what systemd, Prometheus and we ourselves say about it."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import gateway, packages, script, tap  # noqa: E402

WANTED = ("bin/sallyport", "sbin/sallyportd", "share/man/man1/sallyport.1", "share/man/man8/sallyportd.8",
          "share/man/man5/sallyport.conf.5", "share/sallyport/config/sallyport.conf", "share/sallyport/config/conf.d/README",
          "share/sallyport/config/reports/en/languages.conf", "share/sallyport/logrotate.conf",
          "share/sallyport/prometheus/scrape.yml", "share/sallyport/prometheus/sallyport.rules.yml",
          "share/doc/sallyport/README.md", "share/doc/sallyport/install.md", "lib/systemd/system/sallyport.service",
          "lib/sysusers.d/sallyport.conf", "lib/tmpfiles.d/sallyport.conf")


def run(*argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, **more)


def accepted(text, *argv, **more):
    done = run(*argv, **more)
    if not tap.ok(done.returncode == 0, text):
        tap.note(done.stdout + done.stderr)
    return done


def need(program):
    if shutil.which(program):
        return True
    tap.skip(program, "it is not installed")
    return False


def prefix_of(dest):
    for folder, _, names in os.walk(dest):
        if "sallyportd" in names:
            return os.path.dirname(folder)
    return None


def files(dest, prefix):
    for name in WANTED:
        tap.ok(os.path.isfile(os.path.join(prefix, name)), name)
    outside = [os.path.join(folder, n) for folder, _, names in os.walk(dest) for n in names if not folder.startswith(prefix)]
    tap.equal(outside, [], "nothing beside the prefix, so that no setting is overwritten")
    for program in ("bin/sallyport", "sbin/sallyportd"):
        accepted(f"{program} runs", os.path.join(prefix, program), "--version")
    left = run("grep", "-rlF", gateway.TOP, prefix, "--exclude=sallyport", "--exclude=sallyportd")
    tap.equal(left.stdout, "", "no file names the source's folder")


def sample(folder, prefix):
    """The sample finds all its own files wherever it is copied; what it lacks are folders of this host."""
    copy = os.path.join(folder, "etc")
    shutil.copytree(os.path.join(prefix, "share/sallyport/config"), copy)
    done = run(os.path.join(prefix, "bin/sallyport"), "check", "-c", os.path.join(copy, "sallyport.conf"))
    said = [x for x in done.stdout.splitlines() if copy in x.partition("error:")[2]]
    tap.equal(said, [], "the sample names no file that is not in it")
    tap.ok("/var/" in done.stdout or done.returncode == 0, f"check ends with {done.returncode}")


def systemd(folder, prefix):
    with open(os.path.join(prefix, "lib/systemd/system/sallyport.service"), encoding="utf-8") as f:
        text = f.read()
    program = re.search(r"^ExecStart=(\S+)", text, re.M).group(1)
    tap.ok(program.endswith("/sbin/sallyportd") and "@" not in text, f"the unit starts {program}")
    unit = os.path.join(folder, "sallyport.service")
    with open(unit, "w", encoding="utf-8") as f:
        f.write(text.replace(program, os.path.join(prefix, "sbin/sallyportd")))
    if need("systemd-analyze"):
        done = accepted("systemd-analyze takes the unit", "systemd-analyze", "verify", "--man=no", unit)
        tap.equal([x for x in done.stderr.splitlines() if x.startswith(unit)], [], "and has nothing to say")


def users_and_folders(folder, prefix):
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "etc"))
    if need("systemd-sysusers"):
        accepted("systemd-sysusers", "systemd-sysusers", f"--root={root}", os.path.join(prefix, "lib/sysusers.d/sallyport.conf"))
        with open(os.path.join(root, "etc", "passwd"), encoding="utf-8") as f:
            made = [x.split(":")[0] for x in f]
        tap.ok({"sallyport-scan", "sallyport-web"} <= set(made), f"users {made}")
    if need("systemd-tmpfiles"):
        accepted("systemd-tmpfiles", "systemd-tmpfiles", f"--root={root}", "--create",
                 os.path.join(prefix, "lib/tmpfiles.d/sallyport.conf"))
        for name in ("run/sallyport", "var/spool/MailScanner/quarantine", "var/spool/MailScanner/incoming"):
            tap.ok(os.path.isdir(os.path.join(root, name)), f"/{name}")


def prometheus(prefix):
    folder = os.path.join(prefix, "share/sallyport/prometheus")
    try:
        promtool = packages.program("prometheus", "promtool")
    except packages.Missing as why:
        tap.skip("alerts and scrape sample", why)
        return
    done = accepted("promtool takes the alerts", promtool, "check", "rules", os.path.join(folder, "sallyport.rules.yml"))
    tap.ok("SUCCESS" in done.stdout, "and counts them")
    accepted("promtool takes the sample of prometheus.yml", promtool, "check", "config", os.path.join(folder, "scrape.yml"))


def main():
    build = gateway.build_dir()
    script.need()
    if not shutil.which("meson"):
        tap.skip_all("meson is not installed")
    with script.folder() as folder:
        dest = os.path.join(folder, "dest")
        accepted("meson install", "meson", "install", "-C", build, "--no-rebuild", env={**os.environ, "DESTDIR": dest})
        prefix = prefix_of(dest)
        if tap.ok(prefix is not None, "the programs are installed"):
            files(dest, prefix)
            sample(folder, prefix)
            systemd(folder, prefix)
            users_and_folders(folder, prefix)
            prometheus(prefix)
    tap.done()


if __name__ == "__main__":
    main()
