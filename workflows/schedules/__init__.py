"""When the clock says that something is due."""
