# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complained of, as data: each complaint once, with its place and meaning.

The words are tests/complaints/any's, as for `make test`. A student's module may print such words
as well, so a complaint counts only with the signs that the kernel itself adds: the line with
CPU, PID and taint flags, or the counter of a crash, [#1].
"""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, List, Optional, Tuple

from kernels import TOP
from text import clean

sys.path.append(str(TOP / "tests"))
import kernel_log  # noqa: E402

TIME = re.compile(r"^(?:<\d+>)?\[ *[0-9.]+\](?:\[ *[TC][0-9]+\])? ?")
SIGN = re.compile(r"^(CPU: \d+ (UID: \d+ )?PID: \d+ Comm: .*(Not tainted|Tainted: )"
                  r"|task:.* state:|.*\[#\d+\]( [A-Z_]+)*$|.*\(Tainted: [A-Z ]+\): )"
                  r"|^(Modules linked in|Hardware name): |^workqueue: .* hogged CPU for >\d+us"
                  r"|^ +comm \".*\", pid \d+, (jiffies|age)")
END = re.compile(r"---\[ end |^=+$|unreferenced object")
SECOND = re.compile(r"Kernel panic - not syncing: (Fatal exception|softlockup|panic_on)"
                    r"|^(Oops|Internal error)")
ALLOCATOR = re.compile(r"(RIP: [0-9a-f]*:|pc : )?_*(kmem_cache_|kmalloc|slab_|kfree|get_partial"
                       r"|deactivate_slab|__unfreeze|freelist|prefetch_freepointer|new_slab)")
BLOCK = 80  # lines that can belong to one complaint
MOST = 50


@dataclass(frozen=True)
class Complaint:
    what: str
    during: str = ""
    frame: str = ""  # the function of the module that comes first: "f+0x5a", or "RIP f+0x5a"
    allocator: bool = False
    times: int = 1


@dataclass(frozen=True)
class Explained:
    """For people"""

    what: str
    during: str
    where: str  # ", in f (mp1.c:7)", or nothing
    meaning: str
    times: int


def lines_of(log: str) -> Iterator[str]:
    for line in log.replace("\r", "").replace("\0", "").split("\n"):
        yield TIME.sub("", line)


# What tells a student nothing, or differs from one time to the next, and what stands for it
NOISE = [(re.compile(noise), instead) for noise, instead in (
    (r"^(BUG: KASAN: [a-z-]+) in .*", r"\1"),
    (r" CPU: \d+ (UID: \d+ )?PID: \d+ ", " "),
    (r"(, probably)?( for| at|,) ?(non-canonical |virtual )?(kernel )?address:?.*", ""),
    (r"(: [0-9a-f]{4,16})?( ilc:\d)? \[#\d+\].*", ""),
    (r"( - (CPU#|pool ).*)? stuck for \d+s.*", ""),
    (r" \S+:\d+ (blocked) for more than .*", r" \1"),
    (r"(scheduling while atomic): .*", r"\1"),
    (r"(hogged CPU) for .*", r"\1"),
    (r"(spinlock .*) on CPU#.*", r"\1"),
    (r"(in preemptible) .*", r"\1"),
    (r"(workqueue leaked [^:]*): .*", r"\1"),
    (r"(page was hit) at .*", r"\1"),
    (r" \[kworker[^\]]*\]| \(Tainted: [^)]*\)|0x[0-9a-f]{8,}", ""),
    (r"\bffff[0-9a-f]{8,12}\b", "..."),
)]


def plain(what: str) -> str:
    for noise, instead in NOISE:
        what = noise.sub(instead, what)
    return clean(what, 200)


class _Reader:
    """One pass over a log"""

    def __init__(self, module: str, names: Collection[str]) -> None:
        self.frame = re.compile(rf"([\w.]+)\+0x([0-9a-f]+)/0x[0-9a-f]+ \[{re.escape(module)}\b")
        self.names = names
        self.during = ""
        self.block: List[str] = []
        self.cut_here = False

    def finish(self) -> Optional[Complaint]:
        block, self.block = self.block, []
        if not block:
            return None
        signs = [line for line in block[1:] if SIGN.search(line)]
        if not signs and not re.search(r"\[#\d+\]|hogged CPU for|\(Tainted: ", block[0]):
            return None  # words alone: the module's own
        frame, top = "", next((line for line in block if re.match("RIP: |pc : ", line)), "")
        for line in block:
            match = self.frame.search(line)
            if match and "CPU: " not in line:
                exact = "RIP " if re.match("RIP|pc :|epc :", line) else ""
                frame = f"{exact}{match[1]}+0x{match[2]}"
                break
        return Complaint(plain(block[0]), self.during, frame,
                         bool(ALLOCATOR.match(top)) and "BUG k" not in block[0])

    def read(self, lines: Iterable[str]) -> Iterator[Complaint]:
        last = ""
        for line in lines:
            mark = kernel_log.MARK.match(line)
            starts = bool(kernel_log.ANY.search(line))
            inside = bool(self.block) and len(self.block) < BLOCK
            if mark or not inside or (inside and END.search(line) and len(self.block) > 3):
                found = self.finish()
                if found:
                    yield found
                    last = found.what
            if mark:
                self.during = mark[1] if mark[1] in self.names else ""
                last = ""
            elif self.block:
                self.block.append(line)
            elif starts and not (last and SECOND.search(line)):
                self.block = [line]
        found = self.finish()
        if found:
            yield found


def complaints(logs: Iterable[str], module: str, names: Collection[str]) -> List[Complaint]:
    """Each once, with a count, in the order in which they first happened"""
    seen: Dict[Tuple[str, str], Complaint] = {}
    for log in logs:
        kept, _ = kernel_log.without_ignored(log, module)
        # Before this line, no module is loaded: a boot that failed, on a busy computer
        start = next((n for n, line in enumerate(kept) if "mp1-tests: log begin" in line),
                     len(kept))
        for found in _Reader(module, names).read(lines_of("\n".join(kept[start:]))):
            if "KCSAN" in found.what and not found.frame:
                continue  # the kernel has races of its own
            key = (found.what, found.frame.replace("RIP ", ""))
            if key in seen:
                seen[key] = replace(seen[key], times=seen[key].times + 1)
            elif len(seen) < MOST:
                seen[key] = found
    return list(seen.values())


def meanings(path: Path) -> List[Tuple[re.Pattern[str], str]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, _, meaning = line.partition("@")
            rows.append((re.compile(pattern.strip()), meaning.strip()))
    return rows


EARLIER = ("The kernel's allocator stumbled over the damage of an earlier write: past the end of "
           "a buffer, or to memory that was already freed. --kernel debug finds where.")


def explain(found: Complaint, line: str, rows: List[Tuple[re.Pattern[str], str]]) -> Explained:
    meaning = next((text for pattern, text in rows if pattern.search(found.what)), "")
    if found.allocator:
        meaning = EARLIER
    where = ""
    if found.frame:
        function = re.sub(r"^RIP |\+.*", "", found.frame)
        where = f", in {function}" + (f" ({line})" if line else "")
    return Explained(found.what, found.during, where, meaning, found.times)
