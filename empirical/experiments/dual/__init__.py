"""Dual deep networks: what one step of contrastive learning does to the weights of each layer.

Two copies of a deep ReLU network see two views of a sample; the weights are shared. Tian, Yu, Chen
and Ganguli 2020 (arXiv 2010.00578) show that gradient descent on a contrastive loss multiplies the
weights of each layer by a *covariance operator*, positive semidefinite, that amplifies what survives
the average over augmentations and varies over data; and that on data from a tree of hidden binary
variables the hidden units of the network come to follow those variables.

    network      the ReLU network and its connections K_l
    contrast     the three losses, and the weight xi of each negative
    expectation  their expectation over a finite data set with finitely many augmentations
    operator     the covariance operator, and nearby operators that are wrong
    measure      the step that torch.optim.SGD takes, against the operator
    data         small data sets with a finite list of augmentations
    covariance   the experiment, and its figure
    tree         the hierarchical latent tree model, and the best that its leaves can tell
    treenet      a network with the shape of the tree, trained on pairs that share the root
    hltm         the experiment, and its figure

Importing the package does not import torch.
"""
