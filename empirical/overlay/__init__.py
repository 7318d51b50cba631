"""`overlay`: runs against the predicted stable set.

    source     a run folder, checked
    predicted  the components that `analyze` predicts, as places
    distance   distance to an orbit, the symmetry divided out
    families   the same for the families of equilibria without weight decay
    steps      one step of the map in NumPy, and its Jacobian
    trace      distances over time, saddles passed
    rate       measured against predicted contraction
    noise      the fluctuation that mini-batches cause
    judge      where a run ended, and whether that was predicted
    networks   the linear model inside a network, at each moment
    frozen     its nearest equilibrium, whatever the head's size: by modes, by Newton on the core
    run        all of it for one folder; figures and page write it down

Nothing here imports torch.
"""

from empirical.overlay.folder import FolderOverlay
from empirical.overlay.result import OverlayResult
from empirical.overlay.run import overlay

__all__ = ["FolderOverlay", "OverlayResult", "overlay"]
