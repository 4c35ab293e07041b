"""What can be wrong with a model file, and all that is said of it."""

_AGAIN = 'Save it again with `model.save("name.keras")`.'
_ALTERED = f"Keras writes no such file; it was altered. {_AGAIN}"


class KerasSharpnessError(Exception):
    """Base of the errors that files from elsewhere cause."""


class ModelFileError(KerasSharpnessError):
    """The file is not a model that can be read.

    Args:
        headline: Str. What is wrong, one sentence.
        remedy: Str. Why, and what to do about it.

    Attributes:
        headline: Str, as given: the line to show in bold.
        remedy: Str, as given.
    """

    def __init__(self, headline: str, remedy: str = "") -> None:
        super().__init__(headline, remedy)
        self.headline = headline
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.headline} {self.remedy}".strip()


class UnsafeModelError(ModelFileError):
    """The file asks for what is not known to be safe, and was not loaded."""


def clean(text: object) -> str:
    """A text from a file, fit to be shown: short, one line, no markup."""
    text = "".join(c if c.isprintable() else "?" for c in str(text)[:81])
    text = text.replace("`", "'")
    return text if len(text) <= 80 else f"{text[:79]}…"


def size_text(size: int) -> str:
    """A number of bytes as people write it."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def missing(path: object, folder: object) -> ModelFileError:
    """There is no such file."""
    return ModelFileError(
        f"There is no file {path}.",
        f"Check the name and the folder ({folder}).",
    )


def not_opened(path: object, reason: str) -> ModelFileError:
    """The system does not let it be opened."""
    return ModelFileError(
        f"{path} cannot be opened ({reason}).",
        "Check the path and the permissions.",
    )


def folder(path: object) -> ModelFileError:
    """It is a folder."""
    return ModelFileError(
        f"{path} is a folder, not a `.keras` file.",
        'Save the model with `model.save("name.keras")`.',
    )


def no_regular_file(path: object) -> ModelFileError:
    """It is a device, a pipe or the like."""
    return ModelFileError(
        f"{path} is no regular file.",
        "Pass the path of a file that `model.save` wrote.",
    )


def too_large(name: str, size: int, limit: int) -> ModelFileError:
    """The file, or what it unpacks to, is over the limit."""
    return ModelFileError(
        f"`{name}` is {size_text(size)}; the limit is {size_text(limit)}.",
        "Load it in Python where there is room for it: `ks.saving.load_model("
        f"path, limits=ks.saving.Limits(file_bytes={size}, "
        f"unpacked_bytes={size}))`.",
    )


def legacy(name: str) -> ModelFileError:
    """It is an HDF5 model."""
    return ModelFileError(
        f"`{name}` is the legacy HDF5 format.",
        "Only `.keras` files are opened because HDF5 models can run code when "
        'they are loaded. Save the model again: `model.save("model.keras")`.',
    )


def weights_only(name: str) -> ModelFileError:
    """It holds weights without an architecture."""
    return ModelFileError(
        f"`{name}` holds weights but no architecture (made with "
        "`save_weights`).",
        'Save the whole model with `model.save("name.keras")`.',
    )


def unreadable(name: str, reason: str, size: int) -> ModelFileError:
    """It is no archive, or a damaged one."""
    return ModelFileError(
        f"`{name}` is not a readable Keras archive ({clean(reason)}).",
        f"It may be truncated or of another format; {size_text(size)} were "
        f"received. {_AGAIN}",
    )


def no_process(name: str, reason: str) -> ModelFileError:
    """The process that looks through weights could not be started."""
    return ModelFileError(
        f"`{name}` was not opened: no process of Python can be started to "
        f"look through its weights ({clean(reason)}).",
        "Open it from a Python of which `sys.executable` is the path.",
    )


def no_answer(name: str, member: str, seconds: int) -> ModelFileError:
    """To look through its weights took too long, or too much memory."""
    return ModelFileError(
        f"`{name}` is damaged: to look through its {member} takes more than "
        f"{seconds} seconds or too much memory.",
        f"{_AGAIN}",
    )


def strange_member(name: str, what: str) -> UnsafeModelError:
    """The archive holds what Keras does not write."""
    return UnsafeModelError(
        f"Refused: `{name}` holds {what}.",
        "A Keras archive has the members `config.json`, `metadata.json` and "
        f"`model.weights.h5`, each once and nothing else. {_ALTERED}",
    )


def assets(name: str, member: str) -> UnsafeModelError:
    """A layer brings files of its own."""
    return UnsafeModelError(
        f"Refused: `{name}` holds the asset `{clean(member)}`.",
        "Layers that bring files of their own, e.g. vocabularies, are not "
        "loaded. Save a model without them, and prepare its inputs before.",
    )


def bomb(name: str, what: str, limit: str) -> UnsafeModelError:
    """It would unpack or build to more than the limit."""
    return UnsafeModelError(
        f"Refused: `{name}` asks for too much: {what}; the limit is {limit}.",
        "A small file can so fill the memory. If you made the file, load it in "
        "Python with `ks.saving.load_model(path, limits=ks.saving.Limits(…))`.",
    )


def strange_weights(name: str, place: str, what: str) -> UnsafeModelError:
    """The weights' file holds links or the like."""
    return UnsafeModelError(
        f"Refused: `{clean(place)}` among the weights of `{name}` {what}.",
        f"Such weights can read other files or fill the memory. {_ALTERED}",
    )


def more_than_stored(
    name: str, declared: int, stored: int, worst: str = ""
) -> UnsafeModelError:
    """The configuration asks for more weights than are stored."""
    return UnsafeModelError(
        f"Refused: `{name}` declares {declared:,} weights and stores "
        f"{stored:,}{worst}.",
        "Loading would make them all and could fill the memory. " + _ALTERED,
    )


def no_shape(name: str, layer: str) -> UnsafeModelError:
    """A normalisation's size is left open."""
    return UnsafeModelError(
        f"Refused: layer `{clean(layer)}` of `{name}` is a `Normalization` "
        "without the shape of its input.",
        "It could ask for any amount of memory. Call the model on data before "
        "you save it, so that its layers are built.",
    )


def carries_code(name: str, layer: str, class_name: str) -> UnsafeModelError:
    """A layer can run code that comes with the file."""
    return UnsafeModelError(
        f"Refused: {layer} of `{name}` is a `{clean(class_name)}`.",
        "It can carry or fetch code that runs when the model is loaded. "
        "Replace it by a built-in layer, or by a layer class of your own and "
        "load the model in Python: "
        "`ks.saving.load_model(path, custom_objects={…})`.",
    )


def reads_files(name: str, layer: str, class_name: str) -> UnsafeModelError:
    """A layer reads files of this machine."""
    return UnsafeModelError(
        f"Refused: {layer} of `{name}` is a `{clean(class_name)}`.",
        "It reads files when the model is loaded, or maps words and hashes "
        "instead of numbers. Save a model without it, and prepare its inputs "
        "before.",
    )


def constant(name: str, class_name: str) -> UnsafeModelError:
    """A constant stands where an argument should."""
    return UnsafeModelError(
        f"Refused: a `{class_name}` stands among the arguments in `{name}`.",
        "Arrays, bytes and types are loaded as weights only. Put a number or "
        "a layer in its place, e.g. `Rescaling` or `Normalization`, and save "
        "the model again.",
    )


def stands_alone(name: str, layer: str) -> UnsafeModelError:
    """A layer is called on numbers that come with the file."""
    return UnsafeModelError(
        f"Refused: `{clean(layer)}` of `{name}` is called without any tensor "
        "of the model.",
        "It would compute on the numbers of the file while that is loaded. "
        + _ALTERED,
    )


def unknown(name: str, kind: str, what: str, number: int) -> UnsafeModelError:
    """A class is not among those that are known."""
    what = clean(what)
    times = "once" if number == 1 else f"{number} times"
    short = what.rpartition(".")[2].rpartition(">")[2]
    return UnsafeModelError(
        f"Unknown {kind} `{what}` in `{name}` ({times}).",
        "Only what comes with Keras and with this package is loaded from a "
        "file. If it is yours, load the model in Python: `ks.saving.load_model("
        f'path, custom_objects={{"{short}": {short}}})`.',
    )


def no_model(name: str, class_name: str) -> ModelFileError:
    """The configuration is not that of a model."""
    return ModelFileError(
        f"`{name}` holds a `{clean(class_name)}`, not a model.",
        'Save the whole model with `model.save("name.keras")`.',
    )


def renamed(name: str, what: str, alias: str) -> UnsafeModelError:
    """A known name stands for another class."""
    return UnsafeModelError(
        f"Refused: `{clean(what)}` in `{name}` is registered as "
        f"`{clean(alias)}`.",
        "The second name would load something else than the first one says. "
        + _ALTERED,
    )


def not_loaded(name: str, reason: str) -> ModelFileError:
    """Keras could not build it, though nothing was refused."""
    return ModelFileError(
        f"`{name}` could not be loaded: {reason}",
        "If it uses classes or functions of your own, pass "
        "`custom_objects={name: object}` with the ones it was saved with.",
    )


def not_fitting(name: str, reason: str) -> ModelFileError:
    """Weights are not those of the model that shall take them."""
    return ModelFileError(
        f"The weights of `{name}` could not be loaded: {reason}",
        "Load them into a model of the architecture that they were saved of.",
    )
