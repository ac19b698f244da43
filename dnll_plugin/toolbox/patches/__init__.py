"""The changes of the behaviour of the toolbox, all in one table."""
