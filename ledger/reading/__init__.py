"""What the books say: history, sums and exports, always of one instant."""
