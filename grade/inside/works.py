# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: say that it works, and whether the kernel's headers can be read."""
from __future__ import annotations

import os
import sys

from inside import frames

can_read = os.access(sys.argv[1], os.R_OK | os.X_OK)
frames.give(sys.stdout.buffer, "works", b"yes" if can_read else b"no")
frames.give(sys.stdout.buffer, "end", b"")
