# SPDX-License-Identifier: GPL-2.0-or-later
"""
Private databases that hold a gateway's configuration: an SQLite file, a PostgreSQL server on a Unix
socket, an LDAP server on loopback. All answer to the same few calls.
"""

import contextlib
import glob
import os
import shutil
import signal
import socket
import sqlite3
import subprocess

from kit import packages, ports, wait

PASSWORD = "geheim-4711"  # looked for in logs and in the memory of processes
RULESET = "clean.customize"
SCHEMA = ("CREATE TABLE config (host TEXT, option TEXT, value TEXT)",
          "CREATE TABLE ruleset (name TEXT, num INTEGER, rule TEXT)",
          "CREATE TABLE serial (number INTEGER)",
          "INSERT INTO serial VALUES (1)")


def statements(interval):
    return {
        "SQL Config": "SELECT option, value FROM config WHERE host = ? OR host = 'all' ORDER BY option",
        "SQL Ruleset": "SELECT num, rule FROM ruleset WHERE name = ? ORDER BY num",
        "SQL Serial Number": "SELECT max(number) FROM serial",
        "SQL Serial Interval": interval,
    }


def publication(name):
    """Statements that make the settings @name hold: a value, a ruleset and a new serial number."""
    return ("DELETE FROM config", "DELETE FROM ruleset",
            f"INSERT INTO config VALUES ('{socket.gethostname()}', 'infovalue', 'info {name}')",
            f"INSERT INTO config VALUES ('all', 'cleanheader', '{RULESET}')",
            "INSERT INTO config VALUES ('another.host', 'infovalue', 'wrong')",
            f"INSERT INTO ruleset VALUES ('{RULESET}', 10, 'From: nobody@example.com wrong')",
            f"INSERT INTO ruleset VALUES ('{RULESET}', 20, 'FromOrTo: default clean {name}')",
            "UPDATE serial SET number = number + 1")


class Sqlite:
    name = "SQLite"
    place = f"SQL Ruleset {RULESET} row 20"

    def __init__(self, folder):
        os.makedirs(folder)
        self.path = os.path.join(folder, "ms.db")
        self._run(SCHEMA)

    def _run(self, texts):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN")
            for text in texts:
                db.execute(text)
            db.execute("COMMIT")

    def options(self, interval=1):
        return {"DB DSN": f"DBI:SQLite:dbname={self.path}", "DB Username": "ms", "DB Password": PASSWORD,
                **statements(interval)}

    def publish(self, name):
        self._run(publication(name))

    def away(self):
        os.rename(self.path, self.path + ".away")

    def back(self):
        os.rename(self.path + ".away", self.path)

    def stop(self):
        pass


class Postgres:
    name = "PostgreSQL"
    place = f"SQL Ruleset {RULESET} row 20"

    def __init__(self, folder):
        self._bin, self._libraries = self._programs()
        self._user = "nobody"  # the server refuses root
        os.makedirs(folder)
        shutil.chown(folder, self._user)
        self.folder, self._data = folder, os.path.join(folder, "data")
        self._pwfile = os.path.join(folder, "pw")
        with open(self._pwfile, "w", encoding="ascii") as f:
            f.write(PASSWORD + "\n")
        os.chmod(self._pwfile, 0o644)
        self._as_postgres("initdb", "-D", self._data, "-U", "ms", "-A", "scram-sha-256", "--pwfile", self._pwfile,
                          "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        self.back()
        self.execute(";".join(SCHEMA))

    @staticmethod
    def _programs():
        """(folder of programs, library path): installed ones, or (always with SALLYPORT_UNPACK) the unpacked package."""
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if found and "SALLYPORT_UNPACK" not in os.environ:
            return os.path.dirname(found[-1]), ""
        top = packages.unpack(["postgresql-15", "postgresql-client-15"], os.path.join(packages.cache_dir(), "postgresql"))
        return os.path.join(top, "usr", "lib", "postgresql", "15", "bin"), packages.library_path(top)

    def _as_postgres(self, program, *args):
        done = subprocess.run(["setpriv", f"--reuid={self._user}", "--regid=nogroup", "--clear-groups",
                               os.path.join(self._bin, program), *args], cwd=self.folder, capture_output=True,
                              text=True, check=False, env={**os.environ, "LD_LIBRARY_PATH": self._libraries})
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    def execute(self, sql):
        done = subprocess.run([os.path.join(self._bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
                               "-U", "ms", "-d", "postgres", "-1", "-c", sql], capture_output=True, text=True,
                              check=False,
                              env={**os.environ, "PGPASSWORD": PASSWORD, "LD_LIBRARY_PATH": self._libraries})
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")

    def options(self, interval=1):
        return {"DB DSN": f"DBI:Pg:dbname=postgres;host={self.folder}", "DB Username": "ms", "DB Password": PASSWORD,
                **statements(interval)}

    def publish(self, name):
        self.execute(";".join(publication(name)))

    def away(self):
        self._as_postgres("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def back(self):
        self._as_postgres("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", os.path.join(self.folder, "log"), "-o",
                          f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off", "start")

    def hang(self, on):
        """The server takes connections and answers nothing, or answers again."""
        with open(os.path.join(self._data, "postmaster.pid"), encoding="ascii") as f:
            os.kill(int(f.readline()), signal.SIGSTOP if on else signal.SIGCONT)

    def stop(self):
        with contextlib.suppress(RuntimeError):
            self.away()


LDAP_SCHEMA = """
attributetype ( 1.3.6.1.4.1.55555.1.1 NAME 'mailScannerSite' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.2 NAME 'mailScannerConfBranch' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.3 NAME 'mailScannerConfSerialNumber' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.1.4 NAME 'mailScannerInfoValue' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.5 NAME 'mailScannerCleanHeader' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.6 NAME 'mailScannerRuleSetName' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.7 NAME 'mailScannerRuleSetNum' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.55555.1.8 NAME 'mailScannerRuleSetDirection' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.9 NAME 'mailScannerRuleSetMatch' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.55555.1.10 NAME 'mailScannerRuleSetResult' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.55555.2.1 NAME 'mailscannerconfmain' SUP top STRUCTURAL MUST cn
  MAY ( mailScannerSite $ mailScannerConfBranch $ mailScannerConfSerialNumber $ mailScannerInfoValue $ mailScannerCleanHeader ) )
objectclass ( 1.3.6.1.4.1.55555.2.2 NAME 'mailscannerRuleSetObject' SUP top STRUCTURAL MUST cn
  MAY ( mailScannerRuleSetName $ mailScannerRuleSetNum $ mailScannerRuleSetDirection $ mailScannerRuleSetMatch $
  mailScannerRuleSetResult ) )
"""


class Ldap:
    """The ruleset is one entry's single rule, changed after the options and before the serial number."""

    name = "LDAP"
    place = f"LDAP ruleset {RULESET} row 20"
    base = "dc=example,dc=com"
    admin = f"cn=admin,{base}"

    def __init__(self, folder):
        self.top = packages.unpack(["slapd", "ldap-utils"], os.path.join(packages.cache_dir(), "slapd"))
        self.folder, self.port = folder, ports.free()
        self._process = None
        self._serial = 1
        os.makedirs(os.path.join(folder, "data"))
        self._configure()
        self.back()
        self._change("ldapadd", self._entries())

    def _configure(self):
        modules = os.path.join(self.top, "usr", "lib", "ldap")
        with open(os.path.join(self.folder, "mailscanner.schema"), "w", encoding="ascii") as f:
            f.write(LDAP_SCHEMA)
        with open(os.path.join(self.folder, "slapd.conf"), "w", encoding="ascii") as f:
            f.write(f"include {self.top}/etc/ldap/schema/core.schema\n"
                    f"include {self.folder}/mailscanner.schema\n"
                    f"pidfile {self.folder}/pid\nmodulepath {modules}\nmoduleload back_mdb\n"
                    f"database mdb\nsuffix {self.base}\nrootdn {self.admin}\nrootpw {PASSWORD}\n"
                    f"directory {self.folder}/data\nmaxsize 10485760\n")

    def _entries(self):
        rules = [(10, "From:", "nobody@example.com", "wrong"), (20, "FromOrTo:", "default", "clean -")]
        text = f"dn: {self.base}\nobjectClass: organization\nobjectClass: dcObject\no: x\ndc: example\n\n"
        for site, value in (("gw", "info -"), ("another", "wrong")):
            text += (f"dn: cn={site},{self.base}\nobjectClass: mailscannerconfmain\ncn: {site}\nmailScannerSite: {site}\n"
                     f"mailScannerConfBranch: main\nmailScannerConfSerialNumber: 1\nmailScannerInfoValue: {value}\n"
                     f"mailScannerCleanHeader: {RULESET}\n\n")
        for num, direction, match, result in rules:
            text += (f"dn: cn=r{num},{self.base}\nobjectClass: mailscannerRuleSetObject\ncn: r{num}\n"
                     f"mailScannerRuleSetName: {RULESET}\nmailScannerRuleSetNum: {num}\n"
                     f"mailScannerRuleSetDirection: {direction}\nmailScannerRuleSetMatch: {match}\n"
                     f"mailScannerRuleSetResult: {result}\n\n")
        return text

    def _environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": packages.library_path(self.top)}

    def _change(self, program, ldif):
        path = os.path.join(self.top, "usr", "bin", program)
        argv = [path if os.path.exists(path) else os.path.join(self.top, "usr", "bin", "ldapmodify"),
                "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", self.admin, "-w", PASSWORD]
        done = subprocess.run(argv + (["-a"] if program == "ldapadd" else []), input=ldif, capture_output=True, text=True,
                              check=False, env=self._environment())
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")

    def options(self, interval=1):
        return {"LDAP Server": f"127.0.0.1:{self.port}", "LDAP Base": self.base, "LDAP Site": "gw",
                "SQL Serial Interval": interval}

    def publish(self, name):
        self._serial += 1
        self._change("ldapmodify",
                     f"dn: cn=r20,{self.base}\nchangetype: modify\nreplace: mailScannerRuleSetResult\n"
                     f"mailScannerRuleSetResult: clean {name}\n\n"
                     f"dn: cn=gw,{self.base}\nchangetype: modify\nreplace: mailScannerInfoValue\n"
                     f"mailScannerInfoValue: info {name}\n-\nreplace: mailScannerConfSerialNumber\n"
                     f"mailScannerConfSerialNumber: {self._serial}\n")

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def away(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def back(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self._process = subprocess.Popen(
                [os.path.join(self.top, "usr", "sbin", "slapd"), "-f", os.path.join(self.folder, "slapd.conf"),
                 "-h", f"ldap://127.0.0.1:{self.port}", "-d", "0"], stdout=log, stderr=log, env=self._environment())
        wait.until(self._answers, 30, f"slapd, see {self.folder}/log")

    def stop(self):
        self.away()
