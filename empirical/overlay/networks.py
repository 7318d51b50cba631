from __future__ import annotations


class NetworkOverlay:
    pass
