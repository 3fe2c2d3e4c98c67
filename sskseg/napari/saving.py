"""Saving in a thread."""

from __future__ import annotations

from .session import Session
from .task import Task


class Saving(Task):
    """Save all changes of a session that are not saved yet, in a thread.

    Each image is saved as it is at one moment; what is painted meanwhile is left to the next run.

    Parameters
    ----------
    session : Session
        With ``saves_at_once=False``.
    """

    def __init__(self, session: Session):
        super().__init__()
        self.session = session

    def start(self) -> None:
        """Start to save."""
        self._start(sorted(self.session.unsaved))

    def _work(self, names):
        for name in names:
            if name in self.session.samples:  # it may be removed meanwhile
                self.session.save(name)
