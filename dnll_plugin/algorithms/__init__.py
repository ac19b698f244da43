"""Algorithms, one file each, in the toolbox's own idiom."""
