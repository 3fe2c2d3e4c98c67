"""``python -m sskseg.cli`` is the command line `sskseg`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
