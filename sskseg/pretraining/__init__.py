"""Networks that learn from images without labels."""

from ._pretrainer import ProxyPretrainer
from .batches import ProxyBatches, field_shape, proxy_loss

__all__ = ["ProxyBatches", "ProxyPretrainer", "field_shape", "proxy_loss"]
