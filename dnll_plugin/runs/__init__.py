"""The folder of a run: its paths, log, lock, records, result and curves."""
