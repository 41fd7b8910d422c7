"""Runs the command line: ``python -m monai_topoloss``."""

import sys

from monai_topoloss.cli import main

if __name__ == "__main__":
    sys.exit(main())
