"""A parser of the command line that suggests what was meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser`, whose errors suggest a command, an option or a choice."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; a command refuses what is unknown, since it knows its options."""
        self._given = args or ()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Exit with a message, what was probably meant, and where all options are."""
        from ..io.trained import did_you_mean  # imports numpy, for which --help does not wait

        choice = re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message)
        if choice:
            hint = did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
        else:
            known = [*self._option_string_actions]
            hint = "".join(did_you_mean(name, known) for name in self._unknown_options(known))
        text = f"{message}.{hint}" if hint else message
        self.exit(2, f"{self._short_usage()}\n{self.prog}: error: {text}\n")

    def _short_usage(self) -> str:
        """What a command needs in one line; ``fit`` has dozens of options."""
        formatter = self._get_formatter()
        formatter.add_usage(None, [each for each in self._actions if each.required], [])
        usage = " ".join(formatter.format_help().split())
        return f"{usage} [OPTIONS] (see {self.prog} --help)"

    def _unknown_options(self, known: Sequence[str]) -> Iterator[str]:
        """Names of options that were given and do not exist, not even for what they begin."""
        for name in (argument.partition("=")[0] for argument in self._given):
            if name.startswith("--") and not any(option.startswith(name) for option in known):
                yield name
