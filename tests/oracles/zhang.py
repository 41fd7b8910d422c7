"""The rule of Zhang and Suen's thinning, with scikit-image's exceptions, and a program that writes it as operations."""

from __future__ import annotations

# Neighbours, clockwise, as bits of a code: NW, N, NE, E, SE, S, SW, W.
_N, _E, _S, _W = 1, 3, 5, 7
# scikit-image's table differs from the published rule in these codes: in which passes, 1 and 2 as bits, the pixel goes.
_EXCEPTIONS = {
    0b0000_0011: 1, 0b0000_0110: 1, 0b0000_1010: 3, 0b0000_1011: 1, 0b0000_1100: 1, 0b0000_1110: 1, 0b0001_1000: 2,
    0b0001_1010: 2, 0b0010_1000: 3, 0b0011_0000: 0, 0b0011_1000: 2, 0b0110_0000: 2, 0b0110_1000: 2, 0b0110_1100: 2,
    0b1000_0001: 0, 0b1000_0010: 3, 0b1000_0011: 1, 0b1000_0110: 1, 0b1010_0000: 3, 0b1010_0001: 1, 0b1011_0000: 2,
    0b1100_0000: 2, 0b1100_0010: 1, 0b1100_0110: 1, 0b1110_0000: 2,
}  # fmt: skip


def goes(code: int, in_pass: int) -> bool:
    """Whether a pixel with these neighbours goes in pass 1 or 2."""
    if code in _EXCEPTIONS:
        return bool(_EXCEPTIONS[code] & in_pass)
    on = [code >> i & 1 for i in range(8)]
    starts = sum(not on[i] and on[(i + 1) % 8] for i in range(8))
    if not 2 <= sum(on) <= 6 or starts != 1:
        return False
    if in_pass == 1:
        return not (on[_N] and on[_E] and on[_S]) and not (on[_E] and on[_S] and on[_W])
    return not (on[_N] and on[_E] and on[_W]) and not (on[_N] and on[_S] and on[_W])


def diagram(in_pass: int, order: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Nodes (neighbour, value if background, value if foreground) of the reduced decision diagram, children first.

    Values 0 and 1 are the constants, value k + 2 is that of node k; the last node is the root.
    """
    nodes: list[tuple[int, int, int]] = []

    def value(depth: int, code: int) -> int:
        if depth == len(order):
            return int(goes(code, in_pass))
        low, high = value(depth + 1, code), value(depth + 1, code | 1 << order[depth])
        if low == high:
            return low
        node = (order[depth], low, high)
        if node not in nodes:
            nodes.append(node)
        return nodes.index(node) + 2

    value(0, 0)
    return nodes


def operations(in_pass: int) -> list[str]:
    """Lines of Python that compute the rule from nw, n, ne, e, se, s, sw and w."""
    # The orders with the fewest operations, of all 40,320.
    order = {1: (2, 3, 5, 6, 0, 7, 1, 4), 2: (1, 2, 7, 6, 4, 3, 5, 0)}[in_pass]
    names = ("nw", "n", "ne", "e", "se", "s", "sw", "w")
    terms: dict[int, str] = {}
    lines: list[str] = []
    for index, (neighbour, low, high) in enumerate(diagram(in_pass, order), start=2):
        x = names[neighbour]
        if {low, high} == {0, 1}:
            terms[index] = x if high else f"~{x}"
            continue
        if low == 0:
            term = f"{x} & {terms[high]}"
        elif high == 0:
            term = f"~{x} & {terms[low]}"
        elif low == 1:
            term = f"~{x} | {terms[high]}"
        elif high == 1:
            term = f"{x} | {terms[low]}"
        elif terms[high] == f"~{terms[low]}":
            term = f"{x} ^ {terms[low]}"
        else:
            term = f"{terms[low]} ^ ({x} & ({terms[low]} ^ {terms[high]}))"
        terms[index] = f"v{len(lines)}"
        lines.append(f"{terms[index]} = {term}")
    return [*lines[:-1], lines[-1].replace(f"{terms[index]} =", "return")]
