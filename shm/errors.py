"""What can go wrong with a segment. Faults of the environment, each with one clear sentence."""


class SegmentError(Exception):
    """A segment cannot be made or used; the message names it and says why."""


class SegmentBusy(SegmentError):  # noqa: N818 - it is a state of affairs
    """Another live process writes the segment."""


class SegmentMismatch(SegmentError):  # noqa: N818
    """The segment has another layout, version or size; the message names both."""


class SegmentAbsent(SegmentError):  # noqa: N818
    """The segment did not appear in time."""


class CutLoose(SegmentError):  # noqa: N818
    """This reader was too slow for too long; the writer has gone on without it. It catches up from the journal."""
