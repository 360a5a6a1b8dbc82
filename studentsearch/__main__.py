"""`python -m studentsearch`."""

import sys

from studentsearch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
