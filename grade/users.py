# SPDX-License-Identifier: GPL-2.0-only
"""Users that exist for one submission, its processes, and what these use."""
from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from itertools import chain
from pathlib import Path
from typing import Dict, IO, Iterable, Iterator, List, Optional, Set, Tuple

FIRST, COUNT = 61184, 500  # systemd's range for such users, which adduser leaves alone
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # where every user can write


class User:
    """A user of its own for one submission, where the judge is root; uid 0 elsewhere.

    Nothing of it is left when it goes: no process, no file.
    """

    def __init__(self) -> None:
        self.uid = 0
        self._lock: Optional[IO[str]] = None
        if os.getuid() == 0:
            self._take()

    def _take(self) -> None:
        folder = Path("/run/mp1-grade")
        folder.mkdir(mode=0o700, exist_ok=True)
        for uid in range(FIRST, FIRST + COUNT):
            lock = open(folder / str(uid), "w", encoding="ascii")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            if not processes_of(uid):
                self.uid, self._lock = uid, lock
                return
            lock.close()
        raise OSError(f"all of {COUNT} users are taken")

    def end_processes(self) -> None:
        """Kill all at once, as that user, whose right ends at its own processes."""
        script = f"import os; os.setresuid({self.uid}, {self.uid}, {self.uid}); os.kill(-1, 9)"
        while self.uid and processes_of(self.uid):
            subprocess.run(["/usr/bin/python3", "-I", "-S", "-c", script], check=False,
                           stderr=subprocess.DEVNULL)
            time.sleep(0.01)  # until they are reaped, of which nothing tells us

    def close(self, saw_ours: bool) -> None:
        """saw_ours: it has seen our file systems, and may have written where every user can."""
        if self._lock:
            self.end_processes()
            for path in files_of(self.uid) if saw_ours else ():
                remove(path)
            self._lock.close()
            self._lock = None


def remove(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError:
        pass


def files_of(uid: int) -> Iterator[str]:
    """What this user has left in the folders of all, innermost first"""
    for shared in SHARED:
        for folder, folders, files in os.walk(shared, topdown=False):
            for name in [*files, *folders]:
                path = os.path.join(folder, name)
                try:
                    if os.lstat(path).st_uid == uid:
                        yield path
                except OSError:
                    pass


def _status(pid: str) -> Dict[str, str]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            pairs = (line.partition(":") for line in file)
            return {key: value.strip() for key, _, value in pairs}
    except OSError:
        return {}


def _all() -> Dict[int, Dict[str, str]]:
    return {int(pid): _status(pid) for pid in os.listdir("/proc") if pid.isdigit()}


def processes_of(uid: int) -> List[int]:
    return [pid for pid, status in _all().items()
            if status.get("Uid", "x").split()[0] == str(uid)
            and not status.get("State", "").startswith("Z")]


def _shared(pid: int, seen: Set[str]) -> int:
    """KiB of shared memory that was asked for. It may be in use although no process maps it."""
    kib = 0
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.endswith("/dev/zero (deleted)\n"):
                    area, _, _, _, inode, _ = line.split(None, 5)
                    start, _, end = area.partition("-")
                    if inode not in seen:
                        kib += (int(end, 16) - int(start, 16)) >> 10
                    seen.add(inode)
    except OSError:
        pass
    return kib


def family(uid: int, ancestor: int) -> Dict[int, Dict[str, str]]:
    """The processes of a user, and those that descend from a process"""
    everything = _all()
    ours: Set[int] = {ancestor}
    grown = True
    while grown:
        children = {pid for pid, status in everything.items()
                    if int(status.get("PPid") or 0) in ours}
        grown = not children <= ours
        ours |= children
    return {pid: status for pid, status in everything.items()
            if pid in ours or (uid and status.get("Uid", "x").split()[0] == str(uid))}


def memory(processes: Dict[int, Dict[str, str]]) -> int:
    """MiB that they use"""
    kib = 0
    shared: Set[str] = set()
    for pid, status in processes.items():
        for key in ("RssAnon", "RssShmem", "VmPTE", "VmSwap"):
            kib += int((status.get(key) or "0").split()[0])
        kib += _shared(pid, shared)
    return kib >> 10


def files_seen(processes: Iterable[int], folder: str) -> int:
    """How many files there are in a file system that is mounted for them only"""
    most = 0
    for pid in processes:
        path = f"/proc/{pid}/root{folder}"
        try:
            if not os.path.exists(folder) or os.stat(path).st_dev != os.stat(folder).st_dev:
                there = os.statvfs(path)
                most = max(most, there.f_files - there.f_ffree)
        except OSError:
            pass  # it has ended, or is none of ours
    return most


def _open(uid: int) -> Iterator[str]:
    """What processes of a user hold, whether it has a name or not"""
    for pid in processes_of(uid):
        for kind in ("fd", "map_files"):
            folder = f"/proc/{pid}/{kind}"
            try:
                paths = [f"{folder}/{name}" for name in os.listdir(folder)]
                yield from (p for p in paths if not os.readlink(p).startswith("/dev/zero"))
            except OSError:
                pass


def disk(uid: int, home: Path) -> int:
    """MiB of a user's files: in its home, in the folders of all, and open ones without a name.

    Each takes 4 KiB at least: many empty ones fill a disk as well.
    """
    found: Dict[Tuple[int, int], int] = {}
    inside = (os.path.join(parent, name) for parent, folders, files in os.walk(home)
              for name in [*folders, *files])
    for path in chain(inside, files_of(uid), _open(uid)):
        try:
            status = os.stat(path, follow_symlinks=path.startswith("/proc/"))
        except OSError:
            continue
        if status.st_uid == uid:
            found[status.st_dev, status.st_ino] = max(status.st_blocks * 512, 4096)
    return sum(found.values()) >> 20


def end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
