# SPDX-License-Identifier: GPL-2.0-only
"""Bring a submission in: a folder, an archive, or a git address becomes one file."""
from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sandbox import Sandbox
from text import clean

SIZES = {"input": 160 << 20, "problem": 2000, "note": 2000}
WHY = {
    "slow": "it could not be read in time",
    "memory": "reading it takes too much memory",
    "disk": "it is too large",
    "killed": "it cannot be read: it may be too large",
}


class NotTaken(Exception):
    """It cannot be read; the text says why, and what to do."""


@dataclass(frozen=True)
class Address:
    """What to clone: from a browser's address, the branch and folder that it shows"""

    repository: str
    branch: str = ""
    folder: str = ""


def parse_address(text: str) -> Address:
    text = text.strip()
    if re.match(r"https?://", text):
        text = re.sub(r"[?#].*", "", text)
        match = re.match(r"(https?://[^/]+/.+?)/(?:-/)?(?:tree|blob|src/branch)/([^/]+)/?(.*)$",
                         text)
        if match:
            folder = unquote(match[3]).rstrip("/")
            if "/blob/" in text:
                folder = folder.rpartition("/")[0]
            return Address(match[1], unquote(match[2]), folder)
    return Address(text)


def is_address(text: str) -> bool:
    return bool(re.match(r"[a-z+]+://", text)
                or (re.match(r"[\w.-]+@[\w.-]+:", text) and not Path(text).exists()))


def take_in(submission: str, sandbox: Sandbox) -> Path:
    """Put it into the sandbox's scratch folder."""
    if is_address(submission) and not submission.startswith("file://"):
        address = parse_address(submission)
        words = [address.repository, address.branch, address.folder]
        ran = sandbox.run("clone", words, {}, SIZES, seconds=300, own=True, network=True)
    else:
        # A repository without files as well: a student can have written all that is in it, so git
        # opens it later, where it reaches neither keys nor the network.
        path = existing(unquote(re.sub("^file://", "", submission))
                        if submission.startswith("file://") else submission)
        if not path.is_dir() and not path.is_file():
            raise NotTaken("it is neither a file nor a folder")
        ran = sandbox.run("pack", [], {"submission": path}, SIZES, own=True)
    if "problem" in ran.frames:
        raise NotTaken(clean(str(json.loads(ran.frames["problem"]))))
    if "input" not in ran.frames:
        raise NotTaken(WHY.get(ran.ended, "it cannot be read"))
    if "note" in ran.frames:
        sandbox.notes.append(clean(str(json.loads(ran.frames["note"])), 300))
    target = sandbox.scratch / "input"
    target.touch(0o600)
    target.write_bytes(ran.frames["input"])
    if sandbox.user.uid:  # its user may read it, and no other submission's
        os.chown(target, 0, sandbox.user.uid)
        target.chmod(0o640)
    return target


def existing(text: str) -> Path:
    try:
        return Path(text).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        hint = "; a git address begins with https:// or git@" if ".git" in text else ""
        reason = getattr(error, "strerror", "") or "it is a link to itself"
        raise NotTaken(f"it cannot be opened: {reason}{hint}") from None


def digest(path: Path, options: str) -> str:
    """By content, not by date: does this have to be judged again?"""
    return hashlib.sha256(options.encode() + b"\0" + path.read_bytes()).hexdigest()
