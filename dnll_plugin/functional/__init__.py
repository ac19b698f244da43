"""Pure functions of tensors and numbers: losses, negatives, schedules."""
