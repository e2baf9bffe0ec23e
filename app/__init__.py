"""The viewer (`medfly app`), the demo and its report: callers of medfly's one path, with a screen or a page."""
