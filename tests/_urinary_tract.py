"""Urinary tract infections of 239 women, and what R says of them.

The data come with the R package logistf as ``sexagg``, which cites the manual of
LogXact 9 (Cytel, 2010): one line for each kind of woman, and how many there were. The
numbers are those that the package prints for ``logistf(case ~ age + oc + vic + vicl +
vis + dia, data = sex2)``, as quoted on https://pypi.org/project/firthlogist and in the
tests of the R package parameters.
"""

import numpy as np

FEATURES = ["age", "oc", "vic", "vicl", "vis", "dia"]
# case, then the features, then the count
LINES = """
0000010 1, 0001000 2, 0001010 1, 0001100 8, 0001110 18, 0010000 42, 0010010 1,
0011000 1, 0011100 5, 0011110 6, 0101100 2, 0101110 4, 0110000 14, 0110010 1,
0111000 1, 0111110 2, 1000010 1, 1001000 14, 1001010 3, 1001100 10, 1001110 12,
1001111 1, 1010000 44, 1010001 3, 1011000 15, 1011001 1, 1011010 2, 1011100 7,
1011110 3, 1101000 2, 1101010 1, 1101011 1, 1101100 1, 1101111 1, 1110000 5,
1111000 3
"""
ESTIMATES = [-1.10598, -0.0688167, 2.26887, -2.11141, -0.788317, 3.09601]
INTERCEPT = 0.120254
STANDARD_ERRORS = [0.42366, 0.443793, 0.548416, 0.543082, 0.417368, 1.67501]
INTERVALS = [
    [-1.97379, -0.307427],
    [-0.941436, 0.789202],
    [1.27304, 3.43543],
    [-3.26086, -1.11774],
    [-1.60809, 0.0151846],
    [0.774568, 8.03028],
]
CHI2 = [7.51, 0.02, 22.93, 19.10, 3.70, 7.90]
PENALISED_LOG_LIKELIHOOD = -132.5394


def load():
    """Return X, y and the counts."""
    pairs = [line.split() for line in LINES.replace("\n", " ").split(",")]
    digits = np.array([[int(digit) for digit in kind] for kind, _ in pairs])
    return digits[:, 1:], digits[:, 0], np.array([int(count) for _, count in pairs])
