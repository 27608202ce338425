"""Runs a module as a program that ends when the bench does, however that ends."""

import runpy
import sys

from chatrouting.serving.parent import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
