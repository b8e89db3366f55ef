"""A node type and a tool for Segue."""
