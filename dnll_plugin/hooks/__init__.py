"""Hooks: what happens around a training step, in the toolbox's sense of the word."""
