#!/usr/bin/env bash
# Gradescope runs this once, when the autograder is built: with the network.
set -euo pipefail
export XDG_CACHE_HOME=/var/cache
apt-get update
apt-get install -y --no-install-recommends git python3 patch
git clone ADDRESS_OF_YOUR_COPY_OF_MP1 /mp1
# One judgement fetches the kernel and installs all that later ones need.
/mp1/vm/setup /mp1/grade/grade --unsafe --out /tmp/first /mp1/grade/submissions/solution
