"""Predictions that anybody made, in the forms that the field's tools write, joined with a split's questions.

`files` finds records in a file, `forms` says what their columns mean, `matching` finds each one's question and names
all that does not fit. None of them scores anything.
"""

from benchmarks.submissions.elsewhere import ids_elsewhere, questions_of
from benchmarks.submissions.matching import partial_sentence, read_results

__all__ = ["ids_elsewhere", "partial_sentence", "questions_of", "read_results"]
