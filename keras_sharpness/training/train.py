"""`train`: a network trained by a custom loop, repeatable and resumable."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_sharpness import arguments, targets
from keras_sharpness.files import check_file
from keras_sharpness.fingerprint.descriptions import (
    describe_loss,
    describe_model,
    describe_optimizer,
    digest_arrays,
)
from keras_sharpness.training import compiling
from keras_sharpness.training.augmentation import Augmentation
from keras_sharpness.training.backend import CompiledSteps, to_device
from keras_sharpness.training.checkpoint import (
    Checkpoint,
    CheckpointWriter,
)
from keras_sharpness.training.diverged import TrainingDivergedError
from keras_sharpness.training.history import TrainingHistory
from keras_sharpness.training.loop import TrainingLoop
from keras_sharpness.training.methods.method import Method, check_method
from keras_sharpness.training.parts import check_parts
from keras_sharpness.training.prepare import (
    Prepared,
    check_callbacks,
    check_jit_compile,
    prepare,
)
from keras_sharpness.training.progress import ProgressFunction, make_reporter
from keras_sharpness.training.scaled_rate import Scaling, check_scaling
from keras_sharpness.training.schedules.probes import TrainingProbes
from keras_sharpness.training.schedules.schedule import BatchSizeSchedule
from keras_sharpness.training.state import reseed


def train(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    batch_size: int | BatchSizeSchedule = 64,
    epochs: int,
    sample_weight: Any = None,
    validation_data: tuple | None = None,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    loss: Any = None,
    stop_loss: float | None = None,
    learning_rate_scaling: Scaling = "none",
    base_batch_size: int | None = None,
    warmup_epochs: int = 0,
    patience: int | None = None,
    min_delta: float = 0.0,
    micro_batch_size: int | None = None,
    method: Method | None = None,
    augmentation: Any = None,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 5.0,
    jit_compile: bool | Literal["auto"] = "auto",
    progress: bool | ProgressFunction | None = None,
) -> TrainingHistory:
    """Trains a model by mini-batches, the same way every time.

    An epoch visits all N samples once, in an order that follows from `seed`
    and the epoch; a short last batch is kept. The loss of a batch B is what
    `model.compute_loss` returns, for a compiled loss

    `(1/|B|) Σ sᵢ ℓᵢ + regularisation`,

    with sample weights sᵢ. The data lie on the device, and many steps run
    inside one compiled call.

    The model is compiled anew with the loss and a fresh optimizer, so that
    callbacks see them and a saved model carries them. It is trained from its
    present weights. Batch normalisation and dropout behave as in `fit`.

    The same arguments, starting weights and seed give the same bits on one
    machine; on a GPU call `tf.config.experimental.enable_op_determinism()`
    first. Global random generators are neither used nor changed.

    Args:
        model: `keras.Model`, built; its weights are changed.
        x: Array (N, ...), or a dict, list or tuple of arrays. Floating-point
            values are cast to `keras.config.floatx()`.
        y: Array (N, ...) of targets, nested as the outputs.
        batch_size: Int from 1 to N, samples per update; or a schedule by
            which it grows: `GrowAt`, `GrowEvery`, `GrowByVariance` or
            `GrowByCurvature` of `ks.training`.
        epochs: Int. The most passes over the data.
        sample_weight: Array (N,), or None for ones.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)`, on which
            loss and accuracy are measured at the end of every epoch.
        optimizer: Str or `keras.optimizers.Optimizer`; None for the compiled
            one, and Adam for a model that is not compiled. Its settings
            count: it starts in a fresh state.
        loss: Loss as `model.compile` takes it; None for the compiled one.
        stop_loss: Float. Training stops when f on the whole training set,
            dropout off and regularisation included, is at most this. It is
            measured at the end of every epoch, and more often near the value:
            only minima of equal loss compare. None trains all epochs.
        learning_rate_scaling: Str. Whether the learning rate is multiplied by
            (B / B₀)ᵖ: `"none"`, `"sqrt"` (p = ½) or `"linear"` (p = 1).
        base_batch_size: Int. B₀, to which the optimizer's rate belongs; the
            first epoch's batch size by default.
        warmup_epochs: Int. Epochs, counted at the first batch size, in which
            the rate goes from the optimizer's to the scaled one.
        patience: Int. Training stops when the epoch's training loss has not
            improved for this many epochs. None trains all epochs.
        min_delta: Float. The least decrease of the loss that counts as an
            improvement.
        micro_batch_size: Int. The gradient of a batch is accumulated over
            parts of so many samples, so that memory does not limit the batch;
            a short last part counts by its size. Batch normalisation sees the
            parts one by one, and its moving statistics move with each of
            them: ghost batch normalisation. For statistics over the whole
            batch, through which the gradients of all samples depend on one
            another, leave it out.
        method: How an update is made: `SharpnessAware`, `Conservative`,
            `Adversarial` or `Stability` of `ks.training`. None for the plain
            update by the batch's gradient.
        augmentation: `keras.layers.Layer` or list of layers, which change x
            while training, batch by batch and on the device: `RandomFlip`,
            `RandomTranslation`, … Off when anything is measured. Their random
            generators are set from `seed`.
        seed: Int. Seed of the order of samples, and of the model's random
            generators (dropout), which are set from it at the start.
        callbacks: List of `keras.callbacks.Callback`. Where one asks for
            batches, every step is a call of its own, which is slower.
        checkpoint: Path of one file, from which a repeated call with the same
            settings goes on, bit for bit as if never interrupted, what
            callbacks count (numbers, texts, arrays) included. A call whose
            training is finished returns at once. None keeps nothing.
        checkpoint_seconds: Float. The least time between two writes. The end
            of the training, and of the last epoch before Ctrl-C or an error,
            is always written.
        jit_compile: Bool or `"auto"`. Whether XLA compiles the step; `"auto"`
            does so for networks of dense layers, which gain by it.
        progress: Bool, whether to show a progress bar; or a function
            `(done, total, logs)` called with updates done, updates in total,
            and the present measures. None for a bar on a terminal or in a
            notebook only.

    Returns:
        A `TrainingHistory`; its `history` is a DataFrame with one row per
        epoch. The accuracy is measured where y is a class, and the compiled
        model reports it too; other compiled metrics are not computed.

    Raises:
        ValueError: If an argument, an array, the model or the loss does not
            fit the others; before any work is done.
        OSError: If `checkpoint` cannot be written, before any work is done;
            or no longer can.
        CheckpointError: If `checkpoint` is a file of other settings, naming
            them, or is damaged. A `ValueError`.
        TrainingDivergedError: If the loss or a weight becomes NaN or
            infinite. The model then has the weights of the last good epoch's
            end, the checkpoint too, and the error has the `history`.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x.sum(axis=1) > 0).astype(int)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(
        keras.optimizers.SGD(0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    result = ks.train(model, x, y, batch_size=20, epochs=30)
    assert result.history.loss.iloc[-1] < result.history.loss.iloc[0]
    assert result.accuracy[-1] > 0.9
    ```

    Reference:

    - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836): networks
      trained with small and large batches "until the loss function ceased to
      improve".
    - [Hoffer et al., 2017](https://arxiv.org/abs/1705.08741), section 4:
      ghost batch normalisation.
    """
    schedule = None
    if isinstance(batch_size, BatchSizeSchedule):
        schedule, batch_size = batch_size, batch_size.initial
    prepared = prepare(
        model,
        (x, y, sample_weight),
        validation_data,
        loss,
        schedule,
        batch_size=batch_size,
        epochs=epochs,
        stop_loss=stop_loss,
        learning_rate_scaling=learning_rate_scaling,
        base_batch_size=base_batch_size,
        warmup_epochs=warmup_epochs,
        patience=patience,
        min_delta=min_delta,
        seed=seed,
    )
    plan = prepared.plan
    wanted, method = method, check_method(method)
    micro_batch_size = arguments.integer(
        "micro_batch_size",
        micro_batch_size,
        least=1,
        most=plan.num_samples,
        optional=True,
    )
    for size in (micro_batch_size, method.micro_batch_size):
        if size is not None:
            check_parts(
                model,
                prepared.probe,
                loss,
                size=size,
                batch_size=plan.num_samples if schedule else plan.batch_size,
            )
    augment = None
    if augmentation is not None:
        augment = Augmentation(augmentation, prepared.probe.x)
    checkpoint_seconds = arguments.real(
        "checkpoint_seconds", checkpoint_seconds, least=0.0
    )
    callbacks = check_callbacks(callbacks)
    use_xla = check_jit_compile(jit_compile, model)
    reporter = make_reporter(progress, epochs=plan.epochs)
    fresh = compiling.fresh_optimizer(model, optimizer)
    check_scaling(
        fresh,
        scaling=plan.learning_rate_scaling,
        base_batch_size=plan.base_batch_size,
        warmup_epochs=plan.warmup_epochs,
    )
    settings = _settings(model, prepared, fresh, callbacks, use_xla)
    if schedule is not None:
        settings["batch_size_schedule"] = schedule.settings
    method.check(data=prepared.probe, loss=prepared.loss, optimizer=fresh)
    how = {
        "micro_batch_size": micro_batch_size,
        "method": wanted and wanted.get_config(),
        "augmentation": augment and augment.settings,
    }
    settings |= {name: value for name, value in how.items() if value}
    settings["loss_weights"] = compiling.loss_weights(model, loss)
    earlier = None
    if checkpoint is not None:
        check_file(checkpoint, "checkpoint")
        settings["data"] = digest_arrays(prepared.data)
        settings["validation_data"] = digest_arrays(prepared.validation)
        earlier = Checkpoint.load(checkpoint, settings)
    compiling.recompile(
        model,
        optimizer=fresh,
        loss=loss,
        accuracy=prepared.accuracy,
        threshold=prepared.threshold,
        probe=prepared.probe,
        outputs=prepared.outputs,
    )
    reseed(model.variables, plan.seed)
    steps = CompiledSteps(
        model,
        accuracy=prepared.accuracy,
        threshold=prepared.threshold,
        ignored_class=prepared.ignored_class,
        jit_compile=use_xla,
        micro_batch_size=micro_batch_size,
        loss=targets.loss_spec(prepared.loss),
        update=method.update,
        added=method.added,
        draws=method.draws,
        augment=augment,
        augment_variables=augment.variables if augment else (),
    )
    reseed(steps.variables, plan.seed, 1)
    if earlier is not None and earlier.finished:
        earlier.state.restore(model, steps.variables)
        return _history(earlier, settings, method)
    data = to_device(prepared.data)
    loop = TrainingLoop(
        model,
        steps=steps,
        data=data,
        validation=to_device(prepared.validation),
        plan=plan,
        schedule=schedule,
        probes=TrainingProbes(
            model,
            prepared.data,
            num_samples=plan.num_samples,
            seed=plan.seed,
        ),
        callbacks=callbacks,
        settings=settings,
        writer=CheckpointWriter(checkpoint, checkpoint_seconds),
        reporter=reporter,
        has_accuracy=prepared.accuracy is not None,
    )
    steps.check_randomness(data, plan.num_samples, plan.batch_size)
    configs = {o: o.get_config() for o in (fresh, model.optimizer)}
    try:
        last = loop.run(earlier)
    except TrainingDivergedError as error:
        error.history = _history(loop.last_good, settings, method)
        raise
    finally:
        reporter.close()
        for item, before in configs.items():
            compiling.remember_configs(item, before)
    return _history(last, settings, method)


def _settings(
    model: keras.Model,
    prepared: Prepared,
    optimizer: keras.optimizers.Optimizer,
    callbacks: list[keras.callbacks.Callback],
    use_xla: bool,
) -> dict[str, Any]:
    """What the result is determined by, the data apart."""
    return {
        **prepared.plan.settings,
        "jit_compile": use_xla,
        "optimizer": describe_optimizer(optimizer),
        "loss": describe_loss(prepared.loss),
        "model": describe_model(model),
        "callbacks": [type(callback).__qualname__ for callback in callbacks],
    }


def _history(
    last: Checkpoint, settings: dict[str, Any], method: Method
) -> TrainingHistory:
    loss = settings["loss"]
    return TrainingHistory.from_rows(
        last.rows,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        optimizer=settings["optimizer"],
        loss_name=str(loss.get("class", loss.get("function", loss)))
        if isinstance(loss, dict)
        else str(loss),
        num_samples=settings["num_samples"],
        num_updates=last.num_updates * method.updates_per_batch,
        num_gradients=last.num_updates * method.gradients_per_batch,
        stop_reason=last.stop_reason or "diverged",
        total_seconds=last.seconds,
        stop_loss=settings.get("stop_loss"),
        schedule=settings.get("batch_size_schedule"),
        method=settings.get("method"),
        augmentation=settings.get("augmentation"),
        micro_batch_size=settings.get("micro_batch_size"),
    )
