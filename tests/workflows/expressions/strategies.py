"""What Hypothesis makes up for these tests."""

from __future__ import annotations

from hypothesis import strategies as st

# JavaScript has one kind of number; integers beyond 64 bits are refused on their way out.
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
