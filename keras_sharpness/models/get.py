"""The networks by name."""

import difflib

from keras_sharpness.models._network import Network
from keras_sharpness.models.c1 import C1
from keras_sharpness.models.c2 import C2
from keras_sharpness.models.c3 import C3
from keras_sharpness.models.c4 import C4
from keras_sharpness.models.f1 import F1
from keras_sharpness.models.f2 import F2

_CLASSES: dict[str, type[Network]] = {
    network.__name__: network for network in (F1, F2, C1, C2, C3, C4)
}
NAMES: tuple[str, ...] = tuple(_CLASSES)


def get(name: str) -> type[Network]:
    """The class of the network that is called `name`.

    Args:
        name: String, one of `NAMES`, in upper or lower case.

    Returns:
        The class, e.g. `F1`.

    Raises:
        ValueError: If there is no network of that name.

    Example:

    ```python
    import keras_sharpness as ks

    assert ks.models.get("f1") is ks.models.F1
    ```
    """
    network = _CLASSES.get(name.upper()) if isinstance(name, str) else None
    if network is None:
        close = difflib.get_close_matches(str(name).upper(), NAMES, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"`name` must be one of {', '.join(NAMES)}. Received: "
            f"name={name!r}.{guess}"
        )
    return network
