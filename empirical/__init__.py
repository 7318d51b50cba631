"""The measured half: training, and how it compares with what `equilibria` predicts.

    runs         run folders: configuration, metrics, trajectory, checkpoints, summary
    collapse     `diagnose`: have these outputs collapsed
    images       data sets and their augmentation
    linear       linear encoders: one by autograd, or thousands at once by the map or the flow,
                 classified by the stratum that they reach
    networks     SimSiam, BYOL and their kin, trained and watched
    overlay      runs over their prediction
    experiments  the claims that need runs
    commands     simulate, train, overlay, and the program

Importing the package does not import torch.
"""
