"""What a semi-supervised method is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from sklearn.base import BaseEstimator

from ...io.registry import register

if TYPE_CHECKING:
    from .._training import Training

METHODS: dict[str, type[SemiSupervisedMethod]] = {}

Loss = Callable[[torch.nn.Module, Any, float], torch.Tensor]


class Correction(NamedTuple):
    """What corrects the predictions of consecutive sections after training.

    Parameters
    ----------
    network : torch.nn.Module
        Maps the probabilities of ``2 * context + 1`` neighboring sections, as channels, to logits
        of the section in the middle.
    context : int
        Sections on each side.
    """

    network: torch.nn.Module
    context: int


class SemiSupervisedMethod(BaseEstimator):
    """A way to learn from unlabeled pixels.

    A subclass overrides the hooks that it needs; `SemiSupervisedSegmenter.fit` calls them on a
    clone, in the order in which they stand here. A subclass with a `name` is found by it,
    ``SemiSupervisedSegmenter(semi_supervision="my-name")``, if its constructor needs no argument.

    Attributes
    ----------
    name : str
    needs_neighbors : bool
        Whether the method is for consecutive sections only.
    has_teacher : bool
        Whether the method trains against the moving average of the network; of such methods one
        can be used at a time.
    time_share : float
        Share of `time_budget` to leave for what follows the training of the network.
    reads_probabilities : bool
        Whether `correct` reads the probabilities of ``training.last_pseudo_labels``; where no
        method does, they are not kept.
    training : Training
        Set by `start`: data, batches, budget and random generator of this fit.

    Examples
    --------
    Entropy minimization (Grandvalet and Bengio, :doi:`10.48550/arXiv.cs/0412003`):

    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.segmentation.semi_supervised import SemiSupervisedMethod
    >>> class EntropyMinimization(SemiSupervisedMethod):
    ...     name = "entropy-minimization"
    ...
    ...     def __init__(self, weight=0.1):
    ...         self.weight = weight
    ...
    ...     def loss(self, supervised):
    ...         batches = self.training.unlabeled_batches()
    ...         activate = self.training.objective.activate
    ...
    ...         def total(network, batch, progress):
    ...             p = activate(network(next(batches).images)).clamp(1e-4, 1 - 1e-4)
    ...             entropy = -(p * p.log() + (1 - p) * (1 - p).log()).mean()
    ...             return supervised(network, batch, progress) + self.weight * entropy
    ...
    ...         return total
    >>> segmenter = SemiSupervisedSegmenter(semi_supervision=EntropyMinimization(weight=0.2))
    """

    name: str = ""
    needs_neighbors: bool = False
    has_teacher: bool = False
    time_share: float = 0.03
    reads_probabilities: bool = True
    training: Training

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if vars(cls).get("name"):  # of its own: a variant of another does not take its place
            METHODS[cls.name] = register(cls)

    def start(self, training: Training) -> None:
        """Prepare for one fit.

        Parameters
        ----------
        training : Training
        """
        self.training = training

    def loss(self, supervised: Loss) -> Loss:
        """Return the loss to minimize.

        Parameters
        ----------
        supervised : callable
            ``supervised(network, batch, progress) -> scalar Tensor``, of labeled batches; with
            several methods, what the one before returned. `progress` rises from 0 to 1.

        Returns
        -------
        callable
            With the same arguments.
        """
        return supervised

    def callbacks(self) -> list[tuple[float, Callable[[torch.nn.Module], None]]]:
        """Return what to call during training.

        Returns
        -------
        list of (float, callable)
            ``(progress, function)``: ``function(average)`` is called once, when that share of the
            budget is used up, with the moving average of the network in evaluation mode.
        """
        return []

    def correct(self, network: torch.nn.Module) -> Correction | None:
        """Learn what corrects predictions, once `network` is trained.

        Returns
        -------
        Correction or None
        """
        return None


def make_method(method: str | SemiSupervisedMethod) -> SemiSupervisedMethod:
    """Return a semi-supervised method by its name, or as it is.

    Parameters
    ----------
    method : str or SemiSupervisedMethod

    Returns
    -------
    SemiSupervisedMethod

    Raises
    ------
    ValueError
        For an unknown name or another object.
    """
    if isinstance(method, SemiSupervisedMethod):
        return method
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]()
    raise ValueError(
        f"semi_supervision must be 'auto', None, or one or several of {tuple(METHODS)}, got "
        f"{method!r}."
    )
