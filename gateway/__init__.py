"""The only door in: who asks, what they may, in which form, and what may leave."""
