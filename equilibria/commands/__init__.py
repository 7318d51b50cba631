"""The commands of the symbolic half: a table of options, a frozen question, an answer.

Each module has its `COMMAND`. `options` says what an option is, `tables` holds those that several
commands share, `parser` makes a parser of a table, `answer` writes and prints what a command found.
Nothing below imports from here.
"""
