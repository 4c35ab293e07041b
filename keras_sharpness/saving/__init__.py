"""Opening model files that somebody else made."""

import lazy_loader

# Loaded on first use: a file can be inspected, and an error caught, without
# Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "description": ["LayerDescription", "ModelDescription"],
        "errors": ["KerasSharpnessError", "ModelFileError", "UnsafeModelError"],
        "inspect": ["inspect_model", "inspect_model_file"],
        "keras_version": ["keras_version_problem"],
        "limits": ["Limits"],
        "load": ["load_model"],
        "load_weights": ["load_weights"],
        "mismatch": ["architecture_mismatch", "data_mismatch"],
    },
)

__all__ = [
    "KerasSharpnessError",
    "LayerDescription",
    "Limits",
    "ModelDescription",
    "ModelFileError",
    "UnsafeModelError",
    "architecture_mismatch",
    "data_mismatch",
    "inspect_model",
    "inspect_model_file",
    "keras_version_problem",
    "load_model",
    "load_weights",
]
