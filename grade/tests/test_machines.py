# SPDX-License-Identifier: GPL-2.0-only
"""Machines that crash, are lost, are killed by the host, or lie: with a script in their place."""
from __future__ import annotations

import shutil
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple
from unittest import mock

import machines
from kernels import Kernel
from machines import HOST, Machines
from points import MISS, OPEN, PASS
from protocol import LOST, Outcome
from sandbox import Limits

SLOW = "not run: this computer is too slow, or too busy"
# The Nth boot plays the file boot.N: lines for the report, and last an exit status
BOOT = """#!/bin/bash
while [ $# -gt 0 ]; do
	case $1 in
	-r) report=$2; shift ;;
	*/key) key=$(cat "$1") ;;
	esac
	shift
done
cd "$(dirname "$0")"
echo >>boots
script=boot.$(wc -l <boots)
[ -e "$script" ] || exit 1
while read -r line; do
	case $line in
	exit*) eval "$line" ;;
	*) echo "${line/KEY/$key}" >>"$report" ;;
	esac
done <"$script"
"""


class Boots(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        (self.top / "vm").mkdir()
        (self.top / "slow").write_text("1")
        (self.top / "vm/boot").write_text(BOOT)
        (self.top / "vm/boot").chmod(0o755)
        before = getattr(machines, "TOP")
        setattr(machines, "TOP", self.top)
        self.addCleanup(setattr, machines, "TOP", before)

    def clear(self) -> None:
        (self.top / "vm/boots").unlink(missing_ok=True)
        for path in self.top.glob("real.console.*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def judge(self, *boots: List[str]) -> Dict[str, "tuple[str, str]"]:
        for number, lines in enumerate(boots, 1):
            (self.top / f"vm/boot.{number}").write_text("\n".join(lines) + "\n")
        found: Dict[str, "tuple[str, str]"] = {}

        def show(outcome: Outcome) -> None:
            self.assertNotIn(outcome.name, found)
            found[outcome.name] = (outcome.verdict, outcome.why)

        kernel = Kernel("k", self.top, self.top)
        judge = Machines(kernel, self.top, "", show, lambda *_: "the machine crashed")
        self.judged = judge.judge("real", ["a", "b"], self.top, ["a", "b"])
        return found

    def test_an_honest_one(self) -> None:
        self.assertEqual(self.judge(["report begin", "KEY begin a", "KEY ok a", "KEY begin b",
                                     "KEY FAIL b", "KEY why x", "KEY over", "exit 0"]),
                         {"a": (PASS, ""), "b": (MISS, "x")})

    def test_one_that_does_not_start(self) -> None:
        self.assertEqual(self.judge(["exit 1"], ["exit 1"]), {"a": (OPEN, HOST), "b": (OPEN, HOST)})
        self.assertEqual(len(self.judged.consoles), 2)

    def test_one_that_the_host_kills_is_tried_once_more(self) -> None:
        rest = ["report begin", "KEY begin a", "KEY ok a", "KEY begin b", "KEY ok b", "KEY over"]
        self.assertEqual(self.judge(rest[:2] + ["exit 137"], rest + ["exit 0"]),
                         {"a": (PASS, ""), "b": (PASS, "")})

    def test_a_crash_is_a_miss_and_the_rest_goes_on(self) -> None:
        self.assertEqual(self.judge(["report begin", "KEY begin a", "exit 0"],
                                    ["report begin", "KEY begin b", "KEY ok b", "KEY over"]),
                         {"a": (MISS, "the machine crashed"), "b": (PASS, "")})

    def crash(self, names: List[str], also: Callable[[], object]) -> Tuple[List[str], int]:
        """Each machine crashes in its first criterion. Return: what is missed, and their number

        also: what happens in those that come after the first few
        """
        boots: List[str] = []
        missed: List[str] = []

        def run(boot: machines._Boot) -> Iterator[Outcome]:
            boot.protocol.current = boot.names[0]
            boots.append(boot.names[0])
            if len(boots) > machines.FEW:
                also()
            return iter(())

        kernel = Kernel("k", self.top, self.top)
        judge = Machines(kernel, self.top, "", lambda outcome: missed.append(outcome.name),
                         lambda *_: "the machine crashed")
        with mock.patch.object(machines._Boot, "run", run):
            judge.judge("virtual", names, self.top)
        return sorted(missed), len(boots)

    def test_one_that_crashes_again_and_again_gets_two_machines_at_once(self) -> None:
        two = threading.Barrier(2, timeout=10)
        names = [f"c{number}" for number in range(machines.FEW + 4)]
        self.assertEqual(self.crash(names, two.wait), (names, len(names)))

    def test_a_result_that_was_lost_is_judged_again_once(self) -> None:
        first = ["report begin", "KEY begin a", "KEY why x", "KEY begin b", "KEY ok b", "KEY over"]
        for second, result in ((["KEY ok a"], (PASS, "")), (["KEY why x"], (MISS, LOST))):
            with self.subTest(result):
                self.clear()
                again = ["report begin", "KEY begin a", *second, "KEY over"]
                self.assertEqual(self.judge(first, again), {"a": result, "b": (PASS, "")})

    def test_all_can_be_skipped(self) -> None:
        found = self.judge(["report begin", "KEY skip a", "KEY why x", "KEY skip b", "KEY why x",
                            "KEY over"])
        self.assertEqual([verdict for verdict, _ in found.values()], ["skip", "skip"])

    def test_when_the_judge_is_stopped_no_machine_starts(self) -> None:
        self.addCleanup(machines._stopping.clear)
        names = [f"c{number}" for number in range(20)]
        _, boots = self.crash(names, machines.end_all)
        self.assertLess(boots, machines.FEW + 3)

    def test_a_machine_ends_when_the_judge_is_stopped(self) -> None:
        self.addCleanup(machines._stopping.clear)
        threading.Timer(1, machines.end_all).start()
        start = time.monotonic()
        self.assertEqual(self.judge(["report begin", "KEY begin a", "exit $(sleep 60)"]), {})
        self.assertLess(time.monotonic() - start, 30)

    def test_a_test_program_that_was_killed_gives_no_open_points(self) -> None:
        self.assertEqual(self.judge(["report begin", "exit 0"], ["report begin", "exit 0"]),
                         {"a": (MISS, "the machine crashed"), "b": (MISS, "the machine crashed")})

    def test_a_flood_is_no_trouble_of_the_host(self) -> None:
        self.addCleanup(setattr, machines, "CONSOLE_MIB", machines.CONSOLE_MIB)
        machines.CONSOLE_MIB = 1
        found = self.judge(["report begin", "KEY begin a", "exit $(seq 300000 >&2)"],
                           ["report begin", "KEY begin b", "KEY ok b", "KEY over"])
        self.assertEqual(found, {"a": (MISS, "the machine crashed"), "b": (PASS, "")})

    def test_damage(self) -> None:
        self.judge(["report begin", "KEY begin a", "KEY ok a", "KEY damage the file is there",
                    "KEY over"], ["report begin", "KEY begin b", "KEY ok b", "KEY over"])
        self.assertEqual(self.judged.damage, {"the file is there": 1})

    def test_after_damage_in_memory_a_miss_is_judged_again(self) -> None:
        first = ["report begin", "KEY begin a", "KEY ok a", "KEY tainted 32", "KEY begin b"]
        again = ["report begin", "KEY begin b", "KEY ok b", "KEY tainted 32", "KEY over"]
        for end in (["KEY FAIL b", "KEY why x", "KEY over"], ["exit 0"]):
            with self.subTest(end):
                self.clear()
                self.assertEqual(self.judge(first + end, again), {"a": (PASS, ""), "b": (PASS, "")})
                self.assertEqual(self.judged.flags, 32)

    def test_after_a_warning_a_miss_stands(self) -> None:
        found = self.judge(["report begin", "KEY begin a", "KEY ok a", "KEY tainted 512",
                            "KEY begin b", "KEY FAIL b", "KEY why x", "KEY over"])
        self.assertEqual(found, {"a": (PASS, ""), "b": (MISS, "x")})

    def test_no_time_is_left(self) -> None:
        for wall, wait in ((1, "sleep 30"), (30, "timeout --foreground 30 "
                                                 "sh -c 'while :; do :; done'")):
            with self.subTest(wait), mock.patch.multiple(machines, TOTAL=1, WALL=wall, BUSY=30):
                self.clear()
                found = self.judge(["report begin", "KEY begin a", "KEY ok a", "KEY begin b",
                                    f"exit $({wait})"])
                self.assertEqual(found, {"a": (PASS, ""), "b": (OPEN, SLOW)})

    def test_a_larger_bound_of_the_clock_gives_more_cpu_time(self) -> None:
        with mock.patch.multiple(machines, TOTAL=1, WALL=30, BUSY=1):
            found = self.judge(["report begin", "KEY begin a", "KEY ok a", "KEY begin b",
                                "exit $(timeout --foreground 5 sh -c 'while :; do :; done')"])
        self.assertEqual(found, {"a": (PASS, ""), "b": (MISS, "the machine crashed")})

    def test_tampering(self) -> None:
        found = self.judge(["report begin", "KEY ok a", "KEY begin b", "KEY ok b", "KEY over"])
        self.assertTrue(self.judged.tampered)
        self.assertEqual([verdict for verdict, _ in found.values()], [MISS, MISS])


class Busy(unittest.TestCase):
    def test_a_build_has_more_time_on_a_busy_computer(self) -> None:
        for load, seconds in ((0.1, 90), (2.2, 90), (6.3, 270), (99.0, 450)):
            with mock.patch("os.getloadavg", return_value=(load, 0, 0)), \
                    mock.patch("os.cpu_count", return_value=2):
                self.assertEqual(Limits().seconds, seconds)


if __name__ == "__main__":
    unittest.main()
