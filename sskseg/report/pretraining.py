"""Displays of what a pretrained network sees."""

import numpy as np

from ..images import check_images
from ._axes import VERMILLION, Display, as_plane, show_plane, title
from ._outputs import choose_rows, find_step

_MAX_PIXELS = 20_000  # that the components are found on


class ProxyDisplay(Display):
    """Patches of the proxy tasks, with what the network answers.

    Parameters
    ----------
    patches : ndarray of shape (n_patches, height, width)
        As the network sees them.
    answers : pandas.DataFrame
        For each patch and proxy ``true_...`` and ``predicted_...``.

    Attributes
    ----------
    accuracy_ : dict of str to float
        Share of right answers for each proxy.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        One for each patch.
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

    def __init__(self, *, patches, answers):
        self.patches = patches
        self.answers = answers

    @classmethod
    def from_estimator(cls, estimator, X, *, n_patches=12, magnification=None, ax=None):
        """Draw patches and answers of a fitted pretrainer, or of a pipeline with one.

        Parameters
        ----------
        estimator : ProxyPretrainer or Pipeline
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        n_patches : int, default=12
        magnification : array-like of shape (n_samples,), default=None
            As for `fit`.
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.

        Returns
        -------
        ProxyDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is no pretrainer, or its proxies tell no classes.
        """
        step, X = find_step(estimator, X, "features")
        patches, answers = step.try_proxies(X, n_patches, magnification=magnification)
        return cls(patches=patches, answers=answers).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            One axes for each patch; one axes is divided, and a figure resized. None is a new
            figure.

        Returns
        -------
        ProxyDisplay
            Itself.
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

    The first principal component is shown as lightness, the second from blue to yellow, the third
    from green to red, so that what differs most is not told by red and green.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial) or (*spatial, n_channels)
    features : list of ndarray of shape (*spatial, n_features)

    Attributes
    ----------
    colors_ : list of ndarray of shape (height, width, 3)
        Of the middle section, of a volume.
    explained_ : ndarray of shape (3,)
        Share of the variance.
    ax_ : matplotlib.axes.Axes
        The first panel.
    axes_ : ndarray of matplotlib.axes.Axes
        Image and features of one image after the other.
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

    def __init__(self, *, images, features):
        self.images = images
        self.features = features

    @classmethod
    def from_estimator(cls, estimator, X, *, rows=None, max_images=3, ax=None):
        """Draw the features of a fitted pretrainer, or of a pipeline with one.

        Parameters
        ----------
        estimator : ProxyPretrainer or Pipeline
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        rows : sequence of int, default=None
            Samples to show; None: up to `max_images`, evenly spaced.
        max_images : int, default=3
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.

        Returns
        -------
        FeatureDisplay
            Drawn.
        """
        step, X = find_step(estimator, X, "features")
        images = check_images(X, step.spatial_ndim)
        rows = choose_rows(len(images), (), max_images) if rows is None else rows
        images = [images[i] for i in rows]
        return cls.from_predictions(images, step.features(images), ax=ax)

    @classmethod
    def from_predictions(cls, X, features, *, ax=None):
        """Draw features.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        features : array-like of float, shape (n_samples, *spatial, n_features), or list
        ax : Axes, array of Axes or Figure, default=None
            As for `plot`.

        Returns
        -------
        FeatureDisplay
            Drawn.
        """
        return cls(images=list(X), features=[np.asarray(f) for f in features]).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : Axes, array of Axes or Figure, default=None
            Two axes for each image; one axes is divided, and a figure resized. None is a new
            figure.

        Returns
        -------
        FeatureDisplay
            Itself.
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
    """Three principal components as colors.

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
    width = np.maximum(high - low, 1e-6 * max((high - low).max(), 1e-12))  # no noise of nothing
    colors = []
    for plane in planes:
        found = components.transform(plane.reshape(-1, plane.shape[-1]))
        scaled = np.full((len(found), 3), 0.5)
        scaled[:, :n] = (0.5 + (found - (low + high) / 2) / width).clip(0, 1)
        # Lightness, then blue to yellow (b), then green to red (a).
        lab = np.stack([20 + 70 * scaled[:, 0], *(80 * scaled[:, k] - 40 for k in (2, 1))], axis=1)
        colors.append(lab2rgb(lab).reshape(*plane.shape[:-1], 3))
    return colors, explained


def _answer(name, row):
    true, found = row[f"true_{name}"], row[f"predicted_{name}"]
    text = f"{name} {_short(found)}"
    return text if true == found else f"{text} (true {_short(true)})"


def _short(value):
    return f"{value:g}" if isinstance(value, (int, float, np.number)) else str(value)
