"""The mathematics: losses, penalties, the objective, its curvature, its certificate.

Everything is a sum over blocks of rows; nothing here knows how they are stored or how
the objective is minimised. Imports from `data` only.
"""
