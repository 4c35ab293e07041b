"""All that must be set while a model is traced."""

import contextlib
import threading
from collections.abc import Iterator

import keras

from keras_sharpness.metrics.backend.tensorflow.exact_moments import (
    exact_moments,
)
from keras_sharpness.metrics.backend.tensorflow.matrix_products import (
    large_matrix_products,
)
from keras_sharpness.metrics.backend.tensorflow.saturation import (
    saturated_derivatives,
)
from keras_sharpness.metrics.backend.tensorflow.second_gradients import (
    complete_gradients,
    without_cudnn,
)

# Functions are replaced for the thread that traces alone. What else tracing
# touches for a moment and puts back, the choice of cuDNN and the compiled loss,
# all threads see: two must not do so at once. Nothing else is waited for while
# it is held, so that it cannot be part of a deadlock.
_tracing = threading.RLock()


@contextlib.contextmanager
def differentiable(model: keras.Model) -> Iterator[None]:
    """Within the block a model can be traced for second derivatives.

    TensorFlow's that are wrong, missing or lose all digits are mended:
    variances, softmax and cross-entropies that saturate, gradients without a
    gradient, cuDNN's recurrent layers. Some are replaced by equal ones that
    cost less. Values stay TensorFlow's own.

    One thread at a time is in such a block; others wait for it. Blocks of one
    thread may be nested.

    Args:
        model: `keras.Model`.

    Yields:
        Nothing.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_tracing)
        complete_gradients()
        stack.enter_context(exact_moments())
        stack.enter_context(large_matrix_products())
        stack.enter_context(saturated_derivatives())
        stack.enter_context(without_cudnn(model))
        yield
