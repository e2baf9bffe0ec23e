"""Which crops made an answer."""
