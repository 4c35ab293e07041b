"""The optimizer and the loss a training uses, compiled into the model."""

import copy
import inspect
import weakref
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.models.first_call import is_built
from keras_sharpness.targets import AccuracyKind
from keras_sharpness.training.backend import Data

_UNSAVED_OPTIMIZER_SETTINGS = (
    "_exclude_from_weight_decay",
    "_exclude_from_weight_decay_pattern",
)
# Of every optimizer a training has used: its configuration before and after.
_CONFIGS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def keras_optimizer(optimizer: Any) -> keras.optimizers.Optimizer:
    """An optimizer given as `compile` takes it.

    Args:
        optimizer: Str or `keras.optimizers.Optimizer`.

    Returns:
        `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If it is neither, or Keras knows no such name.
    """
    try:
        found = keras.optimizers.get(optimizer)
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, keras.optimizers.Optimizer):
        raise arguments.refuse(
            "optimizer",
            optimizer,
            "a Keras optimizer or its name",
            "Pass e.g. `optimizer='adam'`.",
        )
    return found


def fresh_optimizer(
    model: keras.Model, optimizer: Any
) -> keras.optimizers.Optimizer:
    """The optimizer asked for, in the state of before its first update.

    Args:
        model: `keras.Model`, compiled or not.
        optimizer: Str, `keras.optimizers.Optimizer`, or None for the one
            compiled into the model, or else Adam.

    Returns:
        The optimizer itself where it has not been used yet, else a new one
        with its settings. A learning rate that callbacks lowered during an
        earlier training starts anew, one set by hand since then stays.
    """
    if optimizer is None:
        optimizer = getattr(model, "optimizer", None) or "adam"
    optimizer = keras_optimizer(optimizer)
    if not optimizer.built:
        return optimizer
    config = optimizer.get_config()
    before, after = _CONFIGS.get(optimizer, (config, config))
    config = before if config == after else config
    fresh = type(optimizer).from_config(copy.deepcopy(config))
    for old, new in zip(_parts(optimizer), _parts(fresh), strict=True):
        for name in _UNSAVED_OPTIMIZER_SETTINGS:
            if hasattr(old, name):
                setattr(new, name, getattr(old, name))
    return fresh


def remember_configs(
    optimizer: keras.optimizers.Optimizer, before: dict[str, Any]
) -> None:
    """Notes that a training used `optimizer` and how it was configured.

    Args:
        optimizer: `keras.optimizers.Optimizer`, as the training left it.
        before: Dict. Its configuration at the start.
    """
    _CONFIGS[optimizer] = (before, optimizer.get_config())


def _parts(optimizer: keras.optimizers.Optimizer) -> list:
    inner = getattr(optimizer, "inner_optimizer", None)
    return [optimizer] if inner is None else [optimizer, inner]


def check_trainable(model: keras.Model) -> None:
    """Refuses models that the training loop cannot train.

    Args:
        model: `keras.Model`.

    Raises:
        ValueError: If the model has nothing to train, several replicas, or a
            training step of its own.
    """
    arguments.instance(
        "model",
        model,
        keras.Model,
        "a keras.Model",
        "Wrap layers in `keras.Sequential`.",
    )
    if is_built(model) and not model.trainable_variables:
        raise ValueError(
            f"The model {model.name!r} has no trainable weights. Set "
            "`layer.trainable = True` on the layers to train."
        )
    if "train_step" in vars(model):
        raise ValueError(
            f"The model {model.name!r} has a training step of its own for "
            "`fit`. Received: what `SharpnessAwareModel` returned, or a "
            "`train_step` assigned to it. Pass "
            "`method=ks.training.SharpnessAware(…)` here, and take the step "
            "away by `del model.train_step`."
        )
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"{type(model).__name__} overrides `train_step`, which this loop "
            "does not call. Override `compute_loss` instead, or use `fit`."
        )
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise ValueError(
            f"The model {model.name!r} is spread over "
            f"{model.distribute_strategy.num_replicas_in_sync} replicas. Build "
            "it outside of the distribution strategy, or use `fit`."
        )


def has_loss(model: keras.Model, loss: Any) -> bool:
    """Whether there is a loss apart from what layers add.

    Args:
        model: `keras.Model`.
        loss: What the caller gave as loss, or None.

    Returns:
        Bool.
    """
    own = type(model).compute_loss is not keras.Model.compute_loss
    compiled = model.loss if model.compiled else None
    return own or loss is not None or compiled is not None


def check_added(model: keras.Model, x: Any) -> None:
    """Refuses a model without a loss, whose layers add none either.

    Args:
        model: `keras.Model`, built.
        x: Array or nest of arrays (n, ...).

    Raises:
        ValueError: If there is nothing to train by.
    """
    added = len(_first_call(model, x, return_losses=True)[-1])
    if added == len(model._get_regularization_losses()):
        raise ValueError(
            f"The model {model.name!r} is not compiled with a loss, and its "
            "layers add none. Pass `loss=...`, or call "
            "`model.compile(optimizer, loss)` first."
        )


def recompile(
    model: keras.Model,
    *,
    optimizer: keras.optimizers.Optimizer,
    loss: Any,
    accuracy: AccuracyKind | None,
    threshold: float,
    probe: Data,
    outputs: Any,
) -> None:
    """Compiles the model with what it will be trained with.

    Metrics stay; a model without any gets the accuracy where y is a class.

    Args:
        model: `keras.Model`.
        optimizer: `keras.optimizers.Optimizer`, not used yet.
        loss: The loss, or None for the compiled one.
        accuracy: Str or None. How predictions are counted as right.
        threshold: Float. The output above which a binary prediction is 1.
        probe: `Data` of a few samples.
        outputs: Array or nest of arrays. The model's outputs for them.
    """
    # The public `get_compile_config` returns serialised copies, from which
    # lambdas and unregistered functions do not come back.
    settings = dict(model._compile_config.config) if model.compiled else {}
    settings["optimizer"] = optimizer
    if loss is not None:
        settings.update(loss=loss, loss_weights=None)
    if accuracy and not (
        settings.get("metrics") or settings.get("weighted_metrics")
    ):
        settings["metrics"] = [_metric(accuracy, threshold)]
    # A subclass' own `compile` may take other arguments.
    keras.Model.compile(model, **settings)
    model.optimizer.build(model.trainable_variables)
    # Metrics have names, by which callbacks tell up from down, after their
    # first use only.
    model.compute_metrics(probe.x, probe.y, outputs, probe.sample_weight)
    model.reset_metrics()


def loss_weights(model: keras.Model, loss: Any) -> Any:
    """The weights of several outputs' losses, by which the model is trained.

    Args:
        model: `keras.Model`.
        loss: The loss, or None for the compiled one.

    Returns:
        Dict or list of floats, or None.
    """
    if loss is not None or not model.compiled:
        return None
    return model._compile_config.config.get("loss_weights")


def _metric(accuracy: AccuracyKind, threshold: float) -> Any:
    if accuracy == "binary":
        return keras.metrics.BinaryAccuracy("accuracy", threshold=threshold)
    return "accuracy"


def first_outputs(model: keras.Model, x: Any) -> Any:
    """The outputs for a few samples; the model stays as it is.

    Args:
        model: `keras.Model`, built.
        x: Array or nest of arrays (n, ...).

    Returns:
        Array or nest of arrays (n, ...).
    """
    outputs = _first_call(model, x)[0]
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _first_call(model: keras.Model, x: Any, **options: Any) -> tuple:
    if "training" in inspect.signature(model.call).parameters:
        options["training"] = False
    return model.stateless_call(
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
        keras.tree.map_structure(keras.ops.convert_to_tensor, x),
        **options,
    )
