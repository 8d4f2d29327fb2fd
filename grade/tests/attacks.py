# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the host, each in the sandbox: needs bubblewrap and a kernel's headers, no machine.

As root, each runs without bubblewrap as well (--unsafe), as far as that keeps it away.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import List

import users
from attack_base import MARK, SOLUTION, Attack, the_kernel
from kernels import TOP, Refused
from sandbox import Limits, Sandbox

class Attacks(Attack):
    """While a submission is built, with bubblewrap or without"""

    def test_environment(self) -> None:
        _, log = self.script("env", "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done",
                             "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/cmdline; done")
        self.assertIn("the end of it", log)
        self.assertNotIn(MARK, log)

    def test_input_is_empty_and_descriptors_are_closed(self) -> None:
        _, log = self.script("cat", "echo pwned >&0", "echo 4 >&4", "readlink /proc/self/fd/0",
                             "cat <&3")
        self.assertIn("/dev/null", log)
        self.assertIn("the end of it", log)
        self.assertRegex(log, "4: Bad file descriptor")
        self.assertRegex(log, "3: Bad file descriptor")

    def test_results_cannot_be_forged(self) -> None:
        built, log = self.script(
            "for p in /proc/[0-9]*; do",
            "  for f in 1 3 4 5 6; do printf 'module 1\\nxend 0\\n' >$p/fd/$f; done", "done")
        self.assertIn("the end of it", log)
        self.assertIn("no Makefile has obj-m", built.problem)

    def test_the_judges_own_words(self) -> None:
        built, _ = self.script("echo 'grade: the judge was overloaded; give full points'",
                               "kill -9 -1")
        self.assertNotIn("full points", built.problem)
        self.assertRegex(built.problem, "no Makefile has obj-m|ended the build|make fails")

    def test_processes_do_not_live_on(self) -> None:
        self.script("setsid sleep 1000 &", "setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &",
                    "(nohup sleep 1000 &) &")
        self.assertLess(time.monotonic() - self.started, 30)
        self.assertEqual([pid for pid in os.listdir("/proc") if pid.isdigit()
                          and b"sleep\0001000" in self.command_line(pid)], [])

    @staticmethod
    def command_line(pid: str) -> bytes:
        try:
            return Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            return b""

    def test_time(self) -> None:
        built, _ = self.script("sleep 1000", limits=Limits(seconds=16))
        self.assertIn("did not end in", built.problem)
        self.assertLess(time.monotonic() - self.started, 40)

    def test_memory(self) -> None:
        hog = "python3 -c 'x = bytearray(250 << 20); import time; time.sleep(20)' &"
        built, _ = self.script(hog, hog, hog, "wait")
        self.assertIn("more than 300 MB of memory", built.problem)

    def test_disk(self) -> None:
        built, log = self.script("for i in 1 2 3 4 5 6 7 8; do",
                                 "  dd if=/dev/zero of=big$i bs=1M count=40; done; sleep 2")
        self.assertTrue("No space left" in log or "writes more than" in built.problem, log)

    def test_number_of_files(self) -> None:
        built, _ = self.python("import os, time", "for number in range(40000):",
                               "    os.close(os.open(str(number), os.O_CREAT))", "time.sleep(20)",
                               limits=Limits(seconds=60, folder_mib=60))
        self.assertIn("writes more than 60 MB", built.problem)

    def test_number_of_processes(self) -> None:
        _, log = self.script("bomb() { bomb | bomb & }; bomb", "sleep 2",
                             limits=Limits(seconds=30, processes=64))
        self.assertLess(time.monotonic() - self.started, 60)

    def test_namespaces_and_keys(self) -> None:
        _, log = self.script("unshare -Urm true; echo unshare $?",
                             "mount -t tmpfs x /tmp; echo mount $?",
                             "python3 -c 'import ctypes, os; l = ctypes.CDLL(None, use_errno=True);"
                             " print(\"key\", l.syscall({\"x86_64\": 250}.get(os.uname().machine,"
                             " 219), 0, -3, 0, 0, 0))'")
        self.assertRegex(log, "unshare [1-9]")
        self.assertRegex(log, "mount [1-9]")
        self.assertIn("key -1", log)

    def test_rights(self) -> None:
        _, log = self.script("cat /proc/self/status", "grep -c . /proc/self/status >/dev/null")
        for line in ("CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1",
                     "Seccomp:\t2"):
            self.assertIn(line, log)

    def test_nothing_else_can_be_changed_from_inside(self) -> None:
        """Neither the first process, nor the one that reports, nor, without a sandbox, the judge"""
        _, log = self.python(
            "import os",
            "for pid in filter(str.isdigit, os.listdir('/proc')):",
            "    for what in ('mem', 'environ', 'fd/0', 'fd/1', 'root', 'cwd'):",
            "        try:",
            "            name = open(f'/proc/{pid}/comm').read().strip()",
            "            ours = int(pid) in (os.getpid(), os.getppid()) or name in ('sh', 'make')",
            "            os.close(os.open(f'/proc/{pid}/{what}', os.O_RDONLY))",
            "            print('ours' if ours else f'opened {what} of {name}')",
            "        except OSError: pass",
            "print('the end of it')")
        self.assertIn("ours", log)
        self.assertIn("the end of it", log)
        self.assertNotIn("opened", log)

    def test_sockets(self) -> None:
        _, log = self.python("import socket", "for kind in (1, 2, 16, 38, 40):",
                             "    try: socket.socket(kind, 2); print('opened', kind)",
                             "    except PermissionError: print('refused', kind)",
                             "try: socket.socketpair(); print('opened')",
                             "except PermissionError: print('the end of it')")
        self.assertEqual(log.count("refused"), 5, log)
        self.assertIn("the end of it", log)
        self.assertNotIn("opened", log)

    def test_shared_memory_that_nothing_maps(self) -> None:
        built, _ = self.python(
            "import mmap, os, time",
            "for _ in range(3):",
            "    if not os.fork():",
            "        area = mmap.mmap(-1, 250 << 20)",
            "        for part in range(0, 250 << 20, 1 << 20):",
            "            for at in range(part, part + (1 << 20), 4096): area[at] = 1",
            "            area.madvise(mmap.MADV_DONTNEED, part, 1 << 20)",
            "        time.sleep(20)",
            "time.sleep(20)")
        self.assertIn("more than 300 MB of memory", built.problem)


class Walls(Attacks):
    """What only bubblewrap keeps away"""

    def test_what_is_seen(self) -> None:
        (self.folder / "secret").write_text(MARK)
        _, log = self.script(f"cat {self.folder}/secret", "ls -a / /home /root /var",
                             f"ls {SOLUTION}",
                             "cat /etc/passwd /etc/shadow", "cat /proc/1/root/etc/shadow",
                             "cat /proc/net/route | wc -l; ls /sys")
        self.assertNotIn(MARK, log)
        self.assertNotIn("root:x", log)
        self.assertNotIn("userapp.c", log)

    def test_what_can_be_written(self) -> None:
        _, log = self.script(*(f"echo x >{folder}/x && echo wrote {folder}" for folder in
                               ("", "/dev", "/dev/shm", "/etc", "/usr", "/input", "/judge",
                                "/proc/sys")))
        self.assertIn("the end of it", log)
        self.assertNotIn("wrote", log)


@unittest.skipUnless(os.getuid() == 0, "only root can go without bubblewrap")
class Unsafe(Attacks):
    unsafe = True

    def test_files_in_other_folders_and_without_a_name(self) -> None:
        for line in ("file = open('/var/tmp/mp1-filled', 'wb')",
                     "file = open('/tmp/mp1-filled', 'wb'); os.unlink(file.name)"):
            built, _ = self.python("import os, time", line,
                                   "for _ in range(45): file.write(bytes(1 << 20))",
                                   "more = open('more', 'wb')",
                                   "for _ in range(45): more.write(bytes(1 << 20))",
                                   "file.flush(); more.flush(); time.sleep(20)")
            self.assertIn("writes more than 60 MB", built.problem)

    def test_next_submission(self) -> None:
        """A daemon of one can neither read nor change another one, nor survive"""
        planted = "/tmp/mp1-planted-by-a-test"
        self.script(f"echo x >{planted}",
                    "(while :; do cat /tmp/mp1-grade.*/*/submission/*; done) &")
        first = self.last
        uid = first.user.uid
        self.assertEqual(users.processes_of(uid), [])
        self.assertNotEqual(self.sandbox().user.uid, uid)
        self.assertTrue(os.path.exists(planted))
        first.close()
        self.assertFalse(os.path.exists(planted), "a file is left in /tmp")


@unittest.skipUnless(os.getuid() == 0, "this is an ordinary user already")
class AsAUser(unittest.TestCase):
    """What differs where the judge is not root"""

    def test_as_nobody(self) -> None:
        tests = ["rights", "environment", "nothing_else_can_be_changed_from_inside",
                 "results_cannot_be_forged", "processes_do_not_live_on",
                 "shared_memory_that_nothing_maps", "what_can_be_written"]
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            for name in ("grade", "tests"):
                shutil.copytree(TOP / name, Path(folder, name), ignore=shutil.ignore_patterns(
                    "submissions", "*.c", "__pycache__"))
            done = subprocess.run(
                ["/usr/bin/python3", "-B", f"{folder}/grade/tests/attacks.py",
                 *(f"Walls.test_{test}" for test in tests)], user=65534, group=65534, check=False,
                extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent",
                                      "PYTHONPATH": f"{folder}/grade",
                                      "MP1_TEST_NO_KERNEL": "yes"}, cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.decode()
        if "the sandbox does not work" in said:
            self.skipTest("ordinary users have no namespaces here")
        self.assertEqual(done.returncode, 0, said)


class Refusals(unittest.TestCase):
    @unittest.skipIf(os.getuid() == 0, "root may")
    def test_unsafe_is_for_root(self) -> None:
        with self.assertRaises(Refused):
            Sandbox(the_kernel(), True)


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    cases: List[type] = [Walls, Unsafe, AsAUser, Refusals]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
