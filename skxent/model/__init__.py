"""The mathematics: losses, penalties, the objective, its curvature, its certificate.

All quantities are sums over blocks of rows. No module here depends on how the rows are
stored or how the objective is minimised. Imports from `data` only.
"""
