"""What agents remember of earlier executions: conversations by key, kept in the project."""
