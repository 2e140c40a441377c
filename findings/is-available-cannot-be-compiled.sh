#!/usr/bin/env bash
# torch.compile(fullgraph=True) takes torch.cuda.is_available() inside a model, but not torch.backends.*.is_available().
#
# A model that chooses its path by the machine asks whether a library is there. With torch 2.13.0, a function that asks
# torch.cuda.is_available() compiles into one graph. The same function with torch.backends.mkldnn.is_available(), or
# with mkl, openmp or cudnn in its place, is refused: dynamo must not trace the first, and the others return a bool.
# The flag torch.backends.mkldnn.enabled says nearly the same and compiles, and so does a value that was asked once,
# outside.
#
# Seen: cuda.is_available and mkldnn.enabled compile; mkldnn, mkl, openmp and cudnn raise Unsupported.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

env/bin/python -W ignore - <<'PYTHON'
import sys

import torch
from torch import backends

ASKED = {
    "cuda.is_available": (lambda x: x * 2 if torch.cuda.is_available() else x * 3, True),
    "backends.mkldnn.enabled": (lambda x: x * 2 if backends.mkldnn.enabled else x * 3, True),
    "backends.mkldnn.is_available": (lambda x: x * 2 if backends.mkldnn.is_available() else x * 3, False),
    "backends.mkl.is_available": (lambda x: x * 2 if backends.mkl.is_available() else x * 3, False),
    "backends.openmp.is_available": (lambda x: x * 2 if backends.openmp.is_available() else x * 3, False),
    "backends.cudnn.is_available": (lambda x: x * 2 if backends.cudnn.is_available() else x * 3, False),
}

as_seen = True
for name, (function, expected) in ASKED.items():
    try:
        torch.compile(function, fullgraph=True, backend="eager")(torch.ones(2))
        compiled = True
    except torch._dynamo.exc.Unsupported as error:
        compiled, reason = False, str(error).splitlines()[0]
    print(f"{name}: {'compiles' if compiled else reason}")
    as_seen &= compiled == expected
sys.exit(0 if as_seen else 1)
PYTHON
