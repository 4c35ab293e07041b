"""What older releases of Keras called classes and arguments."""

from typing import Any

from keras_sharpness.saving.configuration import Node, nodes

# Keras writes a class under the first of its public names, or under its file.
_CLASSES = {
    # Keras 3.0 to 3.6.
    ("keras.initializers", "IdentityInitializer"): (
        "keras.initializers",
        "Identity",
    ),
    ("keras.initializers", "OrthogonalInitializer"): (
        "keras.initializers",
        "Orthogonal",
    ),
    # Keras 3.0.
    ("keras.mixed_precision", "DTypePolicy"): ("keras", "DTypePolicy"),
    ("keras.mixed_precision", "Policy"): ("keras", "DTypePolicy"),
    ("keras.src.ops.math", "Qr"): ("keras.src.ops.linalg", "Qr"),
    ("keras.src.ops.math", "Solve"): ("keras.src.ops.linalg", "Solve"),
    # Keras 2.12 to 2.15, which wrote `.keras` files already.
    ("keras.engine.functional", "Functional"): (
        "keras.src.models.functional",
        "Functional",
    ),
    ("keras.src.engine.functional", "Functional"): (
        "keras.src.models.functional",
        "Functional",
    ),
}
_ARGUMENTS = {
    # Keras 3.0.
    ("keras.src.ops.nn", "MultiHot"): {"num_tokens": "num_classes"},
    ("keras.src.ops.numpy", "Reshape"): {"new_shape": "newshape"},
    # Keras 3.9.
    ("keras.src.ops.nn", "Threshold"): {
        "threshold_value": "threshold",
        "value": "default_value",
    },
}
_NO_GROUPS = ("groups", 1)
# Arguments that are gone, with the value that always meant nothing; None
# where all of them did.
_GONE: dict[str, tuple[str, Any]] = {
    # Keras 3.0 to 3.5.
    "RandomRotation": ("value_range", None),
    # Keras 2.
    **dict.fromkeys(("GRU", "LSTM", "RNN", "SimpleRNN"), ("time_major", False)),
    **dict.fromkeys(
        (
            *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
            *(f"DepthwiseConv{rank}D" for rank in (1, 2)),
            *(f"SeparableConv{rank}D" for rank in (1, 2)),
        ),
        _NO_GROUPS,
    ),
}


def use_current_names(config: Node) -> None:
    """Renames what a configuration of an older release names, in place.

    Args:
        config: Dict, the configuration of a whole file.
    """
    for node in nodes(config):
        module, class_name = node.get("module"), node.get("class_name")
        if not isinstance(module, str) or not isinstance(class_name, str):
            continue
        old = module, class_name
        if old in _CLASSES:
            node["module"], node["class_name"] = _CLASSES[old]
            if node.get("registered_name") == class_name:
                node["registered_name"] = node["class_name"]
        arguments = node.get("config")
        if not isinstance(arguments, dict):
            continue
        for before, now in _ARGUMENTS.get(old, {}).items():
            if before in arguments:
                arguments.setdefault(now, arguments.pop(before))
        gone, nothing = _GONE.get(class_name, ("", None))
        if (
            module == "keras.layers"
            and gone in arguments
            and (nothing is None or arguments[gone] == nothing)
        ):
            del arguments[gone]
