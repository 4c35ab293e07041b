"""Files made to do harm, entered by those who build them."""

from keras_sharpness.saving import UnsafeModelError
from tests.saving.files import with_config

HOSTILE = {}


def hostile(match, error=UnsafeModelError):
    """Enters a function `build(small, path)` and what is said of its file."""

    def enter(build):
        HOSTILE[build.__name__] = (build, match, error)
        return build

    return enter


def with_layer(node, wrap=lambda node: node):
    """A builder of the small model with one more layer."""

    def build(small, path):
        def change(config):
            config["config"]["layers"].append(wrap(node))

        with_config(small, path, change)

    return build


def enter_layers(match, nodes):
    for name, node in nodes.items():
        build = with_layer(node)
        build.__name__ = name
        hostile(match.format(node["class_name"]))(build)
