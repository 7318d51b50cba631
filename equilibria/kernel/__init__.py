"""The kernel: does a certificate hold? Standard library only, nothing shared with what made it.

`verify_file` reads a certificate; `refusal` is how it says no. Small files, plain code: `reading`
(JSON), `polynomials`, `intervals`, `towers` (algebraic numbers), `systems` (the procedures once
more), `points`, `families`, `orbits` (components are pairwise different), `spectra`, `steps` (largest
step sizes), `standing` (what a verdict belongs to), `components`, `complete`, `laws`, `gradients`,
`boxes` (isolated equilibria by Krawczyk's test), `about` (the model in words), `document`.
"""

from __future__ import annotations

from .document import Verification, verify, verify_file

__all__ = ["Verification", "verify", "verify_file"]
