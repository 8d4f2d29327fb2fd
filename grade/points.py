# SPDX-License-Identifier: GPL-2.0-only
"""The criteria, what each is worth, and how they came out."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Dict, Iterable, List, Sequence

PASS, MISS, OPEN, NONE = "ok", "FAIL", "open", "none"
MACHINES = ("host", "virtual", "real")


class BadPoints(Exception):
    """A file of points that cannot be used."""


@dataclass(frozen=True)
class Criterion:
    name: str
    points: Decimal
    machine: str
    hint: str

    @property
    def beyond(self) -> bool:
        return self.points == 0


@dataclass
class Result:
    """How a criterion came out.

    PASS is given only on proof. OPEN is for trouble of the host; NONE, without a module, is a
    miss that needs no words of its own.
    """

    criterion: Criterion
    verdict: str
    why: str = ""
    hint: str = ""

    @property
    def given(self) -> Decimal:
        return self.criterion.points if self.verdict == PASS else Decimal(0)

    def said_once(self, reasons: Dict[str, str]) -> Result:
        """This, or, if another criterion has the same reason, its name. reasons: all so far"""
        if self.verdict not in (MISS, OPEN) or not self.why:
            return self
        key, colon, printed = self.why.partition(": ")
        if key.startswith("userapp "):  # what it prints differs from one time to the next
            printed = re.sub(r"\d+", "N", printed)
        key += colon + printed
        first = reasons.setdefault(key, self.criterion.name)
        if first == self.criterion.name:
            return self
        return Result(self.criterion, self.verdict, f"for the same reason as {first}")


def read_points(path: Path) -> List[Criterion]:
    criteria: List[Criterion] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [part.strip() for part in line.split("@", 3)]
        try:
            name, worth, machine, hint = fields
            points = Decimal(worth)
        except (ValueError, InvalidOperation):
            raise BadPoints(f"{path}:{number}: not 'name @ points @ machine @ hint'") from None
        if not points.is_finite() or points < 0 or machine not in MACHINES:
            raise BadPoints(f"{path}:{number}: {worth} points on a machine '{machine}'")
        if any(name == other.name for other in criteria):
            raise BadPoints(f"{path}:{number}: {name} is there twice")
        criteria.append(Criterion(name, points, machine, hint))
    if not criteria:
        raise BadPoints(f"{path} has no criterion")
    return criteria


def choose(criteria: Sequence[Criterion], only: Sequence[str]) -> List[Criterion]:
    known = {criterion.name for criterion in criteria}
    for name in only:
        if name not in known:
            raise BadPoints(f"there is no criterion {name}")
    return [c for c in criteria if not only or c.name in only]


def number(value: Decimal) -> str:
    """2.5 as 2.5, and 7.0 as 7"""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass
class Score:
    """The results so far, one for each criterion at most; the first one stands."""

    criteria: List[Criterion]
    results: Dict[str, Result] = field(default_factory=dict)

    def add(self, result: Result) -> bool:
        if result.criterion.name in self.results:
            return False
        self.results[result.criterion.name] = result
        return True

    def say_once(self) -> None:
        """Let each reason stand where it comes first, whichever machine was faster."""
        reasons: Dict[str, str] = {}
        for result in list(self.in_order()):
            self.results[result.criterion.name] = result.said_once(reasons)

    def in_order(self) -> Iterable[Result]:
        return (self.results[c.name] for c in self.criteria if c.name in self.results)

    def missing(self, machine: str) -> List[Criterion]:
        return [c for c in self.criteria if c.machine == machine and c.name not in self.results]

    @property
    def given(self) -> Decimal:
        return sum((r.given for r in self.results.values()), Decimal(0))

    @property
    def worth(self) -> Decimal:
        return sum((c.points for c in self.criteria), Decimal(0))

    @property
    def open(self) -> Decimal:
        return sum((r.criterion.points for r in self.results.values() if r.verdict == OPEN),
                   Decimal(0))

    @property
    def complete(self) -> bool:
        """Was every point judged and given?"""
        return self.given == self.worth

    def summary(self) -> str:
        text = f"{number(self.given)} / {number(self.worth)} points"
        return text + (f", {number(self.open)} open" if self.open else "")
