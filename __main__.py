"""`python -m prsbench`: the command line, where the installed command is not on the path."""

import sys

from prsbench.run_benchmark import main

sys.exit(main())
