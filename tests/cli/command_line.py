"""The command line in the process of a test."""

from sskseg.cli import main

# A fit of a moment.
TINY = ("--width", 4, "--depth", 1, "--max-steps", 2, "--semi-supervision", "none", "--json")


def run(*arguments):
    """Run a command; return its exit code."""
    return main([str(argument) for argument in arguments])
