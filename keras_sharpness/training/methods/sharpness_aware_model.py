"""Sharpness-aware minimisation in the user's own `compile` and `fit`."""

import functools

import keras

from keras_sharpness import arguments
from keras_sharpness.models.first_call import is_built
from keras_sharpness.training.backend import sharpness_aware_step
from keras_sharpness.training.methods.sharpness_aware import (
    SharpnessAware,
    ascent,
)


def SharpnessAwareModel(
    model: keras.Model,
    *,
    rho: float = 0.05,
    adaptive: bool = False,
    eta: float = 0.01,
) -> keras.Model:
    """Makes `fit` train a model by SAM or ASAM.

    The model is the one that is returned, of the class it has: `compile`,
    `fit`, callbacks, `evaluate` and `save` are as they were, and its files
    load wherever Keras is. Only its training step is another one, that of
    `SharpnessAware`; a loaded model trains plainly until it comes here again.
    `del model.train_step`, or `rho=0`, gives the plain step back.

    Mixed precision, `steps_per_execution`, `jit_compile` and
    `tf.distribute.MirroredStrategy` work. Of several replicas the
    perturbation is that of the whole batch, the same on all of them. The loss
    and metrics that `fit` shows are those at the weights, not above them.

    Args:
        model: `keras.Model`, compiled or not.
        rho: Float. ρ, the length of the perturbation.
        adaptive: Bool. Whether to take ASAM.
        eta: Float. η, for ASAM.

    Returns:
        The model.

    Raises:
        ValueError: If a setting is out of its range, or the model has a
            training step of its own.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x.sum(axis=1) > 0).astype(int)
    model = ks.training.SharpnessAwareModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), rho=0.05
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(x, y, batch_size=20, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    ```

    Reference:

    - [Foret et al., 2021](https://arxiv.org/abs/2010.01412), algorithm 1.
    - [Kwon et al., 2021](https://arxiv.org/abs/2102.11600), equation 8.
    """
    arguments.instance(
        "model",
        model,
        keras.Model,
        "a keras.Model",
        "Wrap layers in `keras.Sequential`.",
    )
    method = SharpnessAware(rho=rho, adaptive=adaptive, eta=eta)
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"{type(model).__name__} overrides `train_step`, which would be "
            "lost. Override `compute_loss` instead."
        )
    if is_built(model) and not model.trainable_variables:
        raise ValueError(
            f"The model {model.name!r} has no trainable weights. Set "
            "`layer.trainable = True` on the layers to train."
        )
    if "train_step" in vars(model):
        del model.train_step
    # What `fit` compiled before would go on with the step of then.
    model.train_function = None
    if not method.is_plain:
        model.train_step = sharpness_aware_step(
            model,
            functools.partial(
                ascent,
                rho=method.rho,
                eta=method.eta if method.adaptive else None,
            ),
        )
    return model
