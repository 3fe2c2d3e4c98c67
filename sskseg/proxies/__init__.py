"""Self-supervised targets: what a network can learn from images without labels.

Each proxy is a small class, see `sskseg.proxies.Proxy`; a user's own works like those here.
"""

from ._base import PROXIES, Crop, Proxy, make_proxy, makes_batches
from ._batches import CropBatch, disturb_batch, guard_batch, standardize_batch
from ._guards import disturb, guard, probe_features, standardize
from .channel import Channel
from .magnification import Magnification
from .masked import Masked
from .restoration import Restoration
from .rotation import Rotation
from .simulation import Simulation

__all__ = [
    "PROXIES",
    "Channel",
    "Crop",
    "CropBatch",
    "Magnification",
    "Masked",
    "Proxy",
    "Restoration",
    "Rotation",
    "Simulation",
    "disturb",
    "disturb_batch",
    "guard",
    "guard_batch",
    "make_proxy",
    "makes_batches",
    "probe_features",
    "standardize",
    "standardize_batch",
]
