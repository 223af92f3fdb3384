"""The root of every error that facevid raises on purpose; its text is the sentence a user reads."""


class FacevidError(Exception):
    """Something the user can understand and mend; `str(error)` says what, where and what to do."""
