"""Private names of Keras and TensorFlow that the package needs.

Each is tested for what it is used for, on the smallest thing that has it. The
table of `keras_sharpness/metrics/backend/README.md` says where and why.
"""

import ast
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

import keras_sharpness

layers = keras.layers
PACKAGE = pathlib.Path(keras_sharpness.__file__).parent
README = PACKAGE / "metrics" / "backend" / "README.md"
X, Y = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")


def small_model(**options):
    """A dense layer inside of a model inside of a model, compiled."""
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(1, **options)])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Activation("tanh")(inner(inputs)))
    model.compile("sgd", "mse", loss_weights=[2.0])
    return model


def trained(optimizer):
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer.build([keras.Variable(np.ones(3, "float32")), variable])
    optimizer.apply([keras.ops.ones(3), keras.ops.ones(2)])
    return optimizer, variable


def traced(function, *specs):
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def flatten_layers():
    model = small_model()
    names = [layer.name for layer in model._flatten_layers()]
    inner = model.layers[1]
    assert names[0] == model.name
    assert {inner.name, inner.layers[0].name} < set(names)
    assert model not in list(model._flatten_layers(include_self=False))


def trainable_variables():
    dense, wrapped = layers.Dense(1), layers.TimeDistributed(layers.Dense(1))
    dense.build((None, 3))
    wrapped.build((None, 2, 3))
    assert [v.name for v in dense._trainable_variables] == ["kernel", "bias"]
    assert wrapped._trainable_variables == []


def kernel():
    for layer, shape in (
        (layers.Dense(2), (None, 3)),
        (layers.Conv2D(2, 1), (None, 4, 4, 3)),
    ):
        layer.build(shape)
        assert layer._kernel is layer.trainable_variables[0]


def nodes():
    """A call knows its layer, its arguments, and what it comes from."""
    inputs = keras.Input((3,))
    first, second = layers.Dense(2), layers.Dense(1)
    model = keras.Model(inputs, second(first(inputs)))
    (node,) = second._inbound_nodes
    (before,) = node.parent_nodes
    assert before.operation is first
    assert first._inbound_nodes == [before]
    assert first._outbound_nodes == [node]
    assert node.arguments.args[0] is before.output_tensors[0]
    assert node.arguments.kwargs == {}
    assert not node.is_input
    (outputs,) = node.output_tensors
    assert tuple(outputs._keras_history) == (second, 0, 0)
    by_depth = model._nodes_by_depth
    assert [by_depth[d][0].operation for d in sorted(by_depth)[:2]] == [
        second,
        first,
    ]


def functional():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert model.layers[0] in model._functional.operations


def run_through_graph():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])._functional
    called = []

    def recorded(operation):
        called.append(operation)
        return operation.compute_output_spec

    found = model._run_through_graph(
        [keras.KerasTensor((7, 3))], operation_fn=recorded
    )
    assert keras.tree.flatten(found)[0].shape == (7, 2)
    assert len(called) == 1


def compiled_loss():
    assert keras.Sequential([layers.Dense(1)])._compile_loss is None
    model = small_model()
    loss = model._compile_loss
    assert loss._user_loss_weights == [2.0]
    assert not loss.built
    assert loss._metrics is loss.metrics
    loss.build(Y, Y)
    (part,) = loss._flat_losses
    other = part._replace(loss=keras.losses.MeanAbsoluteError())
    loss._flat_losses[:] = [other]
    # Twice the difference, by the weight.
    assert float(loss(Y, 3 * Y)) == 4.0


def dtype_of_losses():
    loss = keras.losses.MeanSquaredError()
    assert loss._dtype_policy.name == loss._dtype == "float32"
    loss._dtype_policy = keras.dtype_policies.get("float64")
    loss._dtype = "float64"
    assert loss.dtype == "float64"
    assert keras.backend.standardize_dtype(loss(Y, Y).dtype) == "float64"


def compute_loss():
    model = small_model()
    value = model._compute_loss(X, Y, 2 * Y, None, training=False)
    assert float(value) == 2.0


def compile_config():
    loss = keras.losses.MeanSquaredError()
    model = small_model()
    model.compile("sgd", loss, metrics=["mae"], loss_weights=[2.0])
    config = model._compile_config.config
    assert config["loss"] is loss
    assert config["metrics"] == ["mae"]
    assert config["loss_weights"] == [2.0]


def regularization_losses():
    model = small_model(kernel_regularizer="l2", activity_regularizer="l2")
    model(X)
    assert len(model._get_regularization_losses()) == 1
    assert len(model.losses) == 2


def mask():
    inputs = keras.Input((2, 3))
    masked = layers.Masking()(inputs)
    model = keras.Model(inputs, masked)
    data = np.stack([[[1.0] * 3, [0.0] * 3]])
    outputs = model(data)
    np.testing.assert_array_equal(outputs._keras_mask, [[True, False]])
    # By it the loss leaves out the second step.
    predictions = keras.ops.convert_to_tensor(5 * np.ones((1, 2, 3)))
    predictions._keras_mask = outputs._keras_mask
    targets = np.stack([[[5.0] * 3, [0.0] * 3]])
    assert float(keras.losses.MeanSquaredError()(targets, predictions)) == 0.0


def logits():
    values = keras.ops.convert_to_tensor([[1.0, 2.0]])
    for activation in (keras.ops.softmax, keras.ops.sigmoid):
        assert activation(values)._keras_logits is values
    # Probabilities of 0, of which the logarithm would be clipped.
    predictions = keras.ops.convert_to_tensor([[1.0, 0.0]])
    predictions._keras_logits = keras.ops.convert_to_tensor([[0.0, -100.0]])
    loss = keras.losses.SparseCategoricalCrossentropy()
    assert float(loss(np.array([1]), predictions)) == 100.0


def state_of_variables():
    adam, variable = trained(keras.optimizers.Adam(amsgrad=True, beta_2=0.9))
    place = adam._get_variable_index(variable)
    assert place == 1
    # A tenth of the square of the gradient, 1.
    for state in (adam._velocities, adam._velocity_hats):
        np.testing.assert_allclose(state[place], [0.1, 0.1], rtol=1e-6)


def state_of_rmsprop():
    rmsprop, variable = trained(keras.optimizers.RMSprop(rho=0.9, centered=1))
    place = rmsprop._get_variable_index(variable)
    for state in (rmsprop._velocities, rmsprop._average_gradients):
        np.testing.assert_allclose(state[place], [0.1, 0.1], rtol=1e-6)


def unsaved_settings():
    optimizer = keras.optimizers.AdamW()
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer.exclude_from_weight_decay([variable], var_names=["bias"])
    assert len(optimizer._exclude_from_weight_decay) == 1
    assert optimizer._exclude_from_weight_decay_pattern.search("a_bias")
    # If it did, nothing would have to be carried over.
    assert "bias" not in str(optimizer.get_config())


def learning_rate():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    assert keras.optimizers.SGD(schedule)._learning_rate is schedule


def gradient_registry():
    registry = ops.gradient_registry._registry
    # Registered, registered as none, and not at all.
    assert registry["MatMul"]["type"] is not None
    assert registry["Shape"]["type"] is None
    assert "keras-sharpness" not in registry
    tf.RegisterGradient("keras-sharpness")(lambda op, gradient: gradient)
    assert "keras-sharpness" in registry
    del registry["keras-sharpness"]


def custom_gradient():
    @tf.custom_gradient
    def identity(x):
        return tf.identity(x), lambda upstream: upstream

    registry = ops.gradient_registry._registry
    spec = tf.TensorSpec((2,))
    names = []

    def function(x):
        result = identity(x)
        names.extend(
            operation.get_attr("_gradient_op_type").decode()
            for operation in x.graph.get_operations()
            if operation.type == "IdentityN"
        )
        return result

    traced(function, spec)
    (name,) = names
    assert name.startswith("CustomGradient-")
    assert registry.pop(name) is not None


def functions_of_a_graph():
    def function(x):
        return tf.while_loop(lambda x: x < 9.0, lambda x: (tf.sin(x),), [x])[0]

    spec = tf.TensorSpec(())
    graph = traced(function, spec).graph
    assert not traced(tf.sin, spec).graph._functions
    assert graph._functions
    (loop,) = (op for op in graph.get_operations() if "While" in op.type)
    body = loop.node_def.attr["body"].func.name
    assert graph._is_function(body)
    assert not graph._is_function("none of that name")
    found = graph._get_function(body)
    definition = getattr(found, "cached_definition", None) or found.definition
    assert "Sin" in {node.op for node in definition.node_def}


def tracing_warning():
    # TensorFlow reads it where it would advise against tracing.
    function = tf.function(tf.sin)
    assert function._omit_frequent_tracing_warning is False


def colocation():
    def function(x):
        y = tf.sin(x)
        with tf.compat.v1.colocate_with(y):
            return tf.cos(y)

    nodes = traced(function, tf.TensorSpec(())).graph.as_graph_def().node
    (cosine,) = (node for node in nodes if node.op == "Cos")
    assert cosine.attr["_class"].list.s == [b"loc:@Sin"]


def groups_of_keras_2():
    # No name of an installed version: the files have it.
    from keras_sharpness.saving import layers as module

    assert "_layer_checkpoint_dependencies" in module._GROUPS


TESTS = {
    "_flatten_layers": flatten_layers,
    "_trainable_variables": trainable_variables,
    "_kernel": kernel,
    "_inbound_nodes": nodes,
    "_outbound_nodes": nodes,
    "_nodes_by_depth": nodes,
    "_keras_history": nodes,
    "_functional": functional,
    "_run_through_graph": run_through_graph,
    "_compile_loss": compiled_loss,
    "_metrics": compiled_loss,
    "_flat_losses": compiled_loss,
    "_replace": compiled_loss,
    "_user_loss_weights": compiled_loss,
    "_dtype": dtype_of_losses,
    "_dtype_policy": dtype_of_losses,
    "_compute_loss": compute_loss,
    "_compile_config": compile_config,
    "_get_regularization_losses": regularization_losses,
    "_keras_mask": mask,
    "_keras_logits": logits,
    "_get_variable_index": state_of_variables,
    "_velocities": state_of_variables,
    "_velocity_hats": state_of_variables,
    "_average_gradients": state_of_rmsprop,
    "_exclude_from_weight_decay": unsaved_settings,
    "_exclude_from_weight_decay_pattern": unsaved_settings,
    "_learning_rate": learning_rate,
    "_layer_checkpoint_dependencies": groups_of_keras_2,
    "_registry": gradient_registry,
    "_gradient_op_type": custom_gradient,
    "_functions": functions_of_a_graph,
    "_is_function": functions_of_a_graph,
    "_get_function": functions_of_a_graph,
    "_omit_frequent_tracing_warning": tracing_warning,
    "_class": colocation,
}


@pytest.mark.parametrize("name", TESTS)
def test_it_is_what_it_is_used_for(name):
    TESTS[name]()


def test_the_readme_lists_them():
    listed = re.findall(r"^\| `(_\w+)` \|", README.read_text(), re.M)
    assert listed == list(TESTS)


def test_the_readme_says_where_they_are():
    rows = re.findall(
        r"^\| `(_\w+)` \| [^|]* \| ([^|]*) \|", README.read_text(), re.M
    )
    assert len(rows) == len(TESTS)
    for name, where in rows:
        for place in re.findall(r"`([^`]+)`", where):
            inside = place.startswith("tensorflow/")
            path = (README.parent if inside else PACKAGE) / place
            files = path.rglob("*.py") if path.is_dir() else [path]
            assert any(name in file.read_text() for file in files), (name, path)


def test_no_others_are_used():
    trees = [
        ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))
    ]
    used = {name for tree in trees for name in _private_of_others(tree)}
    # Fields of our own named tuples.
    own = {name for tree in trees for name in _own(tree)} | {"_fields"}
    assert used - own <= set(TESTS)


def _private_of_others(tree):
    """Names with an underscore that are looked up on anything but `self`."""
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.Attribute):
            is_own = getattr(node.value, "id", None) in ("self", "cls")
            name = "" if is_own else node.attr
        elif (
            isinstance(node, ast.Call)
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
        ):
            # `getattr(model, "_name")` and its like.
            name = str(node.args[1].value)
        if re.fullmatch(r"_[a-z]\w*", name):
            yield name


def _own(tree):
    """Names that the package itself defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and getattr(node.value, "id", None) == "self"
        ):
            yield node.attr
