# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox, first: give up all rights, set bounds, and become the program.

usage: confine.py UID PROCESSES MIB SECONDS FILE_MIB NETWORK PROGRAM [ARGUMENT...]

UID 0 keeps the user. What a file system cannot keep away, a filter of system calls does:
keyrings, new namespaces (whose file systems would have no bound), other processes' memory, and,
unless NETWORK is "yes", sockets. As the first process of a sandbox, it stays to reap the others:
bubblewrap's own would run without the filter, and a student's process could change it.
"""
from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from typing import List

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
ALLOW, REFUSE, ABSENT = 0x7FFF0000, 0x00050001, 0x00050026  # EPERM, ENOSYS
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NAMESPACES = 0x7E020000  # CLONE_NEW*

# By machine: the ABI, clone, socket and socketpair, and keyctl, add_key, request_key, unshare,
# setns, mount, ptrace, process_vm_readv, process_vm_writev, memfd_create, shmget, msgget, semget,
# bpf, perf_event_open, userfaultfd
CALLS = {
    "x86_64": (0xC000003E, 56, (41, 53), (250, 248, 249, 272, 308, 165, 101, 310, 311, 319, 29, 68,
                                          64, 321, 298, 323)),
    "aarch64": (0xC00000B7, 220, (198, 199), (219, 217, 218, 97, 268, 40, 117, 270, 271, 279, 194,
                                              186, 190, 280, 241, 282)),
}
# The same everywhere: io_uring_setup, open_tree, move_mount, fsopen, fsmount, pidfd_getfd,
# memfd_secret
NEWER = (425, 428, 429, 430, 432, 438, 447)
CLONE3 = 435  # its flags are in memory, out of the filter's sight; libc then uses clone


def instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def program(machine: str, network: bool) -> bytes:
    abi, clone, sockets, calls = CALLS[machine]
    denied = [*calls, *NEWER, *(() if network else sockets)]
    lines: List[bytes] = [
        instruction(LOAD, 4), instruction(EQUAL, abi, 1, 0), instruction(RETURN, REFUSE),
        instruction(LOAD, 0), instruction(AT_LEAST, 0x40000000, 0, 1), instruction(RETURN, REFUSE),
        instruction(EQUAL, CLONE3, 0, 1), instruction(RETURN, ABSENT),
    ]
    for call in denied:
        lines += [instruction(EQUAL, call, 0, 1), instruction(RETURN, REFUSE)]
    lines += [
        instruction(EQUAL, clone, 0, 3), instruction(LOAD, 16),
        instruction(ANY_BIT, NAMESPACES, 0, 1), instruction(RETURN, REFUSE),
        instruction(RETURN, ALLOW),
    ]
    return b"".join(lines)


def filter_calls(libc: ctypes.CDLL, network: bool) -> None:
    machine = platform.machine()
    if machine not in CALLS:
        return
    code = program(machine, network)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel has no filter of system calls")


def bound(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))


def stay(libc: ctypes.CDLL) -> None:
    """As the first process of a sandbox: reap, until the program ends. It returns in the child."""
    # Changing the user has undone what bubblewrap said; without a sandbox's parent, it must end.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    program_id = os.fork()
    while program_id:
        ended, status = os.wait()
        if ended == program_id:
            os._exit(1 if status else 0)


def main(arguments: List[str]) -> None:
    uid, processes, mib, seconds, file_mib = (int(word) for word in arguments[:5])
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")  # short of memory, the kernel ends this first
    except OSError:
        pass
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    bound(resource.RLIMIT_CORE, 0)
    bound(resource.RLIMIT_NPROC, processes)
    bound(resource.RLIMIT_AS, mib << 20)
    bound(resource.RLIMIT_CPU, seconds)
    bound(resource.RLIMIT_FSIZE, file_mib << 20)
    bound(resource.RLIMIT_MEMLOCK, 1 << 20)
    bound(resource.RLIMIT_MSGQUEUE, 0)
    bound(resource.RLIMIT_NOFILE, 1024)
    os.umask(0o022)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    filter_calls(libc, arguments[5] == "yes")
    if os.getpid() == 1:
        stay(libc)
    os.execv(arguments[6], arguments[6:])


if __name__ == "__main__":
    main(sys.argv[1:])
