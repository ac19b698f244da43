"""What is installed, what does not work together, and how to mend it."""
