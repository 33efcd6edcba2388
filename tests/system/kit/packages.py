# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages unpacked into a folder: the mail servers conflict, so none can be installed."""

import os
import re
import shutil
import subprocess
import tempfile


class Missing(Exception):
    """The packages cannot be had; the test is skipped with this text."""


def _run(argv, **more):
    return subprocess.run(argv, capture_output=True, text=True, check=False, **more)


def _not_installed(packages):
    """The libraries and tools that installing @packages would bring, without installing them."""
    sim = _run(["apt-get", "install", "--simulate", "--no-install-recommends", *packages])
    found = re.findall(r"^Inst (\S+)", sim.stdout, re.M)
    return [p for p in found if p.startswith("lib") or p == "m4"]


def _download(packages, into):
    got = _run(["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=into)
    return got.returncode == 0, got.stderr.strip()


def unpack(packages, folder):
    """Unpack @packages with the libraries they lack into @folder, once; returns @folder."""
    stamp = os.path.join(folder, ".unpacked")
    if os.path.exists(stamp):
        return folder
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as debs:
        fine, why = _download(packages, debs)
        if not fine:
            _run(["apt-get", "update", "-qq"])
            fine, why = _download(packages, debs)
        extra = [p for p in _not_installed(packages) if p not in packages]
        if fine and extra:
            fine, why = _download(extra, debs)
        if not fine:
            raise Missing(f"apt-get download {' '.join(packages)}: {why}")
        for deb in sorted(os.listdir(debs)):
            subprocess.run(["dpkg", "-x", os.path.join(debs, deb), folder], check=True)
    # The loader ignores LD_LIBRARY_PATH for set-id programs; as private instances none needs it.
    subprocess.run(["chmod", "-R", "ug-s", folder], check=True)
    with open(stamp, "w", encoding="ascii") as f:
        f.write("\n".join(packages) + "\n")
    return folder


def program(package, name):
    """@name of @package: the installed one, or one unpacked beside the servers."""
    return shutil.which(name) or os.path.join(unpack([package], os.path.join(cache_dir(), package)), "usr/bin", name)


def library_path(folder):
    return ":".join(os.path.join(folder, d, "x86_64-linux-gnu") for d in ("usr/lib", "lib"))


def cache_dir():
    """Where the unpacked servers are kept between runs."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return os.environ.get("SALLYPORT_MTA_DIR", os.path.join(top, "build", "mta"))
