# SPDX-License-Identifier: GPL-2.0-only
"""Where everything runs that touches what a student wrote, up to the virtual machine.

bubblewrap gives it a view of its own: programs, the kernel's headers, its input, and two folders
in memory. Inside, inside/confine.py sets bounds and gives up all rights. Without bubblewrap
(--unsafe), the bounds and a user for each submission remain, and the view is everybody's.
What comes back is a file, whose frames (inside/frames.py) are checked here.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from cpu_time import patience
from inside import frames
from kernels import CACHE, Kernel, Refused
from users import User, disk, end_group, family, files_seen, memory

INSIDE = Path(__file__).resolve().parent / "inside"
PYTHON = "/usr/bin/python3"
START = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); " \
        "runpy.run_module('inside.' + sys.argv.pop(1), run_name='__main__')"
ETC = ("/etc/alternatives", "/etc/ld.so.cache")
NETWORK_ETC = ("/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/resolv.conf", "/etc/hosts",
               "/etc/nsswitch.conf", "/etc/passwd", "/etc/ssh/ssh_config",
               "/etc/ssh/ssh_known_hosts")

KEYS = (".ssh", ".gitconfig", ".git-credentials", ".config/git", ".netrc")


@dataclass(frozen=True)
class Limits:
    seconds: int = field(default_factory=lambda: 90 * patience())
    processes: int = 512
    address_mib: int = 4096  # of each process
    memory_mib: int = 4096  # of all
    file_mib: int = 200
    folder_mib: int = 500


@dataclass
class Ran:
    """How it ended: ended is "" or one of "slow", "memory", "disk", "killed"."""

    ended: str
    log: bytes
    frames: Dict[str, bytes]


@dataclass
class Sandbox:
    kernel: Kernel
    unsafe: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.unsafe and os.getuid():
            raise Refused("without bubblewrap, only root can keep submissions apart, by a user "
                          "for each; run this as root, or in a container")
        if not self.unsafe and not shutil.which("bwrap"):
            raise Refused("bubblewrap is missing; install it, or, as root in a container that is "
                          "thrown away, pass --unsafe")
        self.user = User()
        self._one = threading.Lock()  # what ends kills all of its user's processes
        self.notes: List[str] = []  # what is to be said of how the submission came here
        self.scratch = Path(tempfile.mkdtemp(prefix="mp1-grade."))
        self.scratch.chmod(0o711)
        self._judge = self.scratch / "judge"
        for folder in (self._judge, self._judge / "inside"):
            folder.mkdir()
            folder.chmod(0o755)
        for script in INSIDE.glob("*.py"):
            shutil.copyfile(script, self._judge / "inside" / script.name)
            (self._judge / "inside" / script.name).chmod(0o644)
        if self.unsafe:
            self._link_headers()

    def _link_headers(self) -> None:
        """Without a view of its own, the headers must be where Makefiles look for them."""
        link = Path("/lib/modules", os.uname().release, "build")
        target = self.kernel.folder / "build"
        if link.is_symlink() and re.search(r"/mp1/kernels/[^/]+/build$", os.readlink(link)):
            if link.resolve() == target.resolve():
                return
            link.unlink()  # ours, for another kernel
        if not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)

    def close(self) -> None:
        self.user.close(self.unsafe)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def check(self) -> None:
        """Does it work here?"""
        ran = self.run("works", [str(self.kernel.headers)], {})
        if ran.frames.get("works") == b"no":
            raise Refused(f"submissions are built by users of their own, who cannot read {CACHE}; "
                          "set XDG_CACHE_HOME, for example to /var/cache")
        if "works" not in ran.frames:
            raise Refused("the sandbox does not work: " + ran.log.decode("utf-8", "replace")[-300:]
                          .strip() + "; allow user namespaces, or, as root in a container that is "
                          "thrown away, pass --unsafe")

    def run(self, module: str, arguments: Sequence[str], inputs: Mapping[str, Path],
            sizes: Optional[Mapping[str, int]] = None, *, seconds: int = 0, own: bool = False,
            network: bool = False) -> Ran:
        """Run inside/MODULE.py. It sees each input under the name given.

        own: as the caller's user, to read or fetch what only they may; nothing that a student
        wrote is executed then.
        """
        seconds = seconds or self.limits.seconds
        work = Path(tempfile.mkdtemp(dir=self.scratch))
        work.chmod(0o711)
        user = 0 if own else self.user.uid
        try:
            command = self._confine(user, seconds, network) + [module, *arguments]
            if self.unsafe:
                home = work / "submission"
                home.mkdir(mode=0o700)
                os.chown(home, user, user)
                command += (str(path if own else self._lend(path, work)) for path in
                            inputs.values())
            else:
                home = Path("/submission")
                command = [*self._view(inputs, network), *command,
                           *(f"/input/{name}" for name in inputs)]
            with self._one:
                return self._watch(command, home, work, sizes or {"works": 10}, seconds, network)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _lend(self, path: Path, work: Path) -> Path:
        """A copy that this submission's user can read, and no other one's"""
        copy = work / path.name
        shutil.copyfile(path, copy)
        os.chown(copy, 0, self.user.uid)
        copy.chmod(0o640)
        return copy

    def _confine(self, user: int, seconds: int, network: bool) -> List[str]:
        judge = str(self._judge) if self.unsafe else "/judge"
        # Before Linux 5.14, all processes of the caller's count, wherever they run.
        processes = self.limits.processes * (1 if self.user.uid else 8)
        bounds = (user, processes, self.limits.address_mib, seconds, self.limits.file_mib,
                  "yes" if network else "no")
        python = [PYTHON, "-I", "-S"]
        return [*python, f"{judge}/inside/confine.py", *map(str, bounds), *python, "-c", START,
                judge]

    def _view(self, inputs: Mapping[str, Path], network: bool) -> List[str]:
        """bubblewrap, with all that is to be seen"""
        release = os.uname().release
        view = ["bwrap", "--die-with-parent", "--new-session", "--as-pid-1", "--unshare-ipc",
                "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
        if self.user.uid:
            view += ["--cap-drop", "ALL"]
            for capability in ("SETUID", "SETGID", "DAC_READ_SEARCH", "SYS_RESOURCE"):
                view += ["--cap-add", f"CAP_{capability}"]
        else:
            view += ["--unshare-user"]
        if not network:
            view += ["--unshare-net"]
        made = {Path("/tmp")}
        half = str(self.limits.folder_mib * 2**19)
        for folder in ("/tmp", "/submission"):  # first: a cache may be below /tmp
            view += ["--perms", "1777", "--size", half, "--tmpfs", folder]
        for folder in ("/etc", "/input", "/judge", "/usr/src", f"/usr/lib/modules/{release}",
                       str(CACHE), str(self.kernel.headers)):
            for parent in [*reversed(Path(folder).parents), Path(folder)]:
                if parent not in made and parent != Path("/"):
                    view += ["--perms", "0755", "--dir", str(parent)]
                    made.add(parent)
        seen = [*Path("/usr").iterdir(), *Path("/usr/lib").iterdir(), *map(Path, ETC)]
        seen += [CACHE, self.kernel.headers]
        if network:
            seen += [*map(Path, NETWORK_ETC), *(Path.home() / name for name in KEYS)]
            seen += [Path(os.environ.get("SSH_AUTH_SOCK", "/nowhere"))]
        for path in seen:
            if str(path) not in ("/usr/lib", "/usr/src", "/usr/lib/modules") and path.exists():
                view += ["--ro-bind", str(path), str(path)]
        for path in [Path("/bin"), Path("/sbin"), *Path("/").glob("lib*")]:
            if path.is_symlink():
                view += ["--symlink", os.readlink(path), str(path)]
            elif path.exists():
                view += ["--ro-bind", str(path), str(path)]
        headers = str(self.kernel.folder / "build")
        view += ["--symlink", headers, f"/usr/lib/modules/{release}/build",
                 "--symlink", headers, f"/usr/src/linux-headers-{release}",
                 "--proc", "/proc", "--dev", "/dev", "--ro-bind", str(self._judge), "/judge"]
        for name, path in inputs.items():
            view += ["--ro-bind", str(path), f"/input/{name}"]
        return [*view, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/submission"]

    def _watch(self, command: Sequence[str], home: Path, work: Path, sizes: Mapping[str, int],
               seconds: int, keys: bool) -> Ran:
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home),
                       "LC_ALL": "C.UTF-8", "TMPDIR": str(home) if self.unsafe else "/tmp",
                       "MP1_SANDBOX": "yes"}
        if keys:  # git may use what the teacher uses
            environment.update({name: os.environ[name] for name in ("HOME", "SSH_AUTH_SOCK")
                                if name in os.environ})
        deadline = time.monotonic() + seconds
        ended = ""
        with open(work / "out", "w+b") as out, open(work / "log", "w+b") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                       env=environment, start_new_session=True,
                                       cwd=home if self.unsafe else "/")
            try:
                while not ended:
                    try:
                        process.wait(0.5)
                        break
                    except subprocess.TimeoutExpired:
                        ended = self._excess(process.pid, home, deadline)
            finally:
                end_group(process.pid)
                self.user.end_processes()
                process.wait()
            out.seek(0)
            log.seek(0)
            try:
                found = frames.take(out, sizes)
            except frames.Broken:
                found = {}
                ended = ended or "killed"
            return Ran(ended, log.read(4 << 20), found)

    def _excess(self, pid: int, home: Path, deadline: float) -> str:
        if time.monotonic() > deadline:
            return "slow"
        processes = family(self.user.uid, pid)
        if memory(processes) > self.limits.memory_mib:
            return "memory"
        if not self.unsafe:
            files = max(files_seen(processes, folder) for folder in ("/tmp", "/submission"))
            return "disk" if files > self.limits.folder_mib << 8 else ""
        return "disk" if disk(self.user.uid, home) > self.limits.folder_mib else ""
