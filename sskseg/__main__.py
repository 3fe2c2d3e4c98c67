"""``python -m sskseg`` is the command line `sskseg`."""

import sys

from .cli import main

sys.exit(main())
