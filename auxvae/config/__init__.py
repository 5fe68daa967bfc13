"""What a study says: specs, the table of methods, checks, runs and fleets; neither torch nor numpy is imported here."""
