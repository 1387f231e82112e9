"""Search under a budget: a trained network is shrunk step by step until it costs what it may.

After NetAdapt (Yang et al., arXiv:1804.03230): every group of channels proposes the smallest cut
that saves what a step has to save, each is trained for a short while, and the most accurate wins.
"""
