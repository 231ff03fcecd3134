"""Whole-number arithmetic that cannot wrap in silence."""

from typing import Final

from numba import njit

INT64_MAX: Final = 2**63 - 1
_SMALL_BITS: Final = 31


@njit(inline="always")
def product(a: int, b: int) -> int:
    """``a * b`` of two numbers that are not negative; -1 when an int64 cannot hold it, or when ``a`` is -1 already."""
    if (a | b) >> _SMALL_BITS == 0:
        return a * b
    if a < 0 or (a > 0 and b > INT64_MAX // a):
        return -1
    return a * b


@njit(cache=True)
def share(whole: int, part: int, parts: int) -> int:
    """``whole * part // parts`` for ``0 <= part <= parts``, exact although the product may pass 64 bits."""
    assert 0 <= part <= parts
    assert whole >= 0
    if parts == 0:
        return 0
    rest = whole % parts
    return whole // parts * part + (rest * part // parts if parts >> _SMALL_BITS == 0 else _share_bit_by_bit(rest, part, parts))


@njit(cache=True)
def _share_bit_by_bit(rest: int, part: int, parts: int) -> int:
    """``rest * part // parts`` for ``rest < parts``, ``part <= parts <= 2**62``: long division, a bit of ``part`` a step."""
    quotient, remainder = 0, 0
    for bit in range(62, -1, -1):
        quotient, remainder = 2 * quotient, 2 * remainder
        if remainder >= parts:
            quotient, remainder = quotient + 1, remainder - parts
        if part >> bit & 1:
            remainder += rest
        if remainder >= parts:
            quotient, remainder = quotient + 1, remainder - parts
    return quotient
