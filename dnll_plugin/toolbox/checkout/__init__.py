"""A checkout of the toolbox: which version it is, and the block that registers the plugin."""
