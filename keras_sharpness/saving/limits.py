"""How much a model file may ask for."""

import dataclasses
from typing import Self

import psutil

from keras_sharpness import arguments


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a model file may ask for before it is refused.

    The defaults are for files from strangers. `Limits.of_this_machine()`, which
    `inspect_model` and `load_model` take when they are told nothing, lets
    through whatever fits into the free memory.

    Args:
        file_bytes: Int. Size of the file.
        unpacked_bytes: Int. Sum of the sizes of its members.
        json_bytes: Int. Size of the configuration, and of the metadata.
        ratio: Int. How many times its packed size a member may unpack to; what
            is smaller than 1 MiB is not asked.
        depth: Int. Nesting of the configuration.
        values: Int. Number of values in the configuration.
        calls: Int. Number of calls of layers and operations that make the
            model, those inside of models that are layers included.
        activations: Int. Numbers that all layers together return for one
            sample. Sizes that the file leaves open count as one.
        objects: Int. Number of groups and arrays among the weights.
        seconds: Int. Time of a processor to look through the weights.

    Example:

    ```python
    import keras_sharpness as ks

    assert ks.saving.Limits().file_bytes == 200_000_000
    ```
    """

    file_bytes: int = 200_000_000
    unpacked_bytes: int = 512 << 20
    json_bytes: int = 5 << 20
    ratio: int = 100
    depth: int = 200
    values: int = 200_000
    calls: int = 5_000
    activations: int = 1 << 28
    objects: int = 100_000
    seconds: int = 10

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            arguments.integer(field.name, getattr(self, field.name), least=1)

    @classmethod
    def of_this_machine(cls) -> Self:
        """Sizes that fit into the memory that is free now."""
        # Four copies are alive for a moment: the file, its weights, Keras'
        # buffer of them, and the variables.
        size = psutil.virtual_memory().available // 4
        return cls(file_bytes=size, unpacked_bytes=size, activations=size // 4)


def chosen(limits: Limits | None) -> Limits:
    """The limits of a caller, or those of this machine.

    Args:
        limits: `Limits`, or None.

    Returns:
        `Limits`.

    Raises:
        ValueError: If it is something else.
    """
    if limits is None:
        return Limits.of_this_machine()
    return arguments.instance(
        "limits", limits, Limits, "a Limits", "Pass e.g. `saving.Limits()`."
    )
