"""Networks that learn from images without labels."""

from ._pretrainer import ProxyPretrainer
from .batches import ProxyBatches, field_shape, proxy_loss
from .device_batches import DeviceProxyBatches, proxy_batches_on

__all__ = [
    "DeviceProxyBatches",
    "ProxyBatches",
    "ProxyPretrainer",
    "field_shape",
    "proxy_batches_on",
    "proxy_loss",
]
