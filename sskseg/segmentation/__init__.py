"""Foreground from few labels."""

from ._segmenter import SemiSupervisedSegmenter

__all__ = ["SemiSupervisedSegmenter"]
