# SPDX-License-Identifier: GPL-2.0-or-later
"""A private Sallyport: its folders, its configuration, its processes."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

from kit import wait

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
ROLES = ("supervisor", "gateway", "zygote", "worker")

FILENAME_RULES = """# Tabs separate the columns.
allow	\\.txt$	-	-
deny	\\.(exe|com|scr|pif|bat|cmd|vbs|js|lnk|hta)$	Program in attachment	Programs are not accepted by mail
deny	\\.[a-z][a-z0-9]{2,3}\\s*\\.[a-z0-9]{3}$	Two file name extensions	A name with two extensions hides what the file is
"""
FILETYPE_RULES = """# Tabs separate the columns.
allow	text	-	-
deny	executable	Program found by its content	Programs are not accepted by mail
deny	ELF	Program found by its content	Programs are not accepted by mail
"""


def build_dir():
    """The build with fault points when there is one; SALLYPORT_BUILD chooses another."""
    if "SALLYPORT_BUILD" in os.environ:
        return os.environ["SALLYPORT_BUILD"]
    faults = os.path.join(TOP, "build-faults")
    return faults if os.path.exists(os.path.join(faults, "sallyportd")) else os.path.join(TOP, "build")


def have_programs():
    return all(os.access(os.path.join(build_dir(), p), os.X_OK) for p in ("sallyport", "sallyportd"))


def has_faults():
    """Whether the programs have fault points (core/fault.h), which a release build does not."""
    with open(os.path.join(build_dir(), "sallyportd"), "rb") as f:
        return b"SALLYPORT_FAULT_FILE" in f.read()


_started = []


class Gateway:
    """
    Everything lives under @folder. @queues: (mta name, incoming, outgoing, user, sendmail2); None
    makes a pair of sendmail queues in the folder that no server serves.
    """

    def __init__(self, folder, queues=None, options=None, signatures=None):
        self.folder = folder
        self.build = build_dir()
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        if queues is None:
            queues = ("sendmail", self.path("mqueue.in"), self.path("mqueue"), "root", "/bin/true")
            self._make_dirs("root", 0o700, queues[1], queues[2])
        self.mta, self.in_queue, self.out_queue, self.user, self.sendmail2 = queues
        self.quarantine = self.path("quarantine")
        self.work = self.path("work")
        self._make_dirs(self.user, 0o750, self.quarantine, self.work, self.path("state"))
        os.makedirs(self.path("etc"), exist_ok=True)
        self.conf = self.path("etc", "sallyport.conf")
        self.log = self.path("log")
        self.signatures = signatures or os.path.join(TOP, "tests", "data", "signatures")
        self.options = self._default_options()
        self.options.update(options or {})
        self.environment = {}
        self.wrapper = []  # what the daemon is started through
        self.switches = []  # more words of its command line
        self._process = None
        self.write_configuration()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @staticmethod
    def _make_dirs(user, mode, *paths):
        for p in paths:
            os.makedirs(p, exist_ok=True)
            os.chmod(p, mode)
            if os.geteuid() == 0:
                shutil.chown(p, user, user)

    def _default_options(self):
        return {
            "%org-name%": "test",
            "Run As User": "" if self.user == "root" else self.user,
            "Run As Group": "" if self.user == "root" else self.user,
            "MTA": self.mta,
            "Incoming Queue Dir": self.in_queue,
            "Outgoing Queue Dir": self.out_queue,
            "Incoming Work Dir": self.work,
            "Quarantine Dir": self.quarantine,
            "PID file": self.path("state", "sallyportd.pid"),
            "Lockfile Dir": self.path("state"),
            "Processing Attempts Database": self.path("state", "attempts.db"),
            "Control Socket": self.path("state", "control"),
            "ClamAV Database Directory": self.signatures,
            "Sendmail": "/bin/true",
            "Sendmail2": self.sendmail2,
            "Max Children": 2,
            "Queue Scan Interval": 1,
            "Rescan Interval": 2,
            "Virus Scanners": "auto",
            "Maximum Archive Depth": 8,
            "Maximum Attachments Per Message": 200,
            "Filename Rules": self.path("etc", "filename.rules.conf"),
            "Filetype Rules": self.path("etc", "filetype.rules.conf"),
            "Archives: Filename Rules": self.path("etc", "filename.rules.conf"),
            "Archives: Filetype Rules": self.path("etc", "filetype.rules.conf"),
            "Quarantine Whole Message": "yes",
            "Mail Header": "X-%org-name%-MailScanner:",
            "Information Header": "X-%org-name%-MailScanner-Information:",
            "ID Header": "X-%org-name%-MailScanner-ID:",
            "Envelope From Header": "X-%org-name%-MailScanner-From:",
            "Sign Clean Messages": "no",
            "Spam Checks": "no",
            "Send Notices": "no",
            "Maximum Processing Attempts": 3,
            "Processing Retry Delay": 1,
        }

    def write_configuration(self):
        for name, text in (("filename.rules.conf", FILENAME_RULES),
                           ("filetype.rules.conf", FILETYPE_RULES)):
            with open(self.path("etc", name), "w", encoding="ascii") as f:
                f.write(text)
        with open(self.conf, "w", encoding="utf-8") as f:
            f.writelines(f"{name} = {value}\n" for name, value in self.options.items())

    # --- asking it ---

    def ask(self, command):
        """The daemon's answer on its control socket, or None when there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(self.options["Control Socket"])
                s.sendall(json.dumps({"command": command}).encode() + b"\n")
                answer = b""
                while part := s.recv(1 << 16):
                    answer += part
            return json.loads(answer)
        except (OSError, ValueError):
            return None

    def ready(self):
        return (self.ask("status") or {}).get("workers_up", 0) > 0

    def all_up(self):
        """Every worker is there, not only the first: what is counted from here on is the same each time."""
        status = self.ask("status") or {}
        return 0 < status.get("workers", 0) <= status.get("workers_up", 0)

    def control(self, *words):
        """The JSON answer of `sallyport WORDS --json`, or None when it failed."""
        argv = [os.path.join(self.build, "sallyport"), *words, "-c", self.conf, "--json"]
        try:
            done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        except (subprocess.TimeoutExpired, ValueError):
            return None
        if done.returncode != 0 and not lines:
            return None
        return lines[0] if len(lines) == 1 else lines

    def quarantine_list(self):
        got = self.control("quarantine", "list")
        return [got] if isinstance(got, dict) else got or []

    def counters(self):
        """What the gateway has counted since its start: {name: number}"""
        return (self.ask("stats") or {}).get("metrics", {})

    # --- life ---

    def start(self, seconds=60, wait_ready=True):
        argv = [*self.wrapper, os.path.join(self.build, "sallyportd"), "-c", self.conf, "--foreground", *self.switches]
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment}, start_new_session=True)
        _started.append(self)
        if wait_ready:
            self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=60):
        wait.until(lambda: not self.running() or self.all_up(), seconds, f"sallyportd, see {self.log}")
        if not self.running():
            raise wait.Late(f"sallyportd ended with {self._process.returncode}:\n{self.log_tail()}")

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self, seconds=75):
        """TERM; returns the exit code, or None when it had to be killed."""
        if self._process is None:
            return None
        if self._process.poll() is not None:
            code, self._process = self._process.returncode, None
            return code
        tree = self.tree()
        self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            self._process.kill()
            self._process.wait()
        self._process = None
        _end(tree)
        return code

    def kill(self):
        self._process.kill()
        self._process.wait()

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def log_tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    # --- processes ---

    def tree(self):
        """{pid: role} of the supervisor and all below it."""
        if self._process is None:
            return {}
        children = _children()
        found, todo = {}, [(self._process.pid, None)]
        while todo:
            pid, parent_role = todo.pop()
            if _alive(pid):
                found[pid] = _role(pid, parent_role)
                todo += [(child, found[pid]) for child in children.get(pid, [])]
        return found

    def pid(self, role):
        """One process with this role, or None."""
        return next((p for p, r in self.tree().items() if r == role), None)

    def peak_memory(self):
        """{role: largest VmHWM in bytes}"""
        peak = {}
        for pid, role in self.tree().items():
            try:
                with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
                    kb = [int(line.split()[1]) for line in f if line.startswith("VmHWM:")]
            except OSError:
                continue
            peak[role] = max([peak.get(role, 0)] + [k * 1024 for k in kb])
        return peak

    # --- waiting ---

    def queue_ids(self):
        names = os.listdir(self.in_queue)
        if self.mta == "exim":
            return sorted(n[:-2] for n in names if n.endswith("-H"))
        return sorted(n[2:] for n in names if n.startswith("qf"))

    def wait_empty(self, seconds, besides=()):
        """Until nothing is in the incoming queue but @besides."""
        try:
            wait.until(lambda: set(self.queue_ids()) <= set(besides), seconds, "empty incoming queue")
        except wait.Late as late:
            left = [i for i in self.queue_ids() if i not in besides]
            raise wait.Late(f"{late}: {len(left)} left, such as {left[:3]}\n{self.log_tail()}") from late


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stop_all(folder):
    """Those below @folder that a test has left running when it failed."""
    for gate in [g for g in _started if g.folder == folder or g.folder.startswith(folder + os.sep)]:
        gate.stop()
        _started.remove(gate)


def go_on(pid):
    """CONT for a gateway that was stopped; the supervisor ends one that gives no sign of life for long."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def alive(pids):
    return [p for p in pids if _alive(p)]


def parent(pid):
    """Of @pid; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _children():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found.setdefault(parent(name), []).append(int(name))
    return found


def _role(pid, parent_role):
    """The supervisor starts its children with --role NAME; workers are forked by the zygote."""
    if parent_role is None:
        return "supervisor"
    if parent_role in ("zygote", "worker"):
        return "worker"
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().decode().replace("=", "\0").split("\0")
    except OSError:
        return "gone"
    return words[words.index("--role") + 1] if "--role" in words else "other"


def _end(pids):
    """What the supervisor left behind: only processes that belonged to it."""
    for pid in alive(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
