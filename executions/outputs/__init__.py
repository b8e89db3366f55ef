"""Outputs that are too large for their rows: files of the default storage, which the rows name."""
