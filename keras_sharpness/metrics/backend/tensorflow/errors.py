"""What TensorFlow raises where its operations do not fit."""

import tensorflow as tf

framework_errors: tuple[type[Exception], ...] = (tf.errors.OpError,)
