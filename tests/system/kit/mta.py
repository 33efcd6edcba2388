# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real mail servers as private instances on loopback: one that only queues what comes by SMTP, and
the same program again for the outgoing queue, which delivers to a sink. Both kinds run at once,
unpacked from Debian's packages, with everything of an instance under one folder.
"""

import os
import pwd
import shutil
import socket
import subprocess

from kit import packages, ports, wait

SENDMAIL_PACKAGES = ["sendmail-bin", "sendmail-cf", "libmilter1.0.1", "liblockfile1", "m4"]
EXIM_PACKAGES = ["exim4-daemon-light"]
EXIM_USER = "Debian-exim"  # compiled into the package


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


def _write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class Mta:
    """What both kinds share. in_queue and out_queue are the directories Sallyport is given."""

    name = ""
    user = "root"

    def __init__(self, folder, sink_port):
        self.folder = folder
        self.sink_port = sink_port
        self.port = ports.free()
        self.in_queue = self.out_queue = ""
        self._daemon = None
        self._log = os.path.join(folder, "daemon.log")
        os.makedirs(folder)

    def _daemon_argv(self):
        raise NotImplementedError

    def start(self):
        """The server that takes mail and only queues it."""
        with open(self._log, "ab") as log:
            self._daemon = subprocess.Popen(
                self._daemon_argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait.until(lambda: self._daemon.poll() is not None or answers(self.port), 60,
                   f"{self.name} on port {self.port}, see {self._log}")
        if self._daemon.poll() is not None:
            raise wait.Late(f"{self.name} ended at once, see {self._log}")

    def stop(self):
        if self._daemon is not None:
            self._daemon.terminate()
            try:
                self._daemon.wait(60)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
            self._daemon = None

    def flush(self):
        """Run the outgoing queue once."""
        subprocess.run(self._flush_argv(), check=False, capture_output=True, timeout=600)

    def _flush_argv(self):
        raise NotImplementedError


class Sendmail(Mta):
    name = "sendmail"

    def __init__(self, folder, sink_port, everywhere=False):
        """@everywhere: listen on all addresses, not only on 127.0.0.1 (in a namespace of its own)."""
        super().__init__(folder, sink_port)
        self._everywhere = everywhere
        self._root = self.fetch()
        self.in_queue = self._dir("mqueue.in")
        self.out_queue = self._dir("mqueue")
        self.binary = os.path.join(folder, "sendmail")
        # It waits a minute for a qualified host name: give it one of its own.
        _write(self.binary, f"""#!/bin/sh
exec env LD_LIBRARY_PATH={packages.library_path(self._root)} unshare -u \\
	sh -c 'hostname gw.test; exec "$0" "$@"' {self._root}/usr/libexec/sendmail/sendmail "$@"
""", 0o755)
        self._cf = self._configuration()
        self.sendmail2 = f"{self.binary} -C{self._cf}"

    @staticmethod
    def fetch():
        """Have the programs on this host: asked before the network is left."""
        return packages.unpack(SENDMAIL_PACKAGES, os.path.join(packages.cache_dir(), "sendmail"))

    def _dir(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        return path

    def _configuration(self):
        mc = os.path.join(self.folder, "sendmail.mc")
        cf = os.path.join(self.folder, "sendmail.cf")
        tree = os.path.join(self._root, "usr/share/sendmail/cf")
        listen = [("0.0.0.0", "inet"), ("::", "inet6")] if self._everywhere else [("127.0.0.1", "inet")]
        daemons = "\n".join(f"DAEMON_OPTIONS(`Port={self.port}, Addr={a}, Family={family}, Name=MTA-{family}')dnl"
                            for a, family in listen)
        _write(mc, f"""divert(0)dnl
OSTYPE(`linux')dnl
define(`QUEUE_DIR', `{self.out_queue}')dnl
define(`confPID_FILE', `{self.folder}/sendmail.pid')dnl
define(`STATUS_FILE', `{self.folder}/statistics')dnl
undefine(`ALIAS_FILE')dnl
define(`confDEF_USER_ID', `0:0')dnl
define(`confDOMAIN_NAME', `gw.test')dnl
define(`confTO_IDENT', `0')dnl
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confMAX_HEADERS_LENGTH', `0')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {self.sink_port}')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
{daemons}
MAILER(`smtp')dnl
""")
        m4 = os.path.join(self._root, "usr/bin/m4")
        with open(cf, "w", encoding="latin-1") as out:
            subprocess.run([m4, f"-D_CF_DIR_={tree}/", f"{tree}/m4/cf.m4", mc], stdout=out, check=True,
                           stderr=subprocess.DEVNULL,  # warns that it is an open relay: on loopback
                           env={**os.environ, "LD_LIBRARY_PATH": packages.library_path(self._root)})
        return cf

    def _daemon_argv(self):
        return [self.binary, f"-C{self._cf}", "-bD", "-ODeliveryMode=queueonly",
                f"-OQueueDirectory={self.in_queue}"]

    def _flush_argv(self):
        return [self.binary, f"-C{self._cf}", f"-OQueueDirectory={self.out_queue}", "-q"]

    @staticmethod
    def header_file(queue, name):
        return os.path.join(queue, "qf" + name)

    @staticmethod
    def body_file(queue, name):
        return os.path.join(queue, "df" + name)

    @staticmethod
    def body_offset(_name):
        return 0

    def ids(self, queue):
        return sorted(n[2:] for n in os.listdir(queue) if n.startswith("qf"))

    def header_text(self, queue, name):
        """The message's own headers as the queue file has them."""
        lines, keep = [], False
        with open(self.header_file(queue, name), "rb") as f:
            for line in f:
                if line.startswith((b" ", b"\t")):
                    if keep:
                        lines.append(line)
                    continue
                keep = line.startswith(b"H")
                if keep:
                    rest = line[1:]
                    if rest.startswith(b"?"):
                        rest = rest[rest.index(b"?", 1) + 1:]
                    lines.append(rest)
        return b"".join(lines)

    def null_gateway(self):
        """Move every message by hand, as a gateway that looks at nothing would."""
        for name in self.ids(self.in_queue):
            os.rename(self.body_file(self.in_queue, name), self.body_file(self.out_queue, name))
            os.rename(self.header_file(self.in_queue, name),
                      self.header_file(self.out_queue, name))


class Exim(Mta):
    name = "exim"
    user = EXIM_USER

    def __init__(self, folder, sink_port):
        super().__init__(folder, sink_port)
        self._root = packages.unpack(EXIM_PACKAGES, os.path.join(packages.cache_dir(), "exim"))
        self._account()
        in_spool, out_spool = (self._spool(n) for n in ("in", "out"))
        self.in_queue = os.path.join(in_spool, "input")
        self.out_queue = os.path.join(out_spool, "input")
        self.binary = os.path.join(folder, "exim")
        _write(self.binary, f"""#!/bin/sh
exec env LD_LIBRARY_PATH={packages.library_path(self._root)} {self._root}/usr/sbin/exim4 "$@"
""", 0o755)
        self._in_conf = self._configuration("in", in_spool, "queue_only = true")
        self._out_conf = self._configuration("out", out_spool, "")
        self.sendmail2 = f"{self.binary} -C {self._out_conf}"

    @staticmethod
    def _account():
        try:
            pwd.getpwnam(EXIM_USER)
        except KeyError:
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell",
                            "/usr/sbin/nologin", EXIM_USER], check=True)
        os.makedirs("/var/log/exim4", exist_ok=True)

    def _spool(self, name):
        path = os.path.join(self.folder, "spool." + name)
        for d in (path, os.path.join(path, "input"), os.path.join(path, "msglog"),
                  os.path.join(path, "db"), os.path.join(path, "log")):
            os.mkdir(d, 0o750)
            shutil.chown(d, EXIM_USER, EXIM_USER)
        return path

    def _configuration(self, name, spool, more):
        path = os.path.join(self.folder, f"exim.{name}.conf")
        _write(path, f"""primary_hostname = gw.test
spool_directory = {spool}
log_file_path = {spool}/log/%slog
exim_user = {EXIM_USER}
exim_group = {EXIM_USER}
never_users =
exim_path = {self.binary}
deliver_drop_privilege = true
{more}
queue_run_max = 2
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
message_size_limit = 0
remote_max_parallel = 4
acl_smtp_rcpt = accept
acl_smtp_data = accept
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
begin routers
sink:
  driver = manualroute
  transport = sink
  route_list = * 127.0.0.1
  self = send
begin transports
sink:
  driver = smtp
  port = {self.sink_port}
  allow_localhost
  hosts_try_chunking =
  message_linelength_limit = 1G
begin retry
* * F,1h,1s
""")
        return path

    def _daemon_argv(self):
        return [self.binary, "-C", self._in_conf, "-bdf", "-oX", f"127.0.0.1:{self.port}"]

    def _flush_argv(self):
        return [self.binary, "-C", self._out_conf, "-qf"]

    @staticmethod
    def header_file(queue, name):
        return os.path.join(queue, name + "-H")

    @staticmethod
    def body_file(queue, name):
        return os.path.join(queue, name + "-D")

    @staticmethod
    def body_offset(name):
        return len(name) + len("-D\n")

    def ids(self, queue):
        return sorted(n[:-2] for n in os.listdir(queue) if n.endswith("-H"))

    def header_text(self, queue, name):
        """The headers Exim would send, in order; those marked as deleted are left out."""
        with open(self.header_file(queue, name), "rb") as f:
            data = f.read()
        at = data.index(b"\n\n") + 2
        out = []
        while at < len(data):
            digits = len(data[at:at + 20]) - len(data[at:at + 20].lstrip(b"0123456789"))
            size = int(data[at:at + digits])
            flag = data[at + digits:at + digits + 1]
            start = at + digits + 2
            if flag != b"*":
                out.append(data[start:start + size])
            at = start + size
        return b"".join(out)

    def null_gateway(self):
        for name in self.ids(self.in_queue):
            os.rename(self.body_file(self.in_queue, name), self.body_file(self.out_queue, name))
            os.rename(self.header_file(self.in_queue, name),
                      self.header_file(self.out_queue, name))


def body_of(mta, queue, name):
    with open(mta.body_file(queue, name), "rb") as f:
        f.seek(mta.body_offset(name))
        return f.read()
