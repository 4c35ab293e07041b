"""Opening model files that somebody else made."""

import lazy_loader

# Loaded on first use: a file can be inspected, and an error caught, without
# Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["KerasSharpnessError", "ModelFileError", "UnsafeModelError"],
        "inspect": ["ModelFile", "inspect_model_file"],
        "load": ["load_model"],
    },
)

__all__ = [
    "KerasSharpnessError",
    "ModelFile",
    "ModelFileError",
    "UnsafeModelError",
    "inspect_model_file",
    "load_model",
]
