# SPDX-License-Identifier: GPL-2.0-only
"""The virtual machines in which a submission is judged: as many as it takes."""
from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Collection, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from cpu_time import Clock
from kernels import TOP, Kernel
from points import MISS, OPEN
from protocol import LOST, Outcome, Protocol
from users import end_group

POLL = 0.1
TOTAL = 300  # seconds of a processor's time for all machines of a kind
BUSY = 3  # how many times as long a busy computer may take
WALL = TOTAL * BUSY  # by the clock; --seconds sets it
STARTING = 300
LIMIT = 7200  # of a machine, in case of all else; its patience ends it earlier
CONSOLE_MIB = 200
# By kind: options of vm/boot, processors, and the patience between two events: seconds of QEMU's
# CPU time in virtual time, where a busy host only makes it later; of the clock elsewhere
KINDS = {"virtual": (["-v"], 1, 60), "real": (["-c", "2"], 2, 170)}
HARMLESS = 512  # of the kernel's taint flags: a warning
FEW = 3  # machines that an honest submission may need
PLACES = threading.BoundedSemaphore(2)  # for machines: memory may be scarce
_running: Set[int] = set()  # process groups
_stopping = threading.Event()
HOST = "the virtual machine did not start, or was stopped from outside: the host's trouble"


@dataclass
class Judged:
    """What is known after all machines of a kind"""

    consoles: List[Path] = field(default_factory=list)
    damage: Dict[str, int] = field(default_factory=dict)
    tampered: str = ""
    flags: int = 0  # the kernel's


@dataclass
class Machines:
    kernel: Kernel
    built: Path  # mp1.ko, userapp, and tree, the libraries that it may need
    parameters: str
    show: Callable[[Outcome], None]
    explain_end: Callable[[Path, str], str]  # a console, a criterion: why the machine ended

    def judge(self, kind: str, names: Sequence[str], work: Path,
              worth: Collection[str] = ()) -> Judged:
        """Judge criteria, of which some are worth to be judged again."""
        series = _Series(self, kind, work, worth)
        left = series.run(list(names), FEW)
        # It crashes again and again: two at once, as soon as there is room for them
        series.at_once = 2
        with ThreadPoolExecutor(series.at_once) as pool:
            try:
                list(pool.map(series.run, (left[::2], left[1::2])))
            except (KeyboardInterrupt, SystemExit):
                end_all()  # the pool waits for both
                raise
        return series.judged


class _Series:
    """Machines of a kind, until all criteria are judged"""

    def __init__(self, machines: Machines, kind: str, work: Path, worth: Collection[str]) -> None:
        self.machines, self.kind, self.work, self.worth = machines, kind, work, worth
        self.lock = threading.Lock()
        self.judged = Judged()
        self.lost: Set[str] = set()  # names of criteria whose result was lost once
        self.at_once, self.spent = 1, 0.0
        slow = machines.kernel.slow
        self.deadline = time.monotonic() + WALL * slow
        self.budget = max(TOTAL, WALL // BUSY) * slow * KINDS[kind][1]

    def run(self, left: List[str], most: int = sys.maxsize) -> List[str]:
        """Judge criteria in one machine after another. Return: what is left after the last"""
        trouble = 0
        for _ in range(most):
            if not left or _stopping.is_set():
                break
            with PLACES:
                boot = self._boot(left, trouble)
                if not boot:
                    return []
                for outcome in boot.run():
                    if self._is_judged_again(outcome, boot):
                        continue
                    if outcome.name in left:
                        left.remove(outcome.name)
                        self.machines.show(outcome)
            self._note(boot)
            protocol = boot.protocol
            if boot.late or protocol.tampered or _stopping.is_set():
                continue
            if boot.host_trouble:
                trouble += 1
            elif left and (protocol.current or not protocol.last) and not boot.is_damaged():
                # Without a first criterion, the test program itself was ended.
                name = protocol.current or left[0]
                left.remove(name)
                why = self.machines.explain_end(boot.console, name)
                self.machines.show(Outcome(name, MISS, why))
        return left

    def _is_judged_again(self, outcome: Outcome, boot: "_Boot") -> bool:
        """In another machine: its result was lost, or an earlier criterion has done damage."""
        if outcome.why == LOST and outcome.name not in self.lost:
            self.lost.add(outcome.name)
            return True
        return outcome.verdict == MISS and outcome.name in self.worth and boot.is_damaged()

    def _boot(self, left: List[str], trouble: int) -> "Optional[_Boot]":
        """The next machine, or none: then each criterion that is left gets its reason"""
        with self.lock:
            number = len(self.judged.consoles)
            if self.judged.tampered:
                verdict, why = MISS, "the results were tampered with"
            elif trouble > 1:
                verdict, why = OPEN, HOST
            elif time.monotonic() > self.deadline or self.spent > self.budget:
                verdict, why = _not_run(number, self.spent)
            else:
                console = self.work / f"{self.kind}.console.{number}"
                self.judged.consoles.append(console)
                return _Boot(self.machines, self.kind, left, console, self.deadline,
                             (self.budget - self.spent) / self.at_once)
        for name in left:
            self.machines.show(Outcome(name, verdict, why))
        return None

    def _note(self, boot: "_Boot") -> None:
        with self.lock:
            judged, protocol = self.judged, boot.protocol
            judged.flags |= protocol.flags
            self.spent += boot.cpu
            if protocol.damage:
                judged.damage[protocol.damage] = judged.damage.get(protocol.damage, 0) + 1
            judged.tampered = judged.tampered or protocol.tampered


def _not_run(machines: int, spent: float) -> Tuple[str, str]:
    """There is no more time. A submission that needs so many machines has crashed in most, but
    on a busy computer they have spent little."""
    if machines > FEW and spent > TOTAL / 2:
        return MISS, (f"not run: {machines} machines for the criteria before it, most of which "
                      "crashed, took too long")
    return OPEN, "not run: this computer is too slow, or too busy"


class _Boot:
    """One machine"""

    def __init__(self, machines: Machines, kind: str, names: Sequence[str], console: Path,
                 deadline: float, budget: float) -> None:
        self.machines, self.kind, self.names, self.console = machines, kind, names, console
        self.deadline, self.budget = deadline, budget
        self.cpu = 0.0  # seconds
        self.report = console.with_suffix(".report" + console.suffix)
        self.protocol = Protocol(secrets.token_hex(16), set(names))
        self.host_trouble = self.late = False

    def is_damaged(self) -> bool:
        """Did the kernel find damage before the current criterion?"""
        return bool(self.protocol.flags & ~HARMLESS)

    def run(self) -> Iterator[Outcome]:
        options, _, patience = KINDS[self.kind]
        slow = self.machines.kernel.slow
        folder = self.console.parent / (self.console.name + ".key")
        folder.mkdir(mode=0o700)
        (folder / "key").write_text(self.protocol.key + "\n", encoding="ascii")
        self.report.write_bytes(b"")
        command = [str(TOP / "vm/boot"), "-b", str(self.machines.built), "-r", str(self.report),
                   "-t", str(LIMIT), *options, "-p", self.machines.parameters,
                   "-a", "tests " + " ".join(self.names), str(TOP / "tests/guest/run"),
                   str(self.machines.kernel.built / "tests/mp1-tests"), str(folder / "key"),
                   *map(str, self.machines.built.glob("tree"))]
        with open(self.console, "wb") as console:
            process = subprocess.Popen(
                ["prlimit", f"--fsize={CONSOLE_MIB << 20}", *command], stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, start_new_session=True,
                env={**os.environ, "KERNEL": self.machines.kernel.name})
            _running.add(process.pid)
            try:
                yield from self._follow(process, patience * slow)
            finally:
                ended = process.poll()
                self._end(process)
        # 0: it ended by itself; 124: in the time that is allowed, it did not
        trouble = ended is not None and ended not in (0, 124) and not self._is_flooded()
        self.host_trouble = not self.protocol.over and (trouble or not self.protocol.began)

    def _is_flooded(self) -> bool:
        """Has the machine printed so much that it was ended for that?"""
        most = max(path.stat().st_size for path in (self.console, self.report))
        return most >= CONSOLE_MIB << 20

    def _follow(self, process: "subprocess.Popen[bytes]", patience: float) -> Iterator[Outcome]:
        clock = Clock(process.pid, self.kind == "virtual")
        limit: float = STARTING
        rest = b""
        with open(self.report, "rb") as report:
            while True:
                ended = process.poll() is not None
                data = report.read(1 << 20)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield from self.protocol.read(line.decode("utf-8", "replace"))
                    clock.reset()
                    limit = patience if self.protocol.last else STARTING
                if self.protocol.over or self.protocol.tampered or _stopping.is_set():
                    return
                self.cpu = max(self.cpu, clock.cpu)  # of a process that has ended, it is 0
                self.late = time.monotonic() > self.deadline or self.cpu > self.budget
                if self.late:
                    return
                if not data:
                    if ended or clock.seconds() > limit:
                        return
                    time.sleep(POLL)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        end_group(process.pid)
        process.wait()
        _running.discard(process.pid)


def end_all() -> None:
    """When the judge is stopped itself: no machine runs, and none starts any more"""
    _stopping.set()
    for group in list(_running):
        end_group(group)
