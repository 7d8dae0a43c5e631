"""Rows: what a model learns from, and how it is read.

Containers and labels are checked here as far as NumPy would misread them. Rows are read
in blocks, by several threads. Imports nothing from the other rooms.
"""
