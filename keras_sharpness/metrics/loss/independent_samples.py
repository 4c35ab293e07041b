"""Whether the loss of a batch is the mean over samples that stay apart."""

from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.callers_code import graph_nodes, runs_callers_code
from keras_sharpness.metrics.loss.losses import LossSpecification

_layers = keras.layers
# Layers that treat every sample alone, at inference, along the first axis.
# Batch normalisation uses its moving statistics there.
_LAYERS = {
    *(
        getattr(_layers, f"{name}{rank}D")
        for rank in (1, 2, 3)
        for name in (
            "AveragePooling",
            "Conv",
            "Cropping",
            "GlobalAveragePooling",
            "GlobalMaxPooling",
            "MaxPooling",
            "SpatialDropout",
            "UpSampling",
            "ZeroPadding",
        )
    ),
    _layers.Activation,
    _layers.Add,
    _layers.AlphaDropout,
    _layers.Average,
    _layers.BatchNormalization,
    _layers.Bidirectional,
    _layers.Concatenate,
    _layers.Conv1DTranspose,
    _layers.Conv2DTranspose,
    _layers.Conv3DTranspose,
    _layers.Dense,
    _layers.DepthwiseConv1D,
    _layers.DepthwiseConv2D,
    _layers.Dropout,
    _layers.ELU,
    _layers.Embedding,
    _layers.Flatten,
    _layers.GRU,
    _layers.GRUCell,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.GroupNormalization,
    _layers.Identity,
    _layers.InputLayer,
    _layers.LSTM,
    _layers.LSTMCell,
    _layers.LayerNormalization,
    _layers.LeakyReLU,
    _layers.Masking,
    _layers.Maximum,
    _layers.Minimum,
    _layers.MultiHeadAttention,
    _layers.Multiply,
    _layers.Normalization,
    _layers.PReLU,
    _layers.Permute,
    _layers.ReLU,
    _layers.RepeatVector,
    _layers.Rescaling,
    _layers.Reshape,
    _layers.SeparableConv1D,
    _layers.SeparableConv2D,
    _layers.SimpleRNN,
    _layers.SimpleRNNCell,
    _layers.Softmax,
    _layers.Subtract,
    _layers.UnitNormalization,
}
# Only inside a layer of the list: its equation may sum over the samples.
_INSIDE = {_layers.EinsumDense}
# Entry by entry; the last is how an `Embedding` makes its mask.
_OPERATIONS = {
    "Add",
    "Divide",
    "Multiply",
    "Subtract",
    "TrueDivide",
    "LogicalAnd",
    "NotEqual",
}
_ACTIVATIONS = {
    id(value) for value in vars(keras.activations).values() if callable(value)
}
# Losses of each sample alone. Not the hinge, for Keras looks at all labels of
# a batch to find out whether they are 0 and 1; nor Dice and Tversky, which are
# ratios of sums over a batch.
_FUNCTIONS = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.huber,
    keras.losses.kl_divergence,
    keras.losses.log_cosh,
    keras.losses.mean_absolute_error,
    keras.losses.mean_absolute_percentage_error,
    keras.losses.mean_squared_error,
    keras.losses.mean_squared_logarithmic_error,
    keras.losses.poisson,
    keras.losses.sparse_categorical_crossentropy,
)


def model_keeps_samples_apart(model: keras.Model) -> bool:
    """Whether each output of a model is known to be of one sample alone.

    That is known of graphs of the layers of a list and of sums and products of
    their outputs, called with tensors of samples and nothing else. Of all other
    models it is not: layers of the caller's own, `Lambda`, most of `keras.ops`.

    Args:
        model: Built `keras.Model`, whose batch normalisation uses its moving
            statistics.

    Returns:
        Bool.
    """
    nodes = list(graph_nodes(model))
    called = {id(node.operation) for node in nodes} | {id(model)}
    layers = list(model._flatten_layers())
    return (
        bool(nodes)
        and not runs_callers_code(model)
        and all(_keeps_apart(layer, id(layer) in called) for layer in layers)
        and all(_is_call_of_samples(node) for node in nodes)
        # Constants, that `add_loss` was given outside of a call.
        and not any(layer._losses for layer in layers)
    )


def loss_keeps_samples_apart(
    specification: LossSpecification, y: Any, y_pred: Any, sample_weight: Any
) -> bool:
    """Whether the loss of a batch is known to be `(1/n) Σ sᵢ ℓᵢ`.

    Keras divides a loss by the number of its entries; but where there are
    masks, by the number of valid ones in the batch.

    Args:
        specification: `LossSpecification`.
        y: Nested tensors, the targets of a batch.
        y_pred: Nested tensors, the model's outputs for any batch.
        sample_weight: Nested tensors, or None.

    Returns:
        Bool.
    """
    outputs = keras.tree.flatten(y_pred)
    targets = keras.tree.flatten(y)
    weights = [w for w in keras.tree.flatten(sample_weight) if w is not None]
    functions = specification.leaves
    takes_classes = all(map(_takes_classes, functions))
    return (
        specification.is_of_keras
        and all(map(_is_of_each_sample, functions))
        and all(getattr(o, "_keras_mask", None) is None for o in outputs)
        and len(targets) == len(outputs)
        and all(
            _are_paired(*pair, takes_classes)
            for pair in zip(targets, outputs, strict=True)
        )
        # Weights of another rank Keras would stretch over what fits.
        and all(
            len(weight.shape) == len(output.shape) - 1
            for weight in weights
            for output in outputs
        )
    )


def _keeps_apart(layer: keras.Layer, is_called: bool) -> bool:
    if isinstance(layer, keras.Model):
        return layer.activity_regularizer is None
    known = type(layer) in _LAYERS or (type(layer) in _INSIDE and not is_called)
    activations = [
        getattr(layer, name)
        for name in ("activation", "recurrent_activation")
        if getattr(layer, name, None) is not None
    ]
    axes = (
        getattr(layer, "axis", None),
        getattr(layer, "_attention_axes", None),
    )
    return (
        known
        # A sum over the samples of a batch.
        and layer.activity_regularizer is None
        and all(id(activation) in _ACTIVATIONS for activation in activations)
        and all(axis == -1 or axis > 0 for axis in _integers(axes))
        and not getattr(layer, "stateful", False)
        # Scales of what a batch holds.
        and getattr(layer, "quantization_mode", None) is None
        # Not one for each sample.
        and all(
            np.ndim(getattr(layer, name, 0)) <= 1
            for name in ("scale", "offset")
        )
    )


def _integers(nested: Any) -> list[int]:
    return [i for i in keras.tree.flatten(nested) if i is not None]


def _is_call_of_samples(node: Any) -> bool:
    """Whether tensors of samples, and no others, give such tensors."""
    positional, named = node.arguments.args, dict(node.arguments.kwargs)
    # With which batch normalisation uses the statistics of the batch.
    is_training = named.pop("training", None)
    tensors = [*node.arguments.keras_tensors, *node.outputs]
    if isinstance(node.operation, keras.Layer):
        first, others = (
            keras.KerasTensor | None,
            keras.KerasTensor | bool | None,
        )
    else:
        first = others = keras.KerasTensor | int | float
        ranks = {len(tensor.shape) for tensor in tensors}
        # Of other ranks, samples would lie along different axes.
        if not _is_entry_by_entry(node.operation) or len(ranks) > 1:
            return False
    return (
        not is_training
        and all(isinstance(v, first) for v in keras.tree.flatten(positional))
        and all(isinstance(v, others) for v in keras.tree.flatten(named))
        # The last axis is another than that of the samples, whose number is
        # open.
        and all(
            len(tensor.shape) >= 2 and tensor.shape[0] is None
            for tensor in tensors
        )
    )


def _is_entry_by_entry(operation: Any) -> bool:
    kind = type(operation)
    return kind.__module__.startswith("keras.") and kind.__name__ in _OPERATIONS


def _is_of_each_sample(function: Any) -> bool:
    if not isinstance(function, keras.losses.Loss):
        return function in _FUNCTIONS
    options = vars(function).get("_fn_kwargs", {})
    return (
        vars(function).get("fn") in _FUNCTIONS
        and options.get("axis", -1) == -1
        # Of the rest, the valid entries of a batch are counted.
        and options.get("ignore_class") is None
    )


def _takes_classes(function: Any) -> bool:
    return (
        vars(function).get("fn", function)
        is keras.losses.sparse_categorical_crossentropy
    )


def _are_paired(y: Any, y_pred: Any, takes_classes: bool) -> bool:
    """Whether targets go with outputs sample by sample.

    Others Keras would stretch over what fits.
    """
    shape = tuple(y_pred.shape)[1:]
    if not hasattr(y, "shape") or not y.shape or not shape:
        return False
    wanted = [shape]
    if takes_classes or shape[-1] == 1:
        wanted += [shape[:-1], (*shape[:-1], 1)]
    return tuple(y.shape)[1:] in wanted
