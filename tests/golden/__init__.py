"""What the program says, word for word: command lines and claims with the answers they must have."""
