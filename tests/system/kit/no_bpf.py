#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""no_bpf.py COMMAND...: run it where bpf(2) is not permitted, as on a host that forbids it to everybody."""

import ctypes
import errno
import os
import sys

ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050000 | errno.EPERM


def forbid():
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(ALLOW)))
    number = lib.seccomp_syscall_resolve_name(b"bpf")
    if lib.seccomp_rule_add(context, ctypes.c_uint32(ERRNO_EPERM), number, 0) != 0 or lib.seccomp_load(context) != 0:
        sys.exit("no_bpf: cannot set the filter")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
