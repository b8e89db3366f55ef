"""How often, and how many at once, a project calls a host or uses a secret: in the database, for all processes together."""
