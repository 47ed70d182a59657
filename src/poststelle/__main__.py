"""`python -m poststelle` is `poststelle`."""

import sys

from poststelle.run.cli import main

sys.exit(main())
