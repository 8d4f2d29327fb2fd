# SPDX-License-Identifier: GPL-2.0-only
"""Points, the protocol of a machine, and text for each place: needs no machine."""
from __future__ import annotations

import io
import random
import re
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path
from typing import List, Tuple

import points
import reports
import text
from complaints import Explained
from inside import frames
from inside.build import reason
from points import MISS, NONE, OPEN, PASS, Criterion, Result, Score
from protocol import LOST, Protocol

EVIL = "\x1b]0;pwned\x07\x9b31m<img src=x>|`[a](http://x)` $x$ 100 / 100\u202e"


def criterion(name: str, worth: str = "1", machine: str = "virtual") -> Criterion:
    return Criterion(name, Decimal(worth), machine, "a hint")


class Points(unittest.TestCase):
    def read(self, content: str) -> List[Criterion]:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            return points.read_points(Path(file.name))

    def test_half_points(self) -> None:
        score = Score(self.read("a @ 2.5 @ virtual @ x\nb @ 1 @ real @ y @ z\n"))
        score.add(Result(score.criteria[0], PASS))
        self.assertEqual(score.summary(), "2.5 / 3.5 points")
        self.assertEqual(score.criteria[1].hint, "y @ z")

    def test_mistakes_are_refused(self) -> None:
        for bad in ("a @ x @ virtual @ y", "a @ 1 @ moon @ y", "a @ 1", "", "a @ NaN @ real @ x",
                    "a @ -1 @ real @ x", "a @ 1 @ real @ x\na @ 1 @ real @ x"):
            with self.subTest(bad), self.assertRaises(points.BadPoints):
                self.read(bad)

    def test_ours_are_a_hundred(self) -> None:
        ours = points.read_points(Path(__file__).resolve().parents[1] / "points.txt")
        self.assertEqual(sum(c.points for c in ours), 100)

    def test_only_all_points_given_is_complete(self) -> None:
        for verdict in (OPEN, NONE, MISS):
            score = Score([criterion("a"), criterion("b")])
            score.add(Result(score.criteria[0], PASS))
            self.assertFalse(score.complete)
            score.add(Result(score.criteria[1], verdict))
            self.assertFalse(score.complete)
        self.assertEqual(Score([criterion("a")]).summary(), "0 / 1 points")

    def test_open_points_stand_in_the_total(self) -> None:
        score = Score([criterion("a", "9"), criterion("b")])
        score.add(Result(score.criteria[0], OPEN))
        score.add(Result(score.criteria[1], PASS))
        self.assertEqual(score.summary(), "1 / 10 points, 9 open")

    def test_the_first_result_stands(self) -> None:
        score = Score([criterion("a")])
        self.assertTrue(score.add(Result(score.criteria[0], MISS)))
        self.assertFalse(score.add(Result(score.criteria[0], PASS)))
        self.assertEqual(score.given, 0)

    def test_a_reason_is_said_once(self) -> None:
        for first, second, same in (
            ("userapp prints without end: 110: 0", "userapp prints without end: 115: 0", True),
            ("userapp was killed by signal 11: 5", "userapp was killed by signal 6: 5", False),
            ("the machine crashed: BUG, in show (mp1.c:78)",
             "the machine crashed: BUG, in show (mp1.c:79)", False),
            ("the list is empty", "the list is empty", True)):
            with self.subTest(first):
                score = Score([criterion("a"), criterion("b")])
                score.add(Result(score.criteria[1], MISS, second))
                score.add(Result(score.criteria[0], MISS, first))
                score.say_once()
                told = "for the same reason as a" if same else second
                self.assertEqual([r.why for r in score.in_order()], [first, told])


class Machine(unittest.TestCase):
    def follow(self, *lines: str) -> Tuple[List[Tuple[str, str, str]], Protocol]:
        protocol = Protocol("KEY", {"a", "b"})
        found = [(o.name, o.verdict, o.why) for line in lines for o in protocol.read(line + "\r\n")]
        return found, protocol

    def test_an_honest_run(self) -> None:
        found, protocol = self.follow("report begin", "KEY begin a", "KEY note in ms", "KEY ok a",
                                      "KEY begin b", "KEY FAIL b", "KEY why x", "KEY over ")
        self.assertEqual(found, [("a", PASS, "in ms"), ("b", MISS, "x")])
        self.assertTrue(protocol.began and protocol.over and not protocol.tampered)

    def test_without_the_key_nothing_counts(self) -> None:
        found, protocol = self.follow("begin a", "ok a", "key ok a", "AKEY ok a", "KEYok a")
        self.assertEqual(found, [])
        self.assertFalse(protocol.tampered)

    def test_a_lost_line_is_a_miss(self) -> None:
        self.assertEqual(self.follow("KEY begin a", "AKEY FAIL a", "KEY begin b", "KEY ok b")[0],
                         [("a", MISS, LOST), ("b", PASS, "")])
        self.assertEqual(self.follow("KEY begin a", "KEY FAIL a", "AKEY why x", "KEY begin b")[0],
                         [("a", MISS, LOST)])
        self.assertEqual(self.follow("KEY begin a", "AKEY FAIL a", "KEY why x", "KEY begin b")[0],
                         [("a", MISS, LOST)])

    def test_what_the_test_program_does_not_do_is_tampering(self) -> None:
        for lines in (["KEY ok a"], ["KEY begin a", "KEY ok b"], ["KEY begin c"],
                      ["KEY begin a", "KEY ok a", "KEY begin a"], ["KEY why x"],
                      ["KEY begin a", "KEY ok a", "KEY ok a"]):
            found, protocol = self.follow(*lines, "KEY begin b", "KEY ok b")
            self.assertTrue(protocol.tampered, lines)
            self.assertNotIn(("b", PASS, ""), found)

    def test_no_order_of_lines_gives_more_than_one_result_each(self) -> None:
        events = ("begin", "ok", "FAIL", "open", "skip", "why", "note", "over", "damage", "other")
        lines = [f"KEY {event} {name}" for event in events for name in ("a", "b", "c", "")]
        chance = random.Random(1)
        for _ in range(20000):
            story = [chance.choice(lines) for _ in range(chance.randint(1, 8))]
            found, protocol = self.follow(*story)
            names = [name for name, _, _ in found]
            self.assertEqual(len(names), len(set(names)), story)
            self.assertLessEqual(set(names), {"a", "b"}, story)
            for name in (name for name, verdict, _ in found if verdict == PASS):
                start, end = story.index(f"KEY begin {name}"), story.index(f"KEY ok {name}")
                self.assertTrue(all(line.startswith(("KEY note", "KEY damage"))
                                    for line in story[start + 1:end]), story)
            if "KEY over" in " ".join(story[:-1]) or "KEY other" in " ".join(story):
                self.assertTrue(protocol.tampered, story)

    def test_open_is_an_event_and_no_text(self) -> None:
        self.assertEqual(self.follow("KEY begin a", "KEY FAIL a", "KEY why cannot tell: tired")[0],
                         [("a", MISS, "cannot tell: tired")])
        self.assertEqual(self.follow("KEY begin a", "KEY open a", "KEY why slow")[0],
                         [("a", OPEN, "slow")])


class Frames(unittest.TestCase):
    def take(self, data: bytes) -> object:
        return frames.take(io.BytesIO(data), {"a": 5})

    def test_whole(self) -> None:
        self.assertEqual(self.take(b"a 2\nxyend 0\n"), {"a": b"xy"})

    def test_everything_else_is_refused(self) -> None:
        for bad in (b"", b"a 2\nxy", b"a 9\n123456789end 0\n", b"b 1\nxend 0\n", b"a 3\nxyend 0\n",
                    b"a 1\nxa 1\nxend 0\n", b"a -1\nend 0\n", b"\x1f\x8b", b"a 99999999999999\n"):
            with self.subTest(bad), self.assertRaises(frames.Broken):
                self.take(bad)


class Reasons(unittest.TestCase):
    def test_the_line_that_says_it(self) -> None:
        for log, wanted in (
                ("make -C /x\nsudo: not found\nmake: *** [Makefile:3: all] Error 127",
                 "sudo: not found"),
                ("/usr/bin/ld: /tmp/x.o: undefined reference to `pow'\ncollect2: error: ld "
                 "returned 1 exit status\nmake: *** [a] Error 1",
                 "/usr/bin/ld: /tmp/x.o: undefined reference to `pow'"),
                ("ERROR: modpost: missing MODULE_LICENSE() in /submission/work/mp1.o\n"
                 "make[1]: *** [x] Error 1", "ERROR: modpost: missing MODULE_LICENSE() in mp1.o"),
                ("mp1.c:3:1: error: unknown type name 'boole'\nmake: *** [x] Error 2",
                 "mp1.c:3:1: error: unknown type name 'boole'"),
                ("make: *** /home/me/linux: No such file or directory.  Stop.",
                 "make: *** /home/me/linux: No such file or directory.  Stop.")):
            self.assertEqual(reason(log), wanted)


class Text(unittest.TestCase):
    def test_clean(self) -> None:
        for bad in ("\x1b", "\x07", "\x9b", "\u202e", "\n"):
            self.assertNotIn(bad, text.clean(EVIL + bad))
        self.assertEqual(text.clean("王伟 O'Brien é"), "王伟 O'Brien é")
        self.assertEqual(text.clean("x" * 2000)[-1], "…")

    def test_markdown(self) -> None:
        shown = text.markdown(text.clean(EVIL))
        for bad in ("<img", "|`", "](", "http:", "$"):
            self.assertNotIn(bad, re.sub(r"\\.", "", shown))

    def test_log(self) -> None:
        self.assertEqual(text.clean_lines(b"a\x1b[2J\r\nb\xff\n"), "a [2J\nb\ufffd\n")
        self.assertIn("left out", text.clean_lines(b"x\n" * 100, 100))

    def test_file_names(self) -> None:
        names = ["points.csv", "points.md", "POINTS.CSV", "-x", "..", ".", "", "a/b", "a b", "a_b",
                 "alice", "alice.log", "王伟", "x\ny", "x\x1b", "é", "e\u0301", "A" * 300]
        names.append(text.file_name("a b"))  # is that a name that somebody else can take?
        made = [text.file_name(name) for name in names]
        self.assertEqual(len(set(made)), len(made))
        for name in made:
            self.assertRegex(name, r"^\w[\w.-]*$")
            self.assertNotIn(name.lower(), ("points.csv", "points.md"))
        self.assertEqual(text.file_name("王伟"), "王伟")

    def test_formulas(self) -> None:
        for bad in ("=1+1", "+1+1", "-1-2", "@SUM(1)", "\t=1", "＝1"):
            self.assertEqual(text.cell(bad)[0], "'")
        self.assertEqual(text.cell("-2.5"), "-2.5")


class Reports(unittest.TestCase):
    def report(self) -> reports.Report:
        score = Score([criterion("a"), criterion("b"), criterion("beyond_c", "0")])
        for c, verdict in zip(score.criteria, (MISS, OPEN, MISS)):
            score.add(Result(c, verdict, text.clean(EVIL), "hint"))
        return reports.Report(text.clean(EVIL), score, tampered=text.clean(EVIL), has_module=True,
                              complaints=[Explained(text.clean(EVIL), "a", ", in f", "m", 4)])

    def test_no_place_gets_what_it_would_act_on(self) -> None:
        report = self.report()
        shown = reports.terminal(next(iter(report.score.in_order()))) + report.headline()
        self.assertNotRegex(shown, "[\x00-\x08\x0b-\x1f\x7f-\x9f]")
        page = reports.report_md(report)
        self.assertEqual(len([x for x in page.splitlines() if x.startswith("| a |")]), 1)
        self.assertIn("(4 times)", page)

    def test_results_are_restored(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            report = self.report()
            report.score.results["b"].verdict = PASS
            reports.write(report, Path(folder), "digest")
            before = reports.read(Path(folder)) or {}
            again = reports.Report("x", Score(report.score.criteria))
            self.assertFalse(reports.restore(again, before, "other"))
            self.assertTrue(reports.restore(again, before, "digest"))
            self.assertEqual(again.score.summary(), report.score.summary())


if __name__ == "__main__":
    unittest.main()
