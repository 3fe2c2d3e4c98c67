"""`PretrainedEncoder`: an encoder that others trained, from a file of weights."""

from __future__ import annotations

import copy
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import StrOptions
from torch import nn

from ..io.registry import register
from ..io.weights import read_weights
from .encoder_decoder import Encoder, EncoderDecoder

_COUNTERS = "num_batches_tracked"  # of batch normalization, which old files lack
_UNUSED = ("mask_token",)  # of DINOv2, for its own pretraining
_MAX_NAMES = 3  # in a message


@register
class PretrainedEncoder(BaseEstimator):
    """An encoder that others trained, with a light decoder that learns.

    It is given as `network` to a `SemiSupervisedSegmenter`, or as `features` to a `PixelForest`.
    Nothing is downloaded: the architecture comes from an installed library, the weights from a file
    that you have.

    Parameters
    ----------
    architecture : str or torch.nn.Module
        A name of `timm` or `torchvision`, such as "resnet18", or "vit_small_patch14_dinov2" for
        DINOv2 [1]_. Or a module of your own, which is copied: it maps (batch, channels of the
        images, height, width) to a list of feature maps (batch, n, height / r, width / r) from fine
        to coarse.
    weights : str, path-like or None, default=None
        File of weights, .safetensors, or .pth or .pt of ``torch.save``, of which only tensors are
        read. It is read when training starts, and not needed afterwards: the fitted weights are in
        the model file. Only a module of your own may do without.
    library : {"timm", "torchvision"}, default="timm"
        Where the architecture comes from. Of torchvision, only convolutional networks whose parts
        follow each other: ResNet, ResNeXt, ConvNeXt, EfficientNet, DenseNet, VGG and others.
    frozen : bool, default=True
        Whether the encoder stays as it is, statistics of batch normalization included. Otherwise it
        is fine-tuned as a backbone is, see `finetune` of the segmenter.

    Notes
    -----
    Channels of images are mapped to the three of an encoder: one is repeated, of more than three
    every third is averaged. Images are standardized by the estimator, so that those of ImageNet's
    mean and standard deviation need nothing further. The network has no `reach`, since many
    encoders read the whole image: images are predicted as a whole, and scans are refused. So are
    volumes.

    References
    ----------
    .. [1] Oquab et al. DINOv2: Learning robust visual features without supervision. TMLR 2024.
       :doi:`10.48550/arXiv.2304.07193`

    Examples
    --------
    >>> from torch import nn
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.nn import PretrainedEncoder
    >>> class Tiny(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = nn.ModuleList([nn.Conv2d(1, 8, 2, 2), nn.Conv2d(8, 16, 2, 2)])
    ...
    ...     def forward(self, x):
    ...         first = self.layers[0](x).relu()
    ...         return [first, self.layers[1](first)]
    >>> segmenter = SemiSupervisedSegmenter(PretrainedEncoder(Tiny()))
    >>> segmenter.set_params(network__frozen=False).network.frozen
    False
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "architecture": [str, nn.Module],
        "weights": [str, os.PathLike, None],
        "library": [StrOptions({"timm", "torchvision"})],
        "frozen": ["boolean"],
    }

    def __init__(
        self,
        architecture: str | nn.Module,
        weights: str | os.PathLike[str] | None = None,
        *,
        library: str = "timm",
        frozen: bool = True,
    ):
        self.architecture = architecture
        self.weights = weights
        self.library = library
        self.frozen = frozen

    def __call__(
        self, in_channels: int, out_channels: int, *, width: int = 16, depth: int = 4, ndim: int = 2
    ) -> EncoderDecoder:
        """Build the network; its encoder gets its weights from `load_weights`.

        Parameters
        ----------
        in_channels, out_channels : int
        width : int, default=16
            Channels of the decoder at the resolution of the image.
        depth : int
            Not used: the encoder has a depth of its own.
        ndim : int

        Returns
        -------
        EncoderDecoder

        Raises
        ------
        ValueError
            For volumes, an unknown architecture, or one that returns no feature maps.
        ImportError
            If the library is not installed.
        """
        if ndim != 2:
            raise ValueError(f"PretrainedEncoder takes images of 2 axes, got spatial_ndim={ndim}.")
        encoder = self.make_encoder(in_channels)
        return EncoderDecoder(encoder, in_channels, out_channels, width=width)

    def make_encoder(self, in_channels: int) -> Encoder:
        """Build the encoder alone, with random weights or those of a module of your own.

        Parameters
        ----------
        in_channels : int

        Returns
        -------
        Encoder

        Raises
        ------
        ValueError, ImportError
            As in `__call__`.
        """
        self._validate_params()
        if isinstance(self.architecture, nn.Module):
            model, extract, mixes = copy.deepcopy(self.architecture), _extract, False
        elif self.weights is None:
            raise ValueError(
                f"weights must be a file of weights of {self.architecture!r}: nothing is "
                "downloaded. Got None."
            )
        else:
            model, extract = _LIBRARIES[self.library](self.architecture)
            mixes = True
        return Encoder(model, extract, in_channels, mixes=mixes, frozen=self.frozen)

    def load_weights(self, encoder: Encoder) -> None:
        """Read the file, and give its weights to an encoder that `make_encoder` built.

        Parameters
        ----------
        encoder : Encoder
            Modified.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        OSError
            If it cannot be read.
        ValueError
            If it is damaged, or does not fit the architecture; the message names it.
        """
        if self.weights is None:
            return
        where = f"{os.fspath(self.weights)} does not fit {_name(self.architecture)}"
        model, state = encoder.model, read_weights(self.weights)
        if isinstance(self.architecture, str):
            state = _renamed(state, model)
        expected = model.state_dict()
        _check_fit(state, expected, where)
        kept = {name: weight for name, weight in state.items() if name in expected}
        model.load_state_dict(kept, strict=False)  # counters may be missing


def _extract(model, x):
    found = model(x)
    return [found] if isinstance(found, torch.Tensor) else found


def _timm_model(name):
    timm = _library("timm")
    if not timm.is_model(name):
        raise ValueError(
            f"architecture must be one of timm.list_models(), or a module, got {name!r}."
        )
    options = {"pretrained": False, "num_classes": 0}
    try:
        model = timm.create_model(name, **options, dynamic_img_size=True)
    except TypeError:  # other networks than transformers take any size
        model = timm.create_model(name, **options)
    if not hasattr(model, "forward_intermediates"):
        raise ValueError(f"architecture must be one that returns feature maps, got {name!r}.")
    model.prune_intermediate_layers(None, prune_head=True)
    return model, _extract_of_timm


def _extract_of_timm(model, x):
    return model.forward_intermediates(x, norm=True, intermediates_only=True)


def _torchvision_model(name):
    models = _library("torchvision").models
    known = models.list_models(module=models)  # others download an encoder of their own
    if name not in known:
        raise ValueError(
            "architecture must be one of torchvision.models.list_models(module=torchvision.models),"
            f" or a module, got {name!r}."
        )
    model = models.get_model(name, weights=None)
    names = [child for child, _ in model.named_children()]
    last = next((part for part in ("features", "layer4") if part in names), None)
    if last is None:
        raise ValueError(
            f"The parts of {name!r} do not follow each other: take it from timm, or give a module."
        )
    kept = names[: names.index(last) + 1]
    return nn.Sequential(
        OrderedDict((part, getattr(model, part)) for part in kept)
    ), _extract_in_turn


def _extract_in_turn(model, x):
    for layer in getattr(model, "features", model):
        x = layer(x)
        yield x


_LIBRARIES: dict[str, Callable[[str], tuple[nn.Module, Callable[..., Iterable]]]] = {
    "timm": _timm_model,
    "torchvision": _torchvision_model,
}


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except (ImportError, RuntimeError) as error:  # the latter: torchvision of another torch
        raise ImportError(
            f"Encoders of {name} need this library, and a torchvision that fits torch: "
            f'pip install "sskseg[encoders]" ({error})'
        ) from error


def _renamed(state, model):
    """Weights by the names of timm, which knows those of the authors of many networks."""
    rename = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if rename is None or state.keys() == model.state_dict().keys():
        return state
    try:
        return rename(dict(state), model)
    except (LookupError, AttributeError, RuntimeError, ValueError):
        return state  # of another network, as `_check_fit` says


def _check_fit(state, expected, where):
    missing = [n for n in expected if n not in state and not n.endswith(_COUNTERS)]
    if missing:
        raise ValueError(f"{where}: it lacks {_first(missing)}, and has {_first([*state])}.")
    parts = {name.partition(".")[0] for name in expected}
    unknown = [n for n in state if n not in expected and not _is_head(n, parts)]
    if unknown:
        raise ValueError(f"{where}: it has {_first(unknown)}, which the encoder lacks.")
    wrong = [n for n in state if n in expected and state[n].shape != expected[n].shape]
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"{where}: {name} has shape {tuple(state[name].shape)}, expected "
            f"{tuple(expected[name].shape)}; {len(wrong)} in all."
        )


def _is_head(name, parts):
    """Whether a weight belongs to what follows an encoder: a part that the encoder lacks."""
    part, _, inside = name.partition(".")
    return name in _UNUSED or (bool(inside) and part not in parts)


def _first(names):
    more = len(names) - _MAX_NAMES
    shown = ", ".join(names[:_MAX_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def _name(architecture):
    return repr(architecture) if isinstance(architecture, str) else type(architecture).__name__
