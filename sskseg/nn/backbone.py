"""Networks that learn from proxies, and what they hand on."""

from dataclasses import dataclass

import torch
from torch import nn

_HEADS = ("head.", "auxiliary.")
_HEAD = "_head"  # after the name of a proxy


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained network.

    Parameters
    ----------
    module : torch.nn.Module
    network : str, callable or torch.nn.Module
        What it was made by, see `sskseg.nn.make_network`.
    width, depth, ndim : int
    """

    module: nn.Module
    network: object
    width: int
    depth: int
    ndim: int


class ProxyNetwork(nn.Module):
    """A dense network, with heads for classes on the mean of its decoder's last features.

    The gradient of each head reaches encoder and decoder.

    Parameters
    ----------
    backbone : torch.nn.Module
        Has ``features(x)``, and ``head`` for the image that it restores.
    n_features : int
        Of the backbone.
    n_classes : dict of str to int
        For each proxy that tells classes.
    """

    def __init__(self, backbone, n_features, n_classes):
        super().__init__()
        self.backbone = backbone
        # Names of users, which a ModuleDict does not take where it has such an attribute
        heads = {f"{name}{_HEAD}": nn.Linear(n_features, n) for name, n in n_classes.items()}
        self.heads = nn.ModuleDict(heads)

    def forward(self, x, *, restores=False):
        """Map (batch, 1, *spatial) to (logits, image).

        Parameters
        ----------
        x : Tensor of shape (batch, 1, *spatial)
            Sizes are multiples of the backbone's stride.
        restores : bool, default=False
            Whether the image is wanted.

        Returns
        -------
        logits : dict of str to Tensor of shape (batch, n_classes)
        image : Tensor of shape (batch, 1, *spatial), or None
        """
        features = self.backbone.features(x)
        pooled = features.float().mean(tuple(range(2, features.ndim)))
        logits = {key.removesuffix(_HEAD): head(pooled) for key, head in self.heads.items()}
        return logits, self.backbone.read_out(features) if restores else None


def transfer_weights(source, target):
    """Start a network from the weights of another of the same make; heads stay as they are.

    Where the numbers of input channels differ, the weights of the first layer are repeated for each
    channel and divided by how often, so that equal channels give what one gave.

    Parameters
    ----------
    source, target : torch.nn.Module
        `target` is changed.

    Returns
    -------
    list of str
        Parameters of `target` that were taken over.

    Raises
    ------
    ValueError
        If a parameter fits neither way.
    """
    old, state = source.state_dict(), target.state_dict()
    taken = [name for name in state if not name.startswith(_HEADS)]
    for name in taken:
        if name not in old:
            raise ValueError(f"The backbone has no {name!r}; was it made by another network?")
        state[name] = _repeated(old[name], state[name].shape, name)
    target.load_state_dict(state)
    return taken


def _repeated(weight, shape, name):
    if weight.shape == shape:
        return weight.clone()
    fits = weight.ndim == len(shape) and weight.ndim > 1
    fits = fits and (weight.shape[0], *weight.shape[2:]) == (shape[0], *shape[2:])
    if not fits or shape[1] % weight.shape[1]:
        raise ValueError(
            f"The backbone's {name!r} has shape {tuple(weight.shape)}, which does not fit "
            f"{tuple(shape)}."
        )
    times = shape[1] // weight.shape[1]
    return torch.cat([weight] * times, dim=1) / times
