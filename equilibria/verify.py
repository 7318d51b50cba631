"""Check a certificate: `verify_file(path)` says whether it holds and, in one line, what or why not.

The work is done in `equilibria.kernel`, which imports the standard library and nothing of ours.
"""

from __future__ import annotations

from equilibria.kernel import Verification, verify, verify_file

__all__ = ["Verification", "verify", "verify_file"]
