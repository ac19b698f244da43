"""What ``dnll compare`` is made of: planning runs, running them, statistics, the report."""
