# SPDX-License-Identifier: GPL-2.0-only
"""One tests/run at a time, for each kernel"""
from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import IO


def lock(path: Path) -> IO[str]:
    """Hold it as long as this is open: two runs would mix their reports."""
    path.parent.mkdir(exist_ok=True)
    file = open(path, "w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"tests/run: waiting for another command, which holds {path}", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        file.close()
        raise SystemExit(f"tests/run: {path} cannot be locked: is it on a network drive? "
                         "Move the project to a local one") from error
    return file
