# SPDX-License-Identifier: GPL-2.0-only
"""What a machine reports, line by line, and what of it is believed.

tests/report.py has the lines. Here, each begins with a key: only the test program knows it, and it
is new for each machine. A module is in the same kernel, and could find the key with effort; so
the order of events, and the names in them, must be what the test program does: each criterion
that was asked for once, from its beginning to its result. Everything else is tampering.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Collection, Iterator, List, Set

from points import MISS, OPEN, PASS
from text import clean

LOST = "its result was lost on the way: something else wrote to the port of the report"


@dataclass(frozen=True)
class Outcome:
    name: str
    verdict: str
    why: str = ""


@dataclass
class Protocol:
    key: str
    wanted: Collection[str]
    began: bool = False  # the machine came up
    current: str = ""  # the criterion that has begun and has no result
    last: str = ""
    damage: str = ""  # why the machine is not to be used any more
    flags: int = 0  # of the kernel, before the current criterion: it has complained
    over: bool = False
    tampered: str = ""
    notes: List[str] = field(default_factory=list)
    _pending: str = ""  # a miss whose reason is the next line
    _done: Set[str] = field(default_factory=set)

    def read(self, line: str) -> Iterator[Outcome]:
        line = line.rstrip("\r\n")
        if line == "report begin":
            self.began = True
        word, _, rest = line.partition(" ")
        if word != self.key or self.tampered:
            return
        event, _, text = rest.partition(" ")
        text = clean(text)
        if self.over:
            self._tamper("something after the end")
            return
        if self._pending and event != "why":
            yield self._end(self._pending, LOST)
        if event == "begin":
            if self.current:
                yield self._end(MISS, LOST)
            if self._is_new(text):
                self.current = self.last = text
                self.notes = []
        elif event == "ok":
            if self._is_current(text):
                yield self._end(PASS, "; ".join(self.notes))
        elif event in ("FAIL", "open"):
            if self._is_current(text):
                self._pending = MISS if event == "FAIL" else OPEN
        elif event == "skip":
            if self.current:
                yield self._end(MISS, LOST)
            if self._is_new(text):
                self.current, self._pending = text, "skip"
        elif event == "why":
            if self._pending:
                yield self._end(self._pending, text)
            elif self.current:
                yield self._end(MISS, LOST)
            else:
                self._tamper("a reason that belongs to nothing")
        elif event == "note":
            self.notes = [*self.notes, text][:5]
        elif event == "tainted" and re.fullmatch("[0-9]{1,9}", text):
            self.flags |= int(text)
        elif event == "damage":
            self.damage = text
        elif event == "over":
            self.over = True
        elif event != "took":
            self._tamper("an event that the test program does not know")

    def _end(self, verdict: str, why: str) -> Outcome:
        outcome = Outcome(self.current, verdict, why)
        self._done.add(self.current)
        self.current = self._pending = ""
        return outcome

    def _tamper(self, how: str) -> bool:
        self.tampered = self.tampered or how
        return False

    def _is_new(self, name: str) -> bool:
        if name not in self.wanted:
            return self._tamper(f"a criterion that was not asked for, {clean(name, 60)}")
        if name in self._done:
            return self._tamper(f"{name} was reported twice")
        return True

    def _is_current(self, name: str) -> bool:
        return bool(name) and name == self.current or \
            self._tamper(f"a result of {clean(name, 60)}, which had not begun")
