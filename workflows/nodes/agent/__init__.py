"""The agent: a model with instructions, tools, limits, and a memory."""
