"""What is kept of a session: the audit log, comments beside it, and the exports."""
