"""The path to the optimum: L-BFGS in preconditioned variables, and its verification.

`minimise` is the entry point. Imports from `model` and `data`.
"""
