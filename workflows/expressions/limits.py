"""How much an expression may use."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
LARGEST_SOURCE = 64 * KIB  # QuickJS compiles this much within the limits below; more was never tried.
SMALLEST_MEMORY = MIB  # Below it, QuickJS can't even hold its own built-in objects reliably.


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one sandbox. The defaults suit fields that people write by hand."""

    source_bytes: int = 4 * KIB  # One expression.
    input_bytes: int = 5 * MIB  # The roots of one round trip, as JSON.
    output_bytes: int = MIB  # One result, as JSON.
    each_output_bytes: int = 5 * MIB  # All results of ``evaluate_each`` together.
    # All results of one round trip together, and one that is only a part of what was given: `nodes.order.output`.
    total_output_bytes: int = 40 * MIB
    depth: int = 128  # How deep a result may be nested.
    cpu_seconds: float = 0.25  # One expression.
    batch_cpu_seconds: float = 2.0  # All expressions of one round trip, or all items of ``evaluate_each``.
    wall_seconds: float = 10.0  # Until an answer counts as lost; CPU limits normally come first.
    memory_bytes: int = 32 * MIB  # What expressions may allocate beside the memory that holds their input.
    stack_bytes: int = 512 * KIB  # Nested calls, and nested parentheses while parsing.
    process_memory_bytes: int = 512 * MIB  # Address space of the child process.
    evaluations_per_process: int = 10_000  # Then a new child takes over.

    def __post_init__(self) -> None:
        if not 0 < self.source_bytes <= LARGEST_SOURCE:
            raise ValueError(f"source_bytes must lie between 1 and {LARGEST_SOURCE}, not {self.source_bytes}.")
        if self.memory_bytes < SMALLEST_MEMORY:
            raise ValueError(f"memory_bytes must be at least {SMALLEST_MEMORY}, not {self.memory_bytes}.")
