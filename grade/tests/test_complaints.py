# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel says, and what only looks like it: needs no machine."""
from __future__ import annotations

import unittest
from pathlib import Path
from typing import List, Tuple

from complaints import EARLIER, Complaint, complaints, explain, meanings

CPU = "CPU: 0 PID: 77 Comm: mp1-tests Tainted: G           OE      6.1.0-56-cloud-amd64 #1"
TRACE = ["Call Trace:", " <TASK>", " proc_reg_write+0x5a/0xa0", " write+0x5a/0x100 [theirs]",
         " vfs_write+0xb0/0x3c0", " </TASK>", "---[ end trace 0000000000000000 ]---"]
MARK = "mp1-tests: begin a_test"
ROWS = meanings(Path(__file__).resolve().parents[1] / "explain.txt")

# By architecture, the first line of a crash, and a word of what it means to a student
CRASHES = (
    ("BUG: kernel NULL pointer dereference, address: 0000000000000008", "NULL"),
    ("BUG: unable to handle page fault for address: ffffc90000abc000", "invalid address"),
    ("general protection fault, probably for non-canonical address 0x6b6b6b6b: 0000 [#1] SMP",
     "invalid address"),
    ("double fault: 0000 [#1] PREEMPT SMP NOPTI", "stack"),
    ("BUG: TASK stack guard page was hit at 00000000aa (stack is 00..00)", "stack"),
    ("BUG: stack guard page was hit at 00000000aa (stack is 00..00)", "stack"),
    ("divide error: 0000 [#1] SMP", "zero"),
    ("invalid opcode: 0000 [#1] SMP", "invalid address"),
    ("stack segment: 0000 [#1] SMP", "never set"),
    ("kernel BUG at mm/slub.c:305!", "invalid address"),
    ("Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
     "NULL"),
    ("Internal error: Oops: 0000000096000004 [#1] SMP", "invalid address"),
    ("Internal error: Oops - BUG: 00000000f2000800 [#1] SMP", "invalid address"),
    ("Insufficient stack space to handle exception!", "stack"),
    ("Internal error: Oops: 5 [#1] SMP ARM", "invalid address"),
    ("Oops [#1]", "invalid address"),
    ("Kernel BUG [#1]", "invalid address"),
    ("Unable to handle kernel pointer dereference in virtual kernel address space",
     "invalid address"),
    ("illegal operation: 0001 ilc:1 [#1] SMP", "never set"),
    ("WARNING: CPU: 0 PID: 77 at mm/page_alloc.c:5634 __alloc_pages+0x2a9/0x330", "Limit"),
    ("WARNING: CPU: 0 PID: 77 at mm/maccess.c:233 __copy_overflow+0x2b/0x30", "its size"),
    ("WARNING: CPU: 0 PID: 77 at lib/vsprintf.c:2770 vsnprintf+0x43b/0x520", "scnprintf"),
    ("list_add corruption. next->prev should be prev (ffff), but was dead000000000122.", "lock"),
)


def found(*lines: str, boot: Tuple[str, ...] = ()) -> List[Complaint]:
    log = "\r\n".join(f"[    1.{number:06}] {line}" for number, line in
                      enumerate([*boot, "mp1-tests: log begin", *lines]))
    return complaints([log], "theirs", {"a_test", "b_test"})


def block(first: str) -> Tuple[str, ...]:
    return (first, CPU, "Hardware name: QEMU", *TRACE)


class Words(unittest.TestCase):
    def test_crashes_of_each_architecture(self) -> None:
        for first, meaning in CRASHES:
            with self.subTest(first):
                got = found(MARK, *block(first), "Kernel panic - not syncing: Fatal exception")
                self.assertEqual([(c.during, c.frame) for c in got], [("a_test", "write+0x5a")])
                self.assertIn(meaning, explain(got[0], "", ROWS).meaning)

    def test_a_modules_own_words_are_no_complaint(self) -> None:
        self.assertEqual(found(MARK, "Internal error: cannot parse pid",
                               "WARNING: CPU: 3400 PID: 12 is late", "BUG: b_test", "b_test",
                               "kernel BUG at home", *["theirs: fine"] * 90), [])

    def test_a_line_of_theirs_is_no_criterion(self) -> None:
        got = found(MARK, "b_test", "mp1-tests: begin something_else", *block("WARNING: CPU: 0"))
        self.assertEqual([c.during for c in got], [""])

    def test_the_same_is_said_once_with_a_count(self) -> None:
        warning = block("WARNING: CPU: 0 PID: 77 at fs/proc/generic.c:718 "
                        "remove_proc_entry+0x1/0x2")
        other = warning[0].replace("PID: 77", "PID: 99")
        got = found(MARK, *warning, *block(other), *block("BUG: scheduling while atomic: x/1/0x2"))
        self.assertEqual([c.times for c in got], [2, 1])
        self.assertEqual(got[0].what, "WARNING: at fs/proc/generic.c:718 remove_proc_entry+0x1/0x2")

    def test_what_differs_from_one_time_to_the_next_is_no_other_reason(self) -> None:
        for one, other, what in (
            ("watchdog: BUG: soft lockup - CPU#0 stuck for 3s! [kworker/0:2:63]",
             "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [cat:97]",
             "watchdog: BUG: soft lockup"),
            ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!",
             "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 64s!",
             "BUG: workqueue lockup"),
            ("INFO: task rmmod:77 blocked for more than 120 seconds.",
             "INFO: task cat:99 blocked for more than 241 seconds.",
             "INFO: task blocked"),
            ("BUG: scheduling while atomic: cat/1/0x2", "BUG: scheduling while atomic: sh/72/0x102",
             "BUG: scheduling while atomic"),
            ("workqueue: work [theirs] hogged CPU for >10000us 4 times, consider WQ_UNBOUND",
             "workqueue: work [theirs] hogged CPU for >10000us 8 times, consider WQ_UNBOUND",
             "workqueue: work [theirs] hogged CPU"),
            ("list_del corruption. prev->next should be ffff888003a1, but was ffff888003b2",
             "list_del corruption. prev->next should be ffff888004a1, but was ffff888004b2",
             "list_del corruption. prev->next should be ..., but was ..."),
            ("BUG: stack guard page was hit at 00000000aa (stack is 00..00)",
             "BUG: stack guard page was hit at 00000000bb (stack is 00..01)",
             "BUG: stack guard page was hit"),
            ("BUG: spinlock bad magic on CPU#0, cat/97", "BUG: spinlock bad magic on CPU#1, sh/1",
             "BUG: spinlock bad magic"),
            ("BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/12",
             "BUG: workqueue leaked lock or atomic: kworker/1:2/0x00000001/72",
             "BUG: workqueue leaked lock or atomic"),
            ("BUG: using smp_processor_id() in preemptible [00000000] code: cat/97",
             "BUG: using smp_processor_id() in preemptible [00000000] code: sh/98",
             "BUG: using smp_processor_id() in preemptible"),
        ):
            with self.subTest(one):
                got = found(MARK, *block(one), *block(other))
                self.assertEqual([(c.what, c.times) for c in got], [(what, 2)])
                self.assertTrue(any(row.search(what) for row, _ in ROWS[:-1]))

    def test_the_panic_at_the_end_is_not_another_one(self) -> None:
        got = found(*block("BUG: kernel NULL pointer dereference, address: 0000000000000000"),
                    "Kernel panic - not syncing: Fatal exception", CPU)
        self.assertEqual([c.what for c in got], ["BUG: kernel NULL pointer dereference"])

    def test_a_boot_that_failed_is_not_the_modules_fault(self) -> None:
        panic = block("Kernel panic - not syncing: IO-APIC + timer doesn't work!")
        self.assertEqual(found(MARK, "theirs: fine", boot=panic), [])
        self.assertEqual(len(found(MARK, *panic, "mp1-tests: log begin")), 1)

    def test_what_stopped_an_overflow(self) -> None:
        got = found(MARK, "detected buffer overflow in strcat",
                    "kernel BUG at lib/string_helpers.c:1027!",
                    *block("invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"),
                    "Kernel panic - not syncing: Fatal exception")
        self.assertEqual([c.what for c in got], ["detected buffer overflow in strcat"])
        self.assertIn("past the end", explain(got[0], "", ROWS).meaning)

    def test_where_it_happened_counts_more_than_who_called(self) -> None:
        got = found("BUG: unable to handle page fault for address: 1", CPU,
                    "RIP: 0010:show+0x2a/0x80 [theirs]", *TRACE)
        self.assertEqual(got[0].frame, "RIP show+0x2a")

    def test_the_allocator_is_not_to_blame(self) -> None:
        got = found("general protection fault: 0000 [#1] SMP", CPU,
                    "RIP: 0010:kmem_cache_alloc_trace+0x9c/0x2d0", *TRACE)
        self.assertEqual(explain(got[0], "mp1.c:7", ROWS).meaning, EARLIER)

    def test_damage_that_the_allocator_finds(self) -> None:
        got = found("=" * 77, "BUG kmalloc-32 (Tainted: G    B      OE     ): Redzone overwritten",
                    "-" * 77, "", "0xffff88800 @offset=32. First byte 0x0 instead of 0xcc",
                    "Allocated in write+0x5a/0x100 [theirs] age=3 cpu=0 pid=77", CPU)
        self.assertEqual([(c.what, c.frame) for c in got],
                         [("BUG kmalloc-32: Redzone overwritten", "write+0x5a")])
        self.assertIn("past the end", explain(got[0], "mp1.c:7", ROWS).meaning)

    def test_place(self) -> None:
        told = explain(Complaint("BUG: x", frame="RIP show+0x2a"), "mp1.c:78", ROWS)
        self.assertEqual(told.where, ", in show (mp1.c:78)")


if __name__ == "__main__":
    unittest.main()
