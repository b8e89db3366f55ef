"""The transform node: reshape data without asking the outside. One file for each operation."""
