# SPDX-License-Identifier: GPL-2.0-only
"""Test the readers of reports and of the kernel's log: python3 -m unittest discover tests."""
import unittest
from pathlib import Path

import kernel_log
import report

SAMPLES = Path(__file__).resolve().parent / "complaints" / "samples"
GOOD = (SAMPLES / "good-run").read_text(encoding="utf-8").partition("\n")[2]


class Samples(unittest.TestCase):
    """Each sample is a report; its first line says what has to be found."""

    def test_samples(self) -> None:
        samples = sorted(SAMPLES.iterdir())
        self.assertGreater(len(samples), 5)
        for sample in samples:
            with self.subTest(sample.name):
                first, _, text = sample.read_text(encoding="utf-8").partition("\n")
                expected = first.partition("expect: ")[2]
                found = "\n".join(report.findings(text))
                if expected == "nothing":
                    self.assertEqual(found, "")
                else:
                    self.assertTrue(expected)
                    self.assertIn(expected, found)

    def test_examples(self) -> None:
        """In a good report, each example is a complaint."""
        for line in kernel_log.rows("examples"):
            with self.subTest(line):
                text = GOOD.replace("mp1: unloaded", line)
                self.assertIn(line, "\n".join(report.findings(text)))

    def test_missing_parts(self) -> None:
        """A check that did not take place does not look like a clean one."""
        for old, new, expected in (
                ("report begin\n", "", "the report has no beginning"),
                ("report end", "", "the report has no end: the machine crashed or hung"),
                ("tests 61 passed 0 failed\n", "", "no test came to an end"),
                ("tests 61 passed 0", "tests 0 passed 0", "no test came to an end"),
                ("passed 0 failed", "passed 1 failed", "tests failed"),
                ("tainted 12288", "tainted 12800", "tainted 12800"),
                ("tainted 12288", "tainted 0", "tainted 0"),
                ("tainted 12288\n", "", "tainted: unknown"),
                ("mp1-tests: log begin", "", "the beginning of the kernel log is missing"),
                ("mp1-tests: log end", "", "the end of the kernel log is missing"),
                ("report end", "left: /proc/mp1\nreport end", "left: /proc/mp1")):
            with self.subTest(expected):
                self.assertIn(old, GOOD)
                self.assertIn(expected, report.findings(GOOD.replace(old, new)))


class Results(unittest.TestCase):
    """The protocol."""

    def test_each_outcome(self) -> None:
        lines = ["report begin", "mp1 begin a", "mp1 note n", "mp1 took 1.50", "mp1 ok a",
                 "mp1 skip b", "mp1 why no such file", "other ok x", "mp1 begin c",
                 "mp1 FAIL c", "mp1 why list.c:1: 'x'", "mp1 begin d"]
        found = list(report.results(lines))
        self.assertEqual([(r.name, r.outcome, r.why) for r in found], [
            ("a", "ok", ""), ("b", "skip", "no such file"), ("c", "FAIL", "list.c:1: 'x'"),
            ("d", "FAIL", "the machine ended, or was stopped, during this test")])
        self.assertEqual((found[0].notes, found[0].seconds), (["n"], 1.5))
        self.assertEqual([r.tap(1) for r in found][:2],
                         ["ok 1 - a", "ok 1 - b # SKIP no such file"])
        self.assertTrue(found[3].tap(4).startswith("not ok 4 - d\n# "))


if __name__ == "__main__":
    unittest.main()
