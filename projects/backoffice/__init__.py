"""What all pages of the admin share: how lists are counted, what is shown of data, how actions are done and told."""
