"""Numbers as text, also where they underflow or overflow."""

import numpy as np


def number(x: float) -> str:
    """Return a number with four significant digits."""
    return f"{x:.4g}"


def exponential(log: float, digits: int) -> str:
    """Return exp(log) as text; it may be too small or too large for a float.

    Parameters
    ----------
    log : float
        A natural logarithm.
    digits : int
        The number of significant digits.
    """
    if not abs(log) > 700:
        return f"{np.exp(log):.{digits}g}"
    exponent, mantissa = divmod(log / np.log(10), 1)
    shown = f"{10**mantissa:.{digits - 1}f}"
    if shown.startswith("10"):
        shown, exponent = f"{1:.{digits - 1}f}", exponent + 1
    return f"{shown}e{int(exponent):+d}"
