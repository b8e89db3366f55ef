"""Running an execution again from somewhere in the middle: what is taken over, and how."""
