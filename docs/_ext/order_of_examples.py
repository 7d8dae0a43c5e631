"""The order of the gallery: what a newcomer needs comes first."""

FIRST = (
    "quickstart.py",
    "binary_walkthrough.py",
    "softmax_walkthrough.py",
    "choose_c.py",
)


class Order:
    """A key that sorts the files of a gallery: the first ones, then by name."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        place = FIRST.index(filename) if filename in FIRST else len(FIRST)
        return place, filename
