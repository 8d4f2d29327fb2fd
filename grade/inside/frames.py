# SPDX-License-Identifier: GPL-2.0-only
"""How results leave the sandbox: "NAME SIZE" on a line, then so many bytes; "end 0" at the end.

What arrives is believed only as far as take() checks it: names that were asked for, each once,
none larger than agreed, and complete.
"""
from __future__ import annotations

import ctypes
import json
import os
import re
from typing import BinaryIO, Dict, Mapping

PR_SET_DUMPABLE = 4


def hide() -> None:
    """Keep this process's memory and files from others of the same user: what it starts."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def give(to: BinaryIO, name: str, data: bytes) -> None:
    to.write(b"%s %d\n" % (name.encode(), len(data)))
    to.write(data)
    to.flush()


def give_file(to: BinaryIO, name: str, path: str) -> None:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        to.write(b"%s %d\n" % (name.encode(), size))
        for block in iter(lambda: file.read(1 << 20), b""):
            to.write(block)
    to.flush()


def give_json(to: BinaryIO, name: str, value: object) -> None:
    give(to, name, json.dumps(value).encode())


class Broken(Exception):
    """What came back is not what was agreed."""


def take(source: BinaryIO, sizes: Mapping[str, int]) -> Dict[str, bytes]:
    """Read the frames that have these names and at most these sizes."""
    found: Dict[str, bytes] = {}
    while True:
        line = source.readline(100)
        match = re.fullmatch(rb"([a-z_.0-9]{1,40}) ([0-9]{1,12})\n", line)
        if not match:
            raise Broken("it has no end")
        name, size = match[1].decode(), int(match[2])
        if name == "end":
            return found
        if name in found or name not in sizes:
            raise Broken("there is more than was asked for")
        if size > sizes[name]:
            raise Broken(f"{name} is larger than {sizes[name]} bytes")
        found[name] = source.read(size)
        if len(found[name]) != size:
            raise Broken("it is cut off")
