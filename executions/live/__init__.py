"""What happens to an execution, told while it happens."""
