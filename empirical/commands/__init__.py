"""The program, and the commands of the measured half; the others are in `equilibria.commands`.

`program.run` is the console script. Nothing here imports torch before a command needs it.
"""
