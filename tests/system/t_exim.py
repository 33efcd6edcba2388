#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mail through a real Exim, Sallyport, and a second Exim: every message accounted for."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import mta, roundtrip  # noqa: E402

if __name__ == "__main__":
    roundtrip.run(mta.Exim)
