"""Is the flow a gradient field? Each "no" with its scope and its evidence, each "yes" with V.

"Not a gradient field" can mean four things, from weak to strong, and each is settled by a
different kind of evidence (theorems 3.1 to 3.4):

- not for the metric g = |dP|^2/alpha + |dW|^2 that the learning rates define: a curl that is not 0
  at a rational point, and a closed loop along which g f does work;
- not for any constant metric: linear algebra over the rationals;
- not after multiplication by any factor: Frobenius' theta ^ d theta at a rational point;
- not for any Riemannian metric: a non-real eigenvalue or a Jordan block at an equilibrium.

The joint and contrastive flows are gradient fields, and the isotropic stop-gradient flow is one on
its balanced set. Start with `gradient_certificate`.
"""

from __future__ import annotations

from equilibria.gradient.certificate import gradient_certificate, or_reason, system_certificate
from equilibria.gradient.report import EquilibriumSpectrum, GradientReport
from equilibria.gradient.spectrum import exact_witness

__all__ = [
    "EquilibriumSpectrum",
    "GradientReport",
    "exact_witness",
    "gradient_certificate",
    "or_reason",
    "system_certificate",
]
