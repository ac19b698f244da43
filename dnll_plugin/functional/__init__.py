"""Pure functions of tensors and numbers: losses, negatives, schedules. Any device, no host sync."""
