# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame of a system test: what it cannot do without, its folder, what came too late."""

import contextlib
import os
import signal
import tempfile
import traceback

from kit import gateway, tap, wait

LOG_LINES = 12


def need(root=None):
    """Skip the whole test without our programs or, where @root says what it is needed for, without root."""
    if root is not None and os.geteuid() != 0:
        tap.skip_all(f"needs root: {root}")
    if not gateway.have_programs():
        tap.skip_all(f"no programs in {gateway.build_dir()}: scripts/build makes them")


def need_faults():
    """Skip the whole test with programs that nothing can be made to fail in."""
    if not gateway.has_faults():
        tap.skip_all(f"the programs in {gateway.build_dir()} have no fault points: scripts/build --faults makes some")


class Terminated(Exception):
    """TERM: the runner has waited long enough. Where we were then tells why."""


def _terminated(*_):
    raise Terminated("not done in time")


@contextlib.contextmanager
def folder():
    """
    One that other users may enter; it is gone afterwards. An exception inside is a failed point; after any
    failure the ends of the gateways' logs are shown, which would be gone as well.
    """
    failures = tap.failures()
    signal.signal(signal.SIGTERM, _terminated)
    with tempfile.TemporaryDirectory(prefix="sallyport-", ignore_cleanup_errors=True) as path:
        os.chmod(path, 0o755)
        try:
            yield path
        except wait.Late as late:
            too_late(late)
        except Exception as why:  # pylint: disable=broad-except
            tap.ok(False, f"{type(why).__name__}: {str(why)[:300]}")
            tap.note(traceback.format_exc())
        finally:
            gateway.stop_all(path)
        if tap.failures() > failures:
            show_logs(path)


def show_logs(path):
    for at, _, names in os.walk(path):
        if "log" in names and "etc" in os.listdir(at):
            with open(os.path.join(at, "log"), encoding="utf-8", errors="replace") as f:
                lines = f.read().splitlines()
            tap.note(f"the end of {os.path.relpath(at, path)}/log:")
            tap.note("\n".join(lines[-LOG_LINES:]))


def too_late(late, what=""):
    """A failed point for a wait.Late, with all that it has to say."""
    tap.ok(False, what + str(late).splitlines()[0])
    tap.note(late)
