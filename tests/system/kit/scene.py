# SPDX-License-Identifier: GPL-2.0-or-later
"""
Attackers and honest clients, each with an address of its own, before a real sendmail that only
queues, Sallyport behind it and a second sendmail that delivers to a sink. Everything but the clients
lives in one network namespace, the clients in another.
"""

import json
import os
import shutil
import subprocess
import sys

from kit import gateway, mta, netns, samples, sink, wait

HERE = os.path.dirname(os.path.abspath(__file__))
CALLER = os.path.join(HERE, "smtp_caller.py")

# (source, the server's address it talks to); one /24 or /64 each, so that nobody pays for a neighbour
ATTACKERS = [("198.18.66.5", "198.18.66.1"), ("198.18.67.7", "198.18.67.1"),
             ("2001:db8:66::5", "2001:db8:66::1")]
HONEST = [(f"198.18.{10 + i}.20", f"198.18.{10 + i}.1") for i in range(6)] + \
         [(f"2001:db8:{10 + i}::20", f"2001:db8:{10 + i}::1") for i in range(4)]


def _with_bits(address):
    return f"{address}/{64 if ':' in address else 24}"


class Caller:
    """One running smtp_caller.py."""

    def __init__(self, cable, source, host, port, message, case, every, seconds, nice=0, until_refused=False):
        self._process = cable.client(
            ["nice", "-n", str(nice), sys.executable, CALLER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        job = {"source": source, "host": host, "port": port, "message": message, "case": case,
               "every": every, "seconds": seconds, "until_refused": until_refused}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def end(self):
        """What it counted: {"source", "tried", "counts", "sent"}."""
        try:
            out, err = self._process.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
        if not out:
            raise wait.Late(f"a client ended without a word: {err[-500:]}")
        return json.loads(out)


class Scene:
    def __init__(self, folder, options):
        everyone = ATTACKERS + HONEST
        self._pins = f"/sys/fs/bpf/sallyport-test-{os.getpid()}"
        mta.Sendmail.fetch()
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.cable = netns.Cable([_with_bits(host) for _, host in everyone],
                                 [_with_bits(source) for source, _ in everyone])
        self.sink = self.server = self.gate = None
        try:
            self.sink = sink.Sink()
            self.server = mta.Sendmail(os.path.join(folder, "mta"), self.sink.port, everywhere=True)
            self.server.start()
            self.gate = gateway.Gateway(
                os.path.join(folder, "sallyport"),
                ("sendmail", self.server.in_queue, self.server.out_queue, "root", self.server.sendmail2),
                {"Throttle": "enforce", "Throttle Ports": self.server.port,
                 "Throttle Pin Directory": self._pins, **options})
        except BaseException:
            self.close()
            raise
        self._write("bomb.eml", bytes(samples.with_file("The figures", "figures.zip", samples.zip_bomb())))
        self._write("letter.eml", sink.with_case(bytes(samples.letter("Good morning")), "{case}"))

    def _write(self, name, content):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(content)

    def attack(self, seconds, until_refused=False):
        """Callers that open connections as fast as they can and send a zip bomb over each. They run
        at the lowest priority: in the world their processors are not ours."""
        path = os.path.join(self.folder, "bomb.eml")
        return [Caller(self.cable, source, host, self.server.port, path, f"bomb-{source}", 0, seconds, 19,
                       until_refused)
                for source, host in ATTACKERS]

    def honest(self, name, every, seconds):
        """Run all honest clients for @seconds, a message each @every seconds; what each counted."""
        path = os.path.join(self.folder, "letter.eml")
        callers = [Caller(self.cable, source, host, self.server.port, path, f"{name}-{i}", every, seconds)
                   for i, (source, host) in enumerate(HONEST)]
        return [c.end() for c in callers]

    def once(self, source, host, name):
        """One message from @source; what became of the connection."""
        path = os.path.join(self.folder, "letter.eml")
        return Caller(self.cable, source, host, self.server.port, path, name, 1000, 1).end()

    def close(self):
        if self.gate is not None:
            self.gate.stop()
        if self.server is not None:
            self.server.stop()
        if self.sink is not None:
            self.sink.stop()
        self.cable.close()
        shutil.rmtree(self._pins, ignore_errors=True)
