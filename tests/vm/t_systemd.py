#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Sallyport installed as docs/install.md says, under a real systemd, from boot to stop. For a machine that is
thrown away: scripts/vm --before 'tests/vm/t_systemd.py --install' --systemd tests/vm/t_systemd.py
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "system"))
from kit import gateway, mta, samples, sink, tap, wait  # noqa: E402

SPOOL = "/var/spool/test"
SINK_PORT = 2599
QUARANTINE = "/var/spool/MailScanner/quarantine"
SITE = "/etc/sallyport/conf.d/site.conf"
PINS = "/sys/fs/bpf/sallyport"
PORT_FILE = "/etc/test-port"
SLOW = 120  # emulation


def run(*argv, fine=True, seconds=300):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
    if fine and done.returncode != 0:
        tap.note(f"{' '.join(argv)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


# --- before the boot: docs/install.md ---

def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def site(server):
    return {
        "MTA": "sendmail", "Incoming Queue Dir": server.in_queue, "Outgoing Queue Dir": server.out_queue,
        "Sendmail": server.sendmail2, "Sendmail2": server.sendmail2,
        "ClamAV Database Directory": os.path.join(TOP, "tests", "data", "signatures"),
        "Max Children": 2, "Queue Scan Interval": 1, "Rescan Interval": 2, "Spam Checks": "no", "Virus Scanners": "clamav",
        "Quarantine Whole Message": "yes", "Throttle": "enforce", "Throttle Ports": server.port,
        "Send Notices": "no", "%org-name%": "test"}


def install():
    """As a person would. The units are enabled, and start at boot."""
    for argv in (["meson", "install", "-C", gateway.build_dir(), "--no-rebuild"], ["systemd-sysusers"],
                 ["systemd-tmpfiles", "--create"]):
        if run(*argv).returncode != 0 and argv[0] != "systemd-tmpfiles":
            sys.exit(f"{argv} failed")
    shutil.copytree("/usr/local/share/sallyport/config", "/etc/sallyport", dirs_exist_ok=True)
    server = mta.Sendmail(SPOOL, SINK_PORT)
    write(PORT_FILE, str(server.port))
    write(SITE, "".join(f"{k} = {v}\n" for k, v in site(server).items()))
    write("/etc/systemd/system/test-mta.service", f"""[Unit]
Description=Mail server that only queues
[Service]
ExecStart={' '.join(server._daemon_argv())}
[Install]
WantedBy=multi-user.target
""")
    write("/etc/systemd/system/sallyport.service.d/short.conf", "[Service]\nWatchdogSec=20\n")
    done = run("/usr/local/bin/sallyport", "check", fine=False)
    print(f"check ends with {done.returncode}: {done.stdout}{done.stderr}")
    for unit in ("sallyport", "test-mta"):
        if run("systemctl", "enable", unit).returncode != 0:
            sys.exit(f"{unit} cannot be enabled")


# --- what systemd says ---

def show(*names, unit="sallyport"):
    done = run("systemctl", "show", unit, *(f"--property={n}" for n in names))
    found = dict(x.partition("=")[::2] for x in done.stdout.splitlines())
    return found[names[0]] if len(names) == 1 else found


def main_pid():
    return int(show("MainPID"))


def active():
    return show("ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}


def journal(*more):
    return run("journalctl", "--no-pager", "-o", "cat", "-b", *more).stdout


def processes():
    """{role: pids} of all sallyportd on this host."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().split(b"\0")
            name = open(path.replace("cmdline", "comm"), encoding="ascii").read().strip()
        except OSError:
            continue
        if b"sallyportd" in words[0]:
            found.setdefault(name, []).append(int(path.split("/")[2]))
    return found


# --- parts ---

class Mail:
    def __init__(self):
        self.sink = sink.Sink(SINK_PORT)
        self.sent = 0
        with open(PORT_FILE, encoding="ascii") as f:
            self.port = int(f.read())

    def send(self, count, what="letter"):
        client = sink.Client(self.port)
        for _ in range(count):
            self.sent += 1
            client.send(sink.with_case(bytes(samples.letter(f"{what} {self.sent}")), f"case-{self.sent}"))
        client.close()

    def arrived(self):
        return len(self.sink.by_case())

    def all_there(self, text):
        try:
            wait.until(lambda: self.arrived() >= self.sent, SLOW, text, every=0.2)
        except wait.Late as late:
            tap.note(late)
            tap.note(run("mailq", fine=False).stdout)
        tap.equal(self.arrived(), self.sent, text)


def boot():
    wait.until(lambda: show("ActiveState") in ("active", "failed"), SLOW, "the unit after boot", every=0.5)
    tap.ok(active(), "at boot the unit comes up by itself")
    tap.equal(show("ActiveState", unit="test-mta"), "active", "and the mail server")
    tap.equal(show("NRestarts"), "0", "at the first attempt")
    tap.ok(show("StatusText").startswith("scanning: "), f"systemctl status says: {show('StatusText')}")
    failed = [x for x in run("systemctl", "--failed", "--no-legend", "--plain").stdout.splitlines() if "sallyport" in x]
    tap.equal(failed, [], "no unit of ours failed")
    said = journal("-u", "sallyport")
    tap.note(said)
    tap.ok(" is ready: " in said, "journalctl -u sallyport has it")
    tap.ok(" is ready: " in journal("-t", "MailScanner"), "so has the name MailScanner")


def analyze():
    done = run("systemd-analyze", "verify", "--man=no", "sallyport.service")
    tap.ok(done.returncode == 0 and "sallyport" not in done.stderr, "systemd-analyze verify has nothing to say")
    tap.note(done.stderr)
    done = run("systemd-analyze", "security", "--no-pager", "sallyport.service")
    tap.ok("Overall exposure level" in done.stdout, f"systemd-analyze security: {done.stdout.splitlines()[-1]}")
    tap.note("\n".join(x for x in done.stdout.splitlines() if x.startswith("✗")))


def limits():
    for role, pids in sorted(processes().items()):
        with open(f"/proc/{pids[0]}/limits", encoding="ascii") as f:
            rows = {x[:25].strip(): x[26:].split()[0] for x in f}
        tap.note(f"{role} {pids}: files {rows['Max open files']}, locked {rows['Max locked memory']}")
    with open(f"/proc/{main_pid()}/limits", encoding="ascii") as f:
        text = f.read()
    tap.ok("65536" in text and "unlimited" in [x.split()[3] for x in text.splitlines() if x.startswith("Max locked")],
           "the unit's limits are in force")


def throttle():
    done = run("/usr/local/bin/sallyport", "throttle", "stats", "--json")
    tap.note(done.stdout[:1500])
    said = journal("-u", "sallyport")
    tap.note("\n".join(x for x in said.splitlines() if "throttle" in x.lower()))
    tap.ok(len(glob.glob(PINS + "/*/*")) == 9, f"the maps are pinned: {glob.glob(PINS + '/*/*')}")
    tap.equal([x for x in said.splitlines() if "not all of it" in x], [], "nothing of the throttle is missing")
    if done.returncode == 0:
        parts = json.loads(done.stdout)
        tap.ok("sk_lookup" in json.dumps(parts), "the kernel refuses, by sk_lookup")


def flow(mail):
    mail.send(20)
    mail.all_there("20 messages by SMTP, through the queue, to their recipient")
    client = sink.Client(mail.port)
    client.send(sink.with_case(bytes(samples.with_file("A virus", "a.txt", samples.eicar())), "virus"))
    client.close()
    wait.until(lambda: any("message" in n or n.startswith("qf") for _, _, names in os.walk(QUARANTINE) for n in names), SLOW,
               "the quarantine", every=0.2)
    tap.ok(True, "a virus is in quarantine")
    mail.sent += 1 if "virus" in mail.sink.by_case() else 0


def reload(mail):
    before = main_pid()
    tap.equal(run("systemctl", "reload", "sallyport").returncode, 0, "systemctl reload")
    wait.until(lambda: "scanning" in show("StatusText") and active(), SLOW, "the reload", every=0.2)
    tap.equal(main_pid(), before, "the process remains")
    mail.send(5)
    mail.all_there("mail flows after a reload")
    with open(SITE, "a", encoding="ascii") as f:
        f.write("Filename Rules = /etc/sallyport/missing.rules\n")
    run("systemctl", "reload", "sallyport")
    wait.until(lambda: "the configuration in force stays" in journal("-u", "sallyport"), SLOW, "the reason", every=0.5)
    tap.ok(active() and main_pid() == before, "a reload with a mistake says so and changes nothing")
    mail.send(5)
    mail.all_there("mail flows after it")
    with open(SITE, encoding="ascii") as f:
        text = f.read()
    write(SITE, text.replace("Filename Rules = /etc/sallyport/missing.rules\n", ""))
    run("systemctl", "reload", "sallyport")


def comes_back(before, text):
    wait.until(lambda: active() and main_pid() not in (0, before), SLOW, text, every=0.2)
    tap.ok(True, f"{text}: systemd starts it again")
    wait.until(lambda: len(processes().get("sallyport-gw", processes().get("sallyportd", []))) > 0, SLOW, "processes")
    tap.note(processes())


def killed(mail):
    before, family = main_pid(), [p for pids in processes().values() for p in pids]
    os.kill(before, signal.SIGKILL)
    mail.send(5)
    comes_back(before, "kill -9 of the supervisor")
    mail.all_there("mail flows after it")
    left = {p for pids in processes().values() for p in pids} & set(family)
    tap.equal(left, set(), "nothing of the first is left")
    tap.equal([x for x in journal("-u", "sallyport").splitlines() if "left-over process" in x], [],
              "systemd met no left-over process")
    tap.ok(glob.glob(PINS + "/*/*"), "the pinned maps are there")


def gateway_pid():
    main = main_pid()
    children = open(f"/proc/{main}/task/{main}/children", encoding="ascii").read().split()
    for pid in children:
        if "gateway" in open(f"/proc/{pid}/cmdline", "rb").read().decode() + open(f"/proc/{pid}/comm", encoding="ascii").read():
            return int(pid)
    return int(children[0])


def watchdog(mail):
    """A gateway that hangs: nobody says that all is well, and systemd ends it."""
    before, hung = main_pid(), gateway_pid()
    os.kill(hung, signal.SIGSTOP)
    comes_back(before, "a gateway that hangs")
    tap.ok("watchdog" in journal("-u", "sallyport").lower(), "the journal says that it was the watchdog")
    tap.ok(not os.path.exists(f"/proc/{hung}"), "the gateway that hung is gone")
    if os.path.exists(f"/proc/{hung}"):
        os.kill(hung, signal.SIGCONT)
    mail.send(5)
    mail.all_there("mail flows after it")


def stop(mail):
    mail.send(40)
    done = run("systemctl", "stop", "sallyport")
    tap.equal(done.returncode, 0, "systemctl stop with mail in hand")
    tap.equal(show("Result"), "success", "it ended well")
    tap.equal({k: v for k, v in processes().items()}, {}, "no process is left")
    mail.send(5)
    tap.equal(run("systemctl", "start", "sallyport").returncode, 0, "systemctl start waits until it scans")
    mail.all_there("what was left in the queue, and what came meanwhile, is delivered")
    tap.equal(run("systemctl", "restart", "sallyport").returncode, 0, "systemctl restart")
    mail.send(5)
    mail.all_there("mail flows after a restart")
    tap.equal(sorted(c for c, d in mail.sink.by_case().items() if len(d) > 1), [], "no message came twice")


def main():
    if "--install" in sys.argv:
        install()
        return
    mail = Mail()
    for part in (boot, analyze, limits, throttle, lambda: flow(mail), lambda: reload(mail), lambda: killed(mail),
                 lambda: watchdog(mail), lambda: stop(mail)):
        try:
            part()
        except wait.Late as late:
            tap.ok(False, f"{late}")
            tap.note(run("systemctl", "status", "--no-pager", "-n", "30", "sallyport", fine=False).stdout)
    tap.note(journal("-u", "sallyport"))
    tap.done()


if __name__ == "__main__":
    main()
