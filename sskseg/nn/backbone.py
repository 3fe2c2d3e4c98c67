"""Pretraining networks, and the transfer of their weights."""

from copy import deepcopy
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import nn

from .fusion import normalized_convolutions
from .protocol import FeatureNetwork

_HEADS = ("head.", "auxiliary.")
_HEAD = "_head"  # after the name of a proxy


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained network.

    Parameters
    ----------
    module : torch.nn.Module
    network : str, callable or torch.nn.Module
        Specification that made the network, see `sskseg.nn.make_network`.
    width, depth, ndim : int
    n_channels : int, default=1
        Number of channels of the input.
    outputs : tuple of str, default=()
        What the last layer was trained to predict, such as ``("foreground", "core")``; empty for a
        proxy.
    object_size : float, default=None
        Diameter of objects, pixels, to which its images were resampled; None: not at all.
    """

    module: nn.Module
    network: object
    width: int
    depth: int
    ndim: int
    n_channels: int = 1
    outputs: tuple[str, ...] = ()
    object_size: float | None = None

    def __reduce__(self):
        """Pickle weights as arrays: unlike tensors, they have equal bytes, and so one hash.

        So a cache (`memory` of a pipeline) finds what it has computed of a backbone.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "module"}
        return _restore, (values, weights_of(self.module))

    def inverted(self) -> "Backbone":
        """Return the backbone that gives on a negated input what this one gives on the input.

        A network that knows bright objects then knows dark ones: images have a mean of 0.

        Returns
        -------
        Backbone
            With the weights of the first convolution negated. Only this layer may read the image,
            as in the U-Nets of `make_network`.
        """
        module = deepcopy(self.module)
        with torch.no_grad():
            next(weight for weight in module.parameters() if weight.ndim > 1).neg_()
        return replace(self, module=module)

    def with_channels(self, n_channels: int) -> "Backbone":
        """Return the backbone for another number of input channels (see `transfer_weights`).

        Parameters
        ----------
        n_channels : int

        Returns
        -------
        Backbone

        Raises
        ------
        ValueError
            If neither number of channels is a multiple of the other, or the network is a module.
        """
        if n_channels == self.n_channels:
            return self
        if isinstance(self.network, nn.Module):
            raise ValueError(
                f"The backbone is a module for {self.n_channels} channel(s), got {n_channels}."
            )
        other = replace(self, n_channels=n_channels)
        module = other._new_module()
        transfer_weights(self.module, module, with_head=True)
        return replace(other, module=module.eval())

    def _new_module(self):
        from .registry import make_network

        size = self.n_channels, max(1, len(self.outputs)), self.width, self.depth
        with torch.random.fork_rng(devices=[]):  # initial weights are random, and replaced
            return make_network(self.network, *size, ndim=self.ndim)


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Return the weights of a network as arrays.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    dict of str to ndarray
        C-contiguous, whatever the memory format of the tensors.
    """
    tensors = network.state_dict().items()
    return {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in tensors}


def _restore(values, weights):
    module = Backbone(nn.Identity(), **values)._new_module()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return Backbone(module.eval(), **values)


class ProxyNetwork(nn.Module):
    """A dense network with classification heads on the pooled features of its last decoder level.

    The gradient of each head reaches encoder and decoder.

    Parameters
    ----------
    backbone : torch.nn.Module
        Has ``features(x)``, and ``head`` for the restored image.
    n_features : int
        Number of features of the backbone.
    n_classes : dict of str to int
        Number of classes of each classification proxy.
    """

    def __init__(self, backbone: FeatureNetwork, n_features: int, n_classes: dict[str, int]):
        super().__init__()
        self.backbone = backbone
        # A ModuleDict rejects names of its own attributes, which users may choose.
        heads = {f"{name}{_HEAD}": nn.Linear(n_features, n) for name, n in n_classes.items()}
        self.heads = nn.ModuleDict(heads)

    def forward(
        self, x: torch.Tensor, *, restores: bool = False
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
        """Map (batch, 1, *spatial) to (logits, image).

        Parameters
        ----------
        x : Tensor of shape (batch, 1, *spatial)
            Sizes are multiples of the stride of the backbone.
        restores : bool, default=False
            Whether to return the restored image.

        Returns
        -------
        logits : dict of str to Tensor of shape (batch, n_classes)
        image : Tensor of shape (batch, 1, *spatial), or None
        """
        features = self.backbone.features(x)
        pooled = features.float().mean(tuple(range(2, features.ndim)))
        logits = {key.removesuffix(_HEAD): head(pooled) for key, head in self.heads.items()}
        return logits, self.backbone.read_out(features) if restores else None


def transfer_weights(
    source: nn.Module, target: nn.Module, *, with_head: bool = False, rescale: bool = False
) -> list[str]:
    """Initialize a network with the weights of another one of the same architecture.

    If the numbers of input channels differ, the weights of the first layer are repeated and divided
    by the number of repetitions, or added up, so that equal channels give the same result.

    Parameters
    ----------
    source, target : torch.nn.Module
        `target` is modified.
    with_head : bool, default=False
        Whether to transfer the last layer and auxiliary heads, too, if both predict the same.
    rescale : bool, default=False
        Whether kernels before batch normalization keep the norms that they have in `target`. The
        features stay the same, but they change as fast as those of a new network: kernels grow in
        training, and the larger they are, the smaller is the effect of an update [1]_.

    Returns
    -------
    list of str
        Names of the transferred parameters.

    Raises
    ------
    ValueError
        If the shape of a parameter does not match.

    References
    ----------
    .. [1] Lyle, Zheng, Khetarpal, Martens, van Hasselt, Pascanu, Dabney. Normalization and
       effective learning rates in reinforcement learning. NeurIPS 2024.
       :doi:`10.48550/arXiv.2407.01800`
    """
    old, state = source.state_dict(), target.state_dict()
    norms = _kernel_norms(target) if rescale else []
    transferred = [name for name in state if with_head or not name.startswith(_HEADS)]
    for name in transferred:
        if name not in old:
            raise ValueError(f"The backbone has no {name!r}; was it made by another network?")
        state[name] = _repeated(old[name], state[name].shape, name)
    target.load_state_dict(state)
    for convolution, normalization, norm in norms:
        _rescale(convolution, normalization, norm)
    return transferred


def _kernel_norms(network):
    """List (convolution, batch normalization after it, norm of the kernel)."""
    pairs = [(sequence[i], sequence[i + 1]) for sequence, i in normalized_convolutions(network)]
    return [(*pair, float(pair[0].get_parameter("weight").detach().norm())) for pair in pairs]


@torch.no_grad()
def _rescale(convolution, normalization, norm):
    """Give a kernel another norm, and the normalization the statistics of its new output."""
    length = float(convolution.weight.norm())
    if length == 0 or norm == 0:
        return
    factor = norm / length
    for values in (convolution.weight, convolution.bias, normalization.running_mean):
        if values is not None:
            values.mul_(factor)
    normalization.running_var.mul_(factor**2)


def _repeated(weight, shape, name):
    if weight.shape == shape:
        return weight.clone()
    fits = weight.ndim == len(shape) and weight.ndim > 1
    fits = fits and (weight.shape[0], *weight.shape[2:]) == (shape[0], *shape[2:])
    old, new = (weight.shape[1], shape[1]) if fits else (1, 1)
    if not fits or (new % old and old % new):
        raise ValueError(
            f"The backbone's {name!r} has shape {tuple(weight.shape)}, which does not fit "
            f"{tuple(shape)}"
            + (": one number of input channels must be a multiple of the other." if fits else ".")
        )
    if new > old:
        return torch.cat([weight] * (new // old), dim=1) * (old / new)
    return weight.unflatten(1, (old // new, new)).sum(1)
