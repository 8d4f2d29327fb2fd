# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: look at a module with programs that may have bugs.

usage: look MODULE              what it is called, needs, and does that others do not
       look PLACE... MODULE     the source lines of places such as "f+0x5a" and "RIP f+0x5a"
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Dict, List, Tuple

from inside import frames

# What a solution does not need: undefined symbols, and what each is for
SYMBOLS = (
    (r"(un)?register_k(ret)?probe.*|register_ftrace_.*|tracepoint_probe_register.*",
     "hooks into other code of the kernel"),
    (r"kallsyms_.*|__symbol_.*|sprint_symbol.*|find_module|__module_.*", "looks for other code"),
    (r"call_usermodehelper.*", "starts programs"),
    (r"filp_open|kernel_(read|write).*|vfs_.*|kern_path.*|file_open_root.*", "opens files"),
    (r"access_process_vm|get_user_pages.*|pin_user_pages.*|kthread_use_mm|use_mm",
     "reads or changes memory of processes"),
    (r"set_memory_.*|lookup_address.*|vmap|vm_map_ram|follow_pfn|apply_to_page_range|init_mm"
     r"|page_offset_base|phys_base|vmemmap_base", "touches page tables or raw memory"),
    (r"send_sig.*|force_sig.*|kill_pid.*|do_send_.*|do_exit|make_task_dead|complete_and_exit",
     "sends signals or ends threads"),
    (r"emergency_restart|machine_.*|kernel_(restart|halt|power_off)|orderly_.*|panic",
     "stops the machine"),
    (r"console_printk|console_(lock|suspend).*|.*register_console|add_taint|sysctl_.*|oops_.*",
     "changes what the kernel says"),
    (r"commit_creds|prepare_(kernel_)?creds?|override_creds", "changes rights"),
    (r"uart_.*|tty_.*|serial8250_.*|request_irq|request_threaded_irq|ioremap.*",
     "uses devices"),
    (r"smp_call_function.*|stop_machine|on_each_cpu.*", "stops other processors"),
)
INSTRUCTIONS = re.compile(
    r"\t(in[bwl]?|out[bwl]?|rdmsr|wrmsr|lgdt|lidt|invlpg|swapgs|sysret\w*|iret\w*)(\s|$)"
    r"|\tmov\w*\s+.*%(cr|db)\d")
TEXT = re.compile(rb"/dev/report|(?<!/proc)/mp1/|mp1-tests|userapp|/proc/sys|/bin/|TIF_|exit_group"
                  rb"|/dev/mem")


def output(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    return done.stdout[: 16 << 20].decode("utf-8", "replace")


def signs(module: str) -> List[str]:
    """What a person should read before the points count"""
    found: Dict[str, List[str]] = {}
    for line in output("nm", "-u", module).splitlines():
        name = line.split()[-1] if line.split() else ""
        for pattern, what in SYMBOLS:
            if re.fullmatch(pattern, name):
                found.setdefault(what, []).append(name)
    for match in INSTRUCTIONS.finditer(output("objdump", "-d", "--no-show-raw-insn", module)):
        what = (match[1] or match[0]).strip()
        found.setdefault("has instructions for the processor or devices", []).append(what)
    # Debugging information names files: only what the module itself holds as text counts
    strings = output("readelf", "-p", ".rodata", "-p", ".rodata.str1.1", "-p", ".rodata.str1.8",
                     "-p", ".data", module).encode()
    for text in sorted(set(TEXT.findall(strings))):
        found.setdefault("has text of the judge or of the system", []).append(text.decode())
    sections = output("readelf", "-S", "-W", module)
    if re.search(r"\.(ftrace|kprobe)\b", sections) or os.path.getsize(module) > 8 << 20:
        found.setdefault("has unusual sections or size", []).append("see readelf -S")
    return [f"{what}: {', '.join(list(dict.fromkeys(names))[:6])}" for what, names in found.items()]


def place(module: str, symbols: Dict[str, Tuple[str, int]], frame: str) -> str:
    """The file and line of an address; a return address is that of the next line."""
    match = re.fullmatch(r"(RIP )?([\w.]+)\+0x([0-9a-f]+)", frame)
    if not match or match[2] not in symbols:
        return ""
    section, start = symbols[match[2]]
    address = start + int(match[3], 16) - (0 if match[1] else 1)
    for line in output("addr2line", "-i", "-j", section, "-e", module, hex(address)).splitlines():
        line = re.sub(r" \(discriminator.*", "", line)
        # Where a header's function was inlined, name the line that called it.
        if "?" not in line and "/include/" not in line:
            return line.rpartition("/")[2]
    return ""


def functions(module: str) -> Dict[str, Tuple[str, int]]:
    found: Dict[str, Tuple[str, int]] = {}
    for line in output("objdump", "-t", module).splitlines():
        match = re.match(r"([0-9a-f]+) .{6}([F ]) (\.\S+)\s+\S+\s+(?:\.hidden )?(\S+)$", line)
        if match and (match[2] == "F" or match[4] not in found):
            found[match[4]] = (match[3], int(match[1], 16))
    return found


def main(arguments: List[str]) -> None:
    frames.hide()
    *places, module = arguments
    out = sys.stdout.buffer
    if places:
        symbols = functions(module)
        frames.give_json(out, "lines", [place(module, symbols, frame) for frame in places])
    else:
        frames.give_json(out, "facts", {
            "name": output("modinfo", "-F", "name", module).strip(),
            "license": output("modinfo", "-F", "license", module).strip(),
            "signs": signs(module)})
    frames.give(out, "end", b"")


if __name__ == "__main__":
    main(sys.argv[1:])
