"""What the bot's rows may say: enums that the schema's CHECKs come from, and tables of what may follow each state."""
