"""Stop-gradient and EMA where M is not symmetric and no orthogonal units are known: numeric."""
