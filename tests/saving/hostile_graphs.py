"""Hostile files: graphs that compute, or that take long to connect."""

import copy
import itertools

from tests.saving.files import layer, with_config
from tests.saving.hostile import hostile

TOO_MANY = "asks for too much: its layers take too many calls to connect"
NUMPY = "keras.src.ops.numpy"


def tensor(name, call=0, shape=(None, 4)):
    """What goes from one layer of a functional model to another."""
    config = {
        "shape": list(shape),
        "dtype": "float32",
        "keras_history": [name, call, 0],
    }
    return {"class_name": "__keras_tensor__", "config": config}


def call(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


def node(class_name, name, *calls, module="keras.layers", **config):
    return layer(
        module,
        class_name,
        {"name": name, **config},
        name=name,
        inbound_nodes=list(calls),
    )


def functional(layers, last, *, name="f", shape=(None, 4), calls=1):
    inputs = node("InputLayer", "in", batch_shape=list(shape))
    inputs["config"].pop("trainable")
    return layer(
        "keras.src.models.functional",
        "Functional",
        {
            "name": name,
            "layers": [inputs, *layers],
            "input_layers": [["in", 0, 0]],
            "output_layers": [[last, calls - 1, 0]],
        },
    )


def write(config, small, path):
    """The small model's file, with another configuration."""

    def change(old):
        old.clear()
        old.update(config)

    return with_config(small, path, change)


def hostile_graph(match):
    """Enters a function that returns a configuration."""

    def enter(make):
        def build(small, path):
            write(make(), small, path)

        build.__name__ = make.__name__
        return hostile(match)(build)

    return enter


@hostile_graph("`ones` of .* is called without any tensor of the model")
def constants_that_are_computed():
    """4 GB of ones, as soon as the graph is connected."""
    shape = [1_000_000_000]
    ones = node("BroadcastTo", "ones", call(1.0), module=NUMPY, shape=shape)
    both = call(tensor("in"), tensor("ones", shape=shape))
    return functional([ones, node("Add", "sum", both, module=NUMPY)], "sum")


@hostile_graph("`dense` of .* is called without any tensor of the model")
def call_of_an_older_keras_without_tensors():
    dense = node("Dense", "dense", [], units=4)
    return functional([dense], "dense")


@hostile_graph("a `Dense` stands among the arguments")
def layer_among_the_arguments():
    inner = layer("keras.layers", "Dense", {"units": 3, "t": tensor("in")})
    return functional([node("ReLU", "r", call(inner))], "r")


@hostile_graph(TOO_MANY)
def models_that_call_each_other_twice():
    """Twenty levels are a million calls."""
    inner = functional(
        [node("Identity", "i", call(tensor("in")))], "i", name="m0"
    )
    for level in range(1, 20):
        name = f"m{level - 1}"
        inner["name"] = name
        inner["inbound_nodes"] = [call(tensor("in")), call(tensor(name, 1))]
        inner = functional([inner], name, name=f"m{level}", calls=3)
    return inner


@hostile_graph(TOO_MANY)
def layers_in_reverse():
    """Each is tried until the one before it is there."""
    names = ["in", *(f"i{number}" for number in range(500))]
    layers = [
        node("Identity", name, call(tensor(before)))
        for before, name in itertools.pairwise(names)
    ]
    return functional(layers[::-1], names[-1])


@hostile_graph(TOO_MANY)
def layer_that_is_called_too_often():
    calls = [call(tensor("in"))] * 5_001
    return functional([node("Identity", "i", *calls)], "i")


@hostile_graph("registered as `an object shared with others`")
def model_behind_a_number():
    """Keras takes the first object for all of that number."""
    one = node("Identity", "a", call(tensor("in")))
    two = node("Identity", "b", call(tensor("a")))
    one["shared_object_id"] = two["shared_object_id"] = 7
    return functional([one, two], "b")


@hostile_graph("asks for too much: `Split` makes 1,000,000,000 parts")
def a_list_without_end():
    size = 1_000_000_000
    split = node(
        "Split",
        "s",
        call(tensor("in", shape=(None, size))),
        module=NUMPY,
        indices_or_sections=size,
        axis=1,
    )
    return functional([split], "s", shape=(None, size))


def metric(**config):
    config = copy.deepcopy(config)
    compiled = {"loss": "mse", "metrics": [layer("keras.metrics", **config)]}
    identity = node("Identity", "i", call(tensor("in")))
    return {**functional([identity], "i"), "compile_config": compiled}


@hostile_graph("declares 10,000,000,000 weights")
def metric_of_many_classes():
    return metric(class_name="MeanIoU", config={"num_classes": 100_000})


@hostile_graph("declares 4,000,000,000 weights")
def metric_of_many_thresholds():
    config = {"num_thresholds": 1_000_000_000}
    return metric(class_name="AUC", config=config)
