# SPDX-License-Identifier: Apache-2.0
"""The command of a package that pip installed: becomes the program that lies in it."""

import os
import pathlib
import sys


def main():
    program = pathlib.Path(__file__).resolve().parent / "bin/deeptm"
    try:
        os.execv(program, ["deeptm", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"deeptm: error: {program}: {error.strerror}; install the package anew: pip install --force-reinstall deeptm")


if __name__ == "__main__":
    main()
