# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs what scripts/test has built, shows progress, counts results. Not for use by itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, "build", "test-logs")
# The same inputs each time, so that the suite answers the same; finding new ones is a long run's work.
FUZZ_SEED = os.environ.get("SALLYPORT_FUZZ_SEED", "1")
FUZZ_SECONDS = int(os.environ.get("SALLYPORT_FUZZ_SECONDS", "15"))
TERMINAL = sys.stdout.isatty()
RED, GREEN, PLAIN, CLEAR = ("\33[31m", "\33[32m", "\33[0m", "\r\33[K") if TERMINAL else ("", "", "", "")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
# Meson's default of 30 s is near what a sanitized test takes where others use the processors, too.
HANG_SECONDS = 300
# Who looks at a failure often has nothing but what we print.
EVIDENCE_LINES, NOTES_LINES, TAIL_LINES, WIDTH = 40, 8, 14, 240
THREAD_SANITIZER = {"TSAN_OPTIONS": "halt_on_error=1:suppressions=" + os.path.join(TOP, "tests", "tsan.supp"),
                    "G_SLICE": "always-malloc"}

# The tests of what processes share, played by threads; scripts/test builds only these in build-tsan.
SHARED_BY_THREADS = ("loop jobs", "scan threads", "scan verdict_cache")


@dataclass
class Job:
    name: str
    argv: list
    env: dict = field(default_factory=dict)
    seconds: float = 60
    tap: bool = True
    alone: bool = False
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    took: float = 0
    why: list = field(default_factory=list)
    evidence: list = field(default_factory=list)

    @property
    def log(self):
        return os.path.join(LOGS, self.name.replace("/", "-").replace(" ", "-") + ".log")


# --- which jobs there are ---

def meson_jobs(tree, suite, label, env):
    done = subprocess.run(["meson", "introspect", "--tests", os.path.join(TOP, tree)],
                          capture_output=True, check=True)
    for t in json.loads(done.stdout):
        if any(s.split(":")[-1] == suite for s in t["suite"]):
            yield Job(f"{label}/{t['name']}", t["cmd"], {**t["env"], **env},
                      max(t["timeout"] or 3600, HANG_SECONDS), alone=not t["is_parallel"])


def fuzz_jobs():
    folder = os.path.join(TOP, "build-fuzz", "tests", "fuzz")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        program = os.path.join(folder, name)
        if name.startswith("fuzz_") and os.path.isfile(program) and os.access(program, os.X_OK):
            corpus = os.path.join(TOP, "tests", "fuzz", "corpus", name[len("fuzz_"):])
            found = tempfile.mkdtemp(prefix="new-", dir=LOGS)
            # libarchive asks for up to 4 GB on the word of a header; a worker's memory limit refuses that.
            argv = [program, f"-max_total_time={FUZZ_SECONDS}", f"-seed={FUZZ_SEED}", "-timeout=60", "-rss_limit_mb=3000",
                    "-malloc_limit_mb=9000", f"-artifact_prefix={LOGS}/{name}-", found] + ([corpus] if os.path.isdir(corpus) else [])
            yield Job(f"fuzz/{name[5:]}", argv, SANITIZERS, FUZZ_SECONDS + HANG_SECONDS, tap=False)


def all_jobs():
    yield Job("style", [os.path.join(TOP, "scripts", "check-style")], seconds=600, tap=False)
    yield from meson_jobs("build-faults", "unit", "unit", {})
    yield from meson_jobs("build-asan", "unit", "sanitized", SANITIZERS)
    for job in meson_jobs("build-tsan", "unit", "threads", THREAD_SANITIZER):
        if job.name.split("/")[1] in SHARED_BY_THREADS:
            yield job
    yield from fuzz_jobs()
    yield from meson_jobs("build-faults", "system", "system", {})


# --- running one ---

def evidence(text):
    """What tells the cause of a failure: each failed point with what stands below it, and the end of the log."""
    lines = [x for x in text.splitlines() if x.strip() and not re.match(r"(1\.\.\d+|ok \d+)\b", x)]
    points = [i for i, x in enumerate(lines) if x.startswith("not ok")]
    chosen = []
    for i in points:
        end = next((j for j in range(i + 1, len(lines)) if not lines[j].startswith("#")), len(lines))
        part = list(range(i, min(end, i + 1 + NOTES_LINES)))
        if len(chosen) + len(part) > EVIDENCE_LINES - TAIL_LINES:
            break
        chosen += part
    more = len(points) - sum(1 for i in chosen if i in points)
    tail = [i for i in range(max(0, len(lines) - TAIL_LINES), len(lines)) if i not in chosen]
    return ([lines[i] for i in chosen] + ([f"... and {more} more failed points"] if more else []) +
            (["... its end:"] if tail and chosen and tail[0] != chosen[-1] + 1 else []) + [lines[i] for i in tail])


def count_tap(job, text, code):
    for line in text.splitlines():
        point = re.match(r"(not )?ok\b(.*)", line)
        if point is None:
            if re.match(r"1\.\.0\b", line):
                job.skipped += 1
                job.why.append(line.partition("SKIP")[2].strip() or "skipped")
        elif re.search(r"#\s*SKIP", line, re.I):
            job.skipped += 1
            job.why.append(point.group(2).strip(" -0123456789"))
        elif point.group(1):
            job.failed += 1
        else:
            job.passed += 1
    planned = re.findall(r"^1\.\.(\d+)", text, re.M)
    points = len(re.findall(r"^(?:not )?ok\b", text, re.M))
    if planned != [str(points)]:
        job.failed += 1
        job.why += re.findall(r"^(?:SUMMARY:|.*runtime error:|.*[Aa]ssert|Traceback|\w*Error:|.*\.Late:).*", text, re.M)[:3]
        job.why.append(f"ended after {points} points" + (f" of {planned[0]}" if planned else " without a plan"))
    elif code != 0 and job.failed == 0:
        job.failed += 1
        job.why.append(f"ended with {code} although every point passed")
    if job.failed:
        job.evidence = evidence(text)


def run(job):
    began = time.monotonic()
    with open(job.log, "wb") as log:
        process = subprocess.Popen(job.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   env={**os.environ, **job.env}, cwd=TOP, start_new_session=True)
        try:
            code = process.wait(job.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            code = process.wait()
            job.why.append(f"not done after {job.seconds:.0f} s")
    job.took = time.monotonic() - began
    with open(job.log, encoding="utf-8", errors="replace") as log:
        text = log.read()
    if job.tap:
        count_tap(job, text, code)
    elif code == 0:
        job.passed += 1
    else:
        job.failed += 1
        job.evidence = [x for x in text.splitlines() if x.strip()][-EVIDENCE_LINES:]
    return job


# --- showing it ---

class Screen:
    def __init__(self, total):
        self._lock = threading.Lock()
        self._total, self._done, self._running = total, 0, {}
        self._began = self._said = time.monotonic()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def start(self, job):
        with self._lock:
            self._running[job.name] = time.monotonic()

    def end(self, job):
        with self._lock:
            self._running.pop(job.name)
            self._done += 1
            state = f"{RED}FAIL{PLAIN}" if job.failed else "skip" if not job.passed else f"{GREEN}ok{PLAIN}  "
            counts = f"{job.passed} passed" + (f", {job.failed} failed" if job.failed else "") + \
                (f", {job.skipped} skipped" if job.skipped else "")
            print(f"{CLEAR}{state} {job.name:<34} {counts}, {job.took:.1f} s", flush=True)
            for line in job.why[:25] + job.evidence:
                print(f"       {line[:WIDTH]}")
            if job.failed:
                print(f"       see {os.path.relpath(job.log, TOP)}", flush=True)
            self._said = time.monotonic()

    def _tick(self):
        while not self._stop.wait(0.5 if TERMINAL else 5):
            with self._lock:
                now = time.monotonic()
                what = ", ".join(f"{n} {now - t:.0f} s{_last(n)}" for n, t in sorted(self._running.items()))
                if TERMINAL:
                    width = shutil.get_terminal_size().columns - 1
                    print((f"{CLEAR}[{self._done}/{self._total}] {now - self._began:.0f} s  {what}")[:width + 5],
                          end="", flush=True)
                elif now - self._said > 30:
                    self._said = now
                    print(f"     [{self._done}/{self._total}] {what}", flush=True)

    def close(self):
        self._stop.set()
        self._ticker.join()
        print(CLEAR, end="")


def _last(name):
    """The newest progress line of a long test."""
    try:
        with open(Job(name, []).log, "rb") as f:
            f.seek(max(0, os.path.getsize(f.name) - 300))
            lines = [x for x in f.read().decode("utf-8", "replace").splitlines() if re.match(r"#\s+[\d.]+ s ", x)]
    except OSError:
        return ""
    return ": " + lines[-1].partition(" s  ")[2] if lines else ""


def run_all(jobs):
    screen = Screen(len(jobs))

    def one(job):
        screen.start(job)
        run(job)
        screen.end(job)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        list(pool.map(one, [j for j in jobs if not j.alone]))
    for job in jobs:
        if job.alone:
            one(job)
    screen.close()


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS, exist_ok=True)
    jobs = [j for j in all_jobs() if not words or any(w in j.name for w in words)]
    if "--list" in sys.argv:
        print("\n".join(j.name for j in jobs))
        return 0
    if not jobs:
        print(f"no test has a name with {' or '.join(words)} in it; --list shows them all")
        return 64
    began = time.monotonic()
    run_all(jobs)
    print(f"{time.monotonic() - began:.0f} s; logs in {os.path.relpath(LOGS, TOP)}/")
    totals = [sum(getattr(j, what) for j in jobs) for what in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
