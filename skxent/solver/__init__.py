"""The way to the optimum: L-BFGS in preconditioned variables, and the final judgement.

`minimise` is the door. Imports from `model` and `data`.
"""
