"""The exit codes of every command.

UNDECIDED also stands for memory that ran out. 141 is the code where nobody reads the output any more.
"""

DONE, FAILED, BAD_INPUT, UNDECIDED, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 130
