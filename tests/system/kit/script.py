# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame of a system test: what it cannot do without, its folder, what came too late."""

import contextlib
import os
import tempfile

from kit import gateway, tap


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


@contextlib.contextmanager
def folder():
    """One that other users may enter; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sallyport-") as path:
        os.chmod(path, 0o755)
        yield path


def too_late(late, what=""):
    """A failed point for a wait.Late, with all that it has to say."""
    tap.ok(False, what + str(late).splitlines()[0])
    tap.note(late)
