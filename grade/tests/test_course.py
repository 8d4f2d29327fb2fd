# SPDX-License-Identifier: GPL-2.0-only
"""All submissions of a course: which there are, and the table; needs no sandbox."""
from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
import unittest
from pathlib import Path

import course


class Course(unittest.TestCase):
    def test_what_is_a_submission(self) -> None:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            for name in ("alice", "王伟", "points.csv.d"):
                (folder / name).mkdir()
            (folder / "bob.ZIP").write_bytes(b"PK\x03\x04")
            (folder / "submission_metadata.yml").write_text("a: b")
            (folder / "grades.csv").write_text("a,b")
            (folder / "evil").symlink_to("alice")
            (folder / "evil.zip").symlink_to("bob.ZIP")
            (folder / "points.csv").mkdir()
            (folder / "alice.zip").write_bytes(b"PK\x03\x04")
            (folder / "alice.zip.zip").write_bytes(b"PK\x03\x04")
            os.mkfifo(folder / "fifo")
            found, left_out = course.entries(folder, Path("/out"))
        self.assertEqual([entry.shown for entry in found],
                         ["alice", "alice.zip", "alice.zip.zip", "bob.ZIP", "points.csv",
                          "points.csv.d", "王伟"])
        self.assertEqual(len({entry.target for entry in found}), len(found))
        self.assertEqual([line.partition(":")[0] for line in left_out],
                         ["evil", "evil.zip", "fifo", "grades.csv", "submission_metadata.yml"])

    def test_what_was_found_before_is_not_what_is_found_now(self) -> None:
        with tempfile.TemporaryDirectory() as work:
            submissions, out = Path(work, "in"), Path(work, "out")
            for folder in (submissions / "alice", out / "alice"):
                folder.mkdir(parents=True)
            (out / "alice/results.json").write_text('{"tests": [{"name": "a", "score": 100}]}')
            with contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(course.judge_all(submissions, out, ["false"]), 0)
                self.assertIn(",100,", (out / "points.csv").read_text().replace('"', ""))
                fails = ["sh", "-c", "exit 2"]
                self.assertEqual(course.judge_all(submissions, out, fails), 1)
            self.assertNotIn("100", (out / "points.csv").read_text())

    def test_table(self) -> None:
        row = {"tests": [{"name": "a", "score": 2.5, "status": "failed"}],
               "extra_data": {"open": 1, "tampered": "x", "signs": ["y"]}}
        with tempfile.TemporaryDirectory() as folder:
            course.tabulate([("=cmd|x", row), ("王伟", None), ("a;=1", row)], ["x<y"], Path(folder))
            with open(Path(folder, "points.csv"), encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
                file.seek(0)
                self.assertIn('"a;=1"', file.read())
            page = Path(folder, "points.md").read_text(encoding="utf-8")
        self.assertEqual(rows[1][:4], ["'=cmd|x", "2.5", "1",
                                       "the results were tampered with, read this one"])
        self.assertEqual(rows[2][0], "王伟")
        self.assertIn("=cmd\\|x | 2.5 | 1 | a |", page)
        self.assertIn("x&lt;y", page)


if __name__ == "__main__":
    unittest.main()
