"""`python -m facevid`: the command line."""

import sys

from facevid.cli import main

sys.exit(main())
