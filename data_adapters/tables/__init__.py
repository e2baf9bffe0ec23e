"""Rows of questions in the files that people keep them in, and what may be odd about them."""
