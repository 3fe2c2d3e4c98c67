"""Displays of proxy tasks and features of a pretrained network."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ..images import check_images
from ._axes import VERMILLION, Display, as_plane, show_plane, title
from ._outputs import choose_samples, find_step

_MAX_PIXELS = 20_000  # that the components are fitted to


class ProxyDisplay(Display):
    """Patches of the proxy tasks, with the predictions of the network.

    Parameters
    ----------
    patches : ndarray of shape (n_patches, height, width)
        Inputs of the network.
    answers : pandas.DataFrame
        Classes ``true_...`` and ``predicted_...`` of each proxy, one row per patch.

    Attributes
    ----------
    accuracy_ : dict of str to float
        Accuracy of each proxy.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One per patch.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sskseg import ProxyPretrainer
    >>> from sskseg.datasets import make_neuromuscular_junctions
    >>> from sskseg.report import ProxyDisplay
    >>> X, _ = make_neuromuscular_junctions(2, (64, 64), random_state=0)
    >>> pretrainer = ProxyPretrainer(("rotation",), width=4, depth=2, max_steps=3, random_state=0)
    >>> len(ProxyDisplay.from_estimator(pretrainer.fit(X), X, n_patches=6).axes_)
    6
    """

    def __init__(self, *, patches: Any, answers: Any):
        self.patches = patches
        self.answers = answers

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_patches: int = 12,
        magnification: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw patches and predictions of a fitted pretrainer, or of a pipeline with one.

        Parameters
        ----------
        estimator : ProxyPretrainer or Pipeline
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        n_patches : int, default=12
        magnification : array-like of shape (n_samples,), default=None
            As in `fit`.
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.

        Returns
        -------
        ProxyDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no pretrainer, or none of its proxies is a classification.
        """
        step, X = find_step(estimator, X, "features")
        patches, answers = step.try_proxies(X, n_patches, magnification=magnification)
        return cls(patches=patches, answers=answers).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes per patch; a single axes is divided, a figure is resized. None: a new
            figure.

        Returns
        -------
        ProxyDisplay
            The display.
        """
        names = [c.removeprefix("true_") for c in self.answers if c.startswith("true_")]
        self.accuracy_ = {
            name: float((self.answers[f"true_{name}"] == self.answers[f"predicted_{name}"]).mean())
            for name in names
        }
        height = 2.0 + 0.2 * len(names)
        axes = self._place(ax, len(self.patches), 6, size=(1.9, height))
        for i, (panel, patch) in enumerate(zip(axes, self.patches, strict=True)):
            z = len(patch) // 2 if patch.ndim == 3 else None
            show_plane(panel, as_plane(patch, patch.ndim, z), stretch=True)
            lines = [_answer(name, self.answers.iloc[i]) for name in names]
            wrong = {"color": VERMILLION} if any("(true" in line for line in lines) else {}
            panel.set_title("\n".join(lines), fontsize=8, parse_math=False, **wrong)
        return self


class FeatureDisplay(Display):
    """Images with the dense features of a pretrained network as colors.

    The first principal component is drawn as lightness, the second from blue to yellow, the third
    from green to red, so that color-blind readers see the main differences.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
    features : list of ndarray of shape (*spatial, n_features)

    Attributes
    ----------
    colors_ : list of ndarray of shape (height, width, 3)
        The middle section of a volume.
    explained_ : ndarray of shape (3,)
        Explained share of the variance.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        Image and features of each image.
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.report import FeatureDisplay
    >>> rng = np.random.default_rng(0)
    >>> X, features = rng.random((1, 16, 16)), rng.random((1, 16, 16, 5))
    >>> FeatureDisplay.from_predictions(X, features).colors_[0].shape
    (16, 16, 3)
    """

    def __init__(self, *, images: Any, features: Any):
        self.images = images
        self.features = features

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        indices: Sequence[int] | None = None,
        max_images: int = 3,
        ax: Any = None,
    ) -> Self:
        """Draw the features of a fitted pretrainer, or of a pipeline with one.

        Parameters
        ----------
        estimator : ProxyPretrainer or Pipeline
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        indices : sequence of int, default=None
            Indices of the samples to show; None: up to `max_images`, evenly spaced.
        max_images : int, default=3
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.

        Returns
        -------
        FeatureDisplay
            The display, drawn.
        """
        step, X = find_step(estimator, X, "features")
        images = check_images(X, step.spatial_ndim)
        indices = choose_samples(len(images), (), max_images) if indices is None else indices
        images = [images[i] for i in indices]
        return cls.from_predictions(images, step.features(images), ax=ax)

    @classmethod
    def from_predictions(cls, X: Any, features: Any, *, ax: Any = None) -> Self:
        """Draw features.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        features : array-like of float, shape (n_samples, *spatial, n_features), or list
        ax : Axes, array of Axes or Figure, default=None
            As in `plot`.

        Returns
        -------
        FeatureDisplay
            The display, drawn.
        """
        return cls(images=list(X), features=[np.asarray(f) for f in features]).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the display.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Two axes per image; a single axes is divided, a figure is resized. None: a new
            figure.

        Returns
        -------
        FeatureDisplay
            The display.
        """
        ndim = self.features[0].ndim - 1
        planes = [f[len(f) // 2] if ndim == 3 else f for f in self.features]
        self.colors_, self.explained_ = feature_colors(planes)
        axes = self._place(ax, 2 * len(planes), 4).reshape(-1, 2)
        for i, (panels, image, colors) in enumerate(
            zip(axes, self.images, self.colors_, strict=True)
        ):
            z = len(image) // 2 if ndim == 3 else None
            show_plane(panels[0], as_plane(image, ndim, z), stretch=True)
            show_plane(panels[1], colors)
            title(panels[0], f"image {i}" if z is None else f"image {i}, section {z}")
            title(panels[1], f"features ({100 * self.explained_.sum():.0f} % of variance)")
        return self


def feature_colors(planes):
    """Map three principal components of features to colors.

    Parameters
    ----------
    planes : list of ndarray of shape (height, width, n_features)

    Returns
    -------
    colors : list of ndarray of shape (height, width, 3)
        In [0, 1].
    explained : ndarray of shape (3,)
        Share of the variance.
    """
    from skimage.color import lab2rgb
    from sklearn.decomposition import PCA

    pixels = np.concatenate([plane.reshape(-1, plane.shape[-1]) for plane in planes])
    some = pixels[:: max(1, len(pixels) // _MAX_PIXELS)]
    n = min(3, *some.shape)
    components = PCA(n, svd_solver="full").fit(some)
    explained = np.zeros(3)
    explained[:n] = components.explained_variance_ratio_
    low, high = np.percentile(components.transform(some), (1, 99), axis=0)
    width = np.maximum(high - low, 1e-6 * max((high - low).max(), 1e-12))  # do not amplify noise
    colors = []
    for plane in planes:
        scores = components.transform(plane.reshape(-1, plane.shape[-1]))
        scaled = np.full((len(scores), 3), 0.5)
        scaled[:, :n] = (0.5 + (scores - (low + high) / 2) / width).clip(0, 1)
        # Lightness, then blue to yellow (b), then green to red (a).
        lab = np.stack([20 + 70 * scaled[:, 0], *(80 * scaled[:, k] - 40 for k in (2, 1))], axis=1)
        colors.append(lab2rgb(lab).reshape(*plane.shape[:-1], 3))
    return colors, explained


def _answer(name, row):
    true, predicted = row[f"true_{name}"], row[f"predicted_{name}"]
    text = f"{name} {_short(predicted)}"
    return text if true == predicted else f"{text} (true {_short(true)})"


def _short(value):
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)
