"""Spreadsheets, read and written by libraries."""
