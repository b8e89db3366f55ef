"""The webhook node: its actions, a module each."""
