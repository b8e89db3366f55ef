"""The trigger node: why an execution starts. One file for each kind of trigger."""
