"""What calls of models cost: prices, the ledger, budgets, and statistics of it."""
