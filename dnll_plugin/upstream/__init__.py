"""A series of patches for the maintainers of the toolbox, made from this package and a checkout."""
