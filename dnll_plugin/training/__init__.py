"""One run: building it, the hooks that save and show it, resuming, ranks, loaders."""
