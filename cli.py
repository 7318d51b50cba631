"""`python cli.py ...` in a checkout is the console script `noncollapse ...`."""

from empirical.commands.program import run

if __name__ == "__main__":
    run()
