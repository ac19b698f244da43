"""Learning from pseudo-negative labels for the semi-supervised learning toolbox USB."""
