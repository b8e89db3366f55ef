"""Thousands of executions while everything around them is killed at random: ``make chaos``."""
