# SPDX-License-Identifier: GPL-2.0-only
"""Test what tests/run does before a machine boots: python3 -m unittest discover tests."""
import errno
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import lock


class Lock(unittest.TestCase):
    """Two runs do not meet, and a drive without locks is named."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "build", "lock")

    def test_the_second_one_waits_and_says_so(self) -> None:
        with lock.lock(self.path), mock.patch("builtins.print") as said:
            with mock.patch("fcntl.flock", side_effect=[BlockingIOError, None]) as flock:
                lock.lock(self.path).close()
        self.assertEqual(flock.call_count, 2)
        self.assertIn("waiting for another command", said.call_args[0][0])

    def test_a_drive_without_locks(self) -> None:
        with mock.patch("fcntl.flock", side_effect=OSError(errno.ENOLCK, "No locks available")):
            with self.assertRaisesRegex(SystemExit, "is it on a network drive"):
                lock.lock(self.path)


if __name__ == "__main__":
    unittest.main()
