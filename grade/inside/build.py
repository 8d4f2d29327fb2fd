# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: unpack a submission, make it, and give back its module and its program.

usage: build HEADERS SECONDS WORD... SUBMISSION

Their make comes first. Where it leaves no module, kbuild builds one from the folder that has
obj-m. What they start sees none of our files, and ends with the step that started it.
"""
from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Dict, List, Tuple

from inside import frames, tree
from inside.unpack import Unpacking, unpack

HEAD, TAIL = 1 << 20, 1 << 17
# What a line of make's says, the best first. "Error 1" alone is no reason.
REASONS = (
    r"(fatal )?error:(?! ld returned)", r"ERROR: modpost|^ERROR: ", r"undefined reference to",
    r"undefined!", r"cannot find -l|cannot find entry", r"No rule to make target",
    r"missing separator|\*\*\* (?!.*Error \d)",
    r": (Permission denied|not found|No such file or directory|command not found)", r"\bKilled\b",
    r"^fatal: ",
)
NOT = re.compile(r"^make.*Error \d+( \(ignored\))?$|recipe for target")


def reason(log: str) -> str:
    """The line that says what is wrong"""
    lines = [line.strip()[:1000] for line in log.splitlines() if not NOT.search(line)]
    for pattern in REASONS:
        found = [line for line in lines if re.search(pattern, line)]
        if found:  # if there is one in their files, not in the kernel's
            theirs = (line for line in found if not re.match(r"/(?!.*/work/).*/include/", line))
            return re.sub(r"(/[\w.+-]+)*/work/", "", next(theirs, found[0]))[:300]
    return ""


class Make:
    """Runs make, and keeps what it says within bounds."""

    def __init__(self, words: List[str], seconds: float) -> None:
        self.words = words
        self.deadline = time.monotonic() + seconds
        self.log = ""

    @staticmethod
    def _read(pipe: IO[bytes], kept: List[bytes]) -> None:
        size, end = 0, b""
        for block in iter(lambda: os.read(pipe.fileno(), 65536), b""):
            if size < HEAD:
                kept.append(block)
                sys.stderr.buffer.write(block)
            else:
                end = (end + block)[-TAIL:]
            size += len(block)
        if end:
            kept.append(b"\n[...]\n" + end)
            sys.stderr.buffer.write(kept[-1])
        sys.stderr.flush()

    def run(self, command: List[str], folder: str, share: float = 1) -> str:
        """Return: why it failed, or nothing"""
        seconds = max(5.0, (self.deadline - time.monotonic()) * share)
        kept: List[bytes] = []
        print("$ cd", os.path.basename(folder), "&&", *command, file=sys.stderr, flush=True)
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PWD": folder})
        assert process.stdout
        reader = threading.Thread(target=self._read, args=(process.stdout, kept))
        reader.start()
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
        if "MP1_SANDBOX" in os.environ:
            try:
                os.kill(-1, signal.SIGKILL)  # all that it has started; nothing else is ours here
            except ProcessLookupError:
                pass
        process.kill()
        process.wait()
        reader.join()
        self.log = b"".join(kept).decode("utf-8", "replace")
        if status == -1:
            return f"it did not end in {seconds:.0f} seconds"
        if status:
            return reason(self.log) or f"it ends with status {status}"
        return ""


def choose_module(found: List[str], notes: List[str]) -> str:
    """Of several modules, the one that creates a file in /proc"""
    if len({open(path, "rb").read() for path in found}) > 1:
        for path in found:
            done = subprocess.run(["nm", "-u", path], stdout=subprocess.PIPE, check=False)
            if re.search(rb"\b_?proc_create", done.stdout):
                notes.append(f"of {len(found)} modules, the one that creates a file in /proc was "
                             f"judged: {os.path.basename(path)}")
                return path
        notes.append(f"{len(found)} modules, none of which creates a file in /proc")
    return found[0]


def make_module(top: str, headers: str, make: Make, said: Dict[str, str]) -> List[str]:
    asked = tree.make_folders(top)
    build = tree.build_folders(top)
    first = [folder for folder in asked if tree.depth(folder) == tree.depth(asked[0])]
    for folder in dict.fromkeys([*(first if len(first) == 1 else []), *build]):
        if folder not in asked:
            continue
        failed = make.run(["make", *make.words], folder, 0.6)
        found = tree.modules(top)
        if failed or not found:
            said["make"] = said.get("make") or failed or "it leaves no module (.ko)"
        if found:
            said["by"] = "make"
            return found
    for folder in build:
        failed = make.run(["make", "-C", headers, f"M={folder}", *make.words, "modules"], folder)
        found = tree.modules(top)
        if found:
            said["by"] = "kbuild"
            return found
        said["kbuild"] = said.get("kbuild") or failed or "it leaves no module (.ko)"
    if not asked and not build:
        said["problem"] = "there is no Makefile"
    elif not build:
        said["problem"] = "no Makefile has obj-m"
        if said.get("make") and "no module" not in said["make"]:
            said["problem"] += f", and make fails: {said['make']}"
    else:
        said["problem"] = f"make fails: {said.get('kbuild') or said.get('make')}"
    return []


def make_program(top: str, make: Make, said: Dict[str, str], notes: List[str]) -> str:
    """The program that their make has made; else another Makefile's; else of the other source"""
    build = tree.build_folders(top)
    failed = said.get("make", "")
    for folder in tree.make_folders(top):
        if tree.programs(top):
            break
        text = tree.read(tree.makefile_of(folder) or "")
        rule = re.search(r"^(userapp|user_?app|app|user)\s*:", text, re.MULTILINE)
        if folder not in build or rule:
            failed = make.run(["make", *([rule[1]] if rule else [])], folder, 0.5) or failed
    if not tree.programs(top):
        sources = tree.program_sources(top)
        if len(sources) == 1:
            out = os.path.join(os.path.dirname(sources[0]), "userapp.made")
            wrong = make.run(["gcc", "-O1", "-pthread", "-o", out, sources[0], "-lm"],
                             os.path.dirname(sources[0]))
            if not wrong:
                notes.append("no Makefile makes the program; it was compiled from "
                             + os.path.basename(sources[0]))
            failed = wrong or failed
        elif len(sources) > 1:
            failed = failed or f"{len(sources)} sources have a main(), and make makes none of them"
        else:
            failed = failed or "no source has a main()"
    found = tree.programs(top)
    if not found:
        said["program"] = failed or "make makes no program"
        return ""
    name = os.path.basename(found[0])
    if name not in ("userapp", "userapp.made"):
        notes.append(f"the program was taken to be {os.path.relpath(found[0], top)}")
    return found[0]


def provide_compiler(headers: str, home: str) -> None:
    """Headers may name a compiler that this computer has in another version only."""
    match = re.search(r"^CC\s*=.*(gcc-[0-9]+)", tree.read(headers + "/.kernelvariables"),
                      re.MULTILINE)
    gcc = shutil.which("gcc-12") or shutil.which("gcc")
    if match and gcc and not shutil.which(match[1]):
        os.makedirs(home + "/bin")
        os.symlink(gcc, f"{home}/bin/{match[1]}")
        os.environ["PATH"] += f":{home}/bin"


def build(headers: str, make: Make, submission: str) -> Tuple[Dict[str, str], List[str], str, str]:
    said: Dict[str, str] = {}
    notes: List[str] = []
    home = os.getcwd()
    provide_compiler(headers, home)
    os.makedirs(os.path.join(home, "unpacked"))
    unpacked = os.path.join(home, "unpacked")
    try:
        unpack(submission, unpacked, notes)
    except Unpacking as error:
        return {"problem": str(error)}, notes, "", ""
    repository = tree.repository(unpacked)
    if repository:
        unpacked = os.path.join(home, "cloned")
        os.environ.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1")
        failed = make.run(["git", "clone", "-q", f"file://{repository}", unpacked], home, 0.4)
        if failed:
            return {"problem": f"git cannot open the repository: {failed}"}, notes, "", ""
        shutil.rmtree(os.path.join(unpacked, ".git"))
    top = tree.settle(unpacked, os.path.join(home, "work"))
    gone = tree.clear(top)
    if gone:
        notes.append("built before, and not used: " + ", ".join(gone[:5]))
    found = make_module(top, headers, make, said)
    if not found:
        return said, notes, "", ""
    module = choose_module(found, notes)
    if not any(os.path.exists("{}/.{}.cmd".format(*os.path.split(path))) for path in found):
        notes.append(f"kbuild did not make {os.path.basename(module)} here; was it built before? "
                     "Read its Makefile")
    return said, notes, module, make_program(top, make, said, notes)


def main(arguments: List[str]) -> None:
    frames.hide()
    headers, seconds, *words, submission = arguments
    out = sys.stdout.buffer
    try:
        said, notes, module, program = build(headers, Make(words, float(seconds)), submission)
        for name, path in (("module", module), ("program", program)):
            if path:
                frames.give_file(out, name, os.path.realpath(path))
    except OSError as error:
        said, notes = {"problem": f"building it fails: {error.strerror or error}"}, []
    frames.give_json(out, "said", {"said": said, "notes": notes})
    frames.give(out, "end", b"")


if __name__ == "__main__":
    main(sys.argv[1:])
