"""What is made of the moments that a search finds: clips, a sheet, a player opened at the right time."""
