"""What ``dnll bench`` is made of: cases, the passes of a step, timing, the report."""
