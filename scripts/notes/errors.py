"""The one error that is meant for people."""


class UserError(Exception):
    """Something that the user can mend: WHAT went wrong and where, and the REMEDY.

    Never put note text into either: errors are printed and logged. File names, line numbers, ids and counts are enough.
    """

    def __init__(self, what: str, remedy: str = ""):
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}" if self.remedy else self.what
