"""The measured half: training, and how it compares with what `equilibria` predicts.

    runs         run folders: configuration, metrics, trajectory, checkpoints, summary
    objectives   the losses, written once, with `stop_gradient` as a word
    target       the moving average
    linear       a linear encoder and predictor trained by autograd and torch.optim.SGD
    simulate     many linear runs at once, classified by the stratum that they reach
    flow         the flow instead of the map, each trajectory with its own step size
    experiments  the claims that need runs
    collapse     `diagnose`: have these outputs collapsed

Importing the package does not import torch.
"""
