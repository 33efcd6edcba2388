# SPDX-License-Identifier: GPL-2.0-or-later
"""Endless test mail: mostly clean, some of it bad, each message with its own case number."""

import itertools
import random

from kit import samples, sink


def mixed(seed=1, kinds=None):
    """Iterator of (case, message, want). The same seed makes the same mail. All is made before it begins: who
    lets mail flow for some seconds has it from the first one on."""
    rng = random.Random(seed)
    small = [s for s in samples.everything() if len(s.message) < 60_000 and s.want != samples.EITHER]
    chosen = [s for s in small if kinds is None or s.name in kinds]
    clean = [s for s in chosen if s.want == samples.DELIVER]
    bad = [s for s in chosen if s.want == samples.QUARANTINE]

    def endless():
        for n in itertools.count():
            s = rng.choice(bad) if bad and rng.random() < 0.2 else rng.choice(clean)
            case = f"{s.name}-{n}"
            yield case, sink.with_case(s.message, case), s.want
    return endless()
